"""What an endpoint of the pages gets: who asks, the supervisor, and ways to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from livegraft.supervisor import Supervisor
from livegraft.web.rendering import link, query, render


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a signed-in person. ``actor`` is who they are, for the audit.

    ``position`` is of the events before anything was read: what the page shows is at least as new.
    """

    request: Request
    supervisor: Supervisor
    actor: str
    position: str

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page with its frame: navigation, state of the sync, who is signed in."""
        refusal, safe_mode = self.supervisor.refusal, self.supervisor.safe_mode
        frame = {
            "safe_mode": safe_mode,
            "history_fault": self.supervisor.history_fault,
            "crash": refusal if refusal and refusal.crash else None,
            "now": self.supervisor.clock.now(),
            "sync": self.supervisor.sync_status,
            "refused": refusal.revision if refusal else None,
            "failure_count": 0 if safe_mode else self.supervisor.failure_count,
            "actor": self.actor,
            "position": self.position,
        }
        return HTMLResponse(render(self.request, template, frame | values), status)

    def to(self, route: str, /, *, asked: dict[str, str] | None = None, **parts: str) -> Response:
        """Go on with a GET of another page, after a change."""
        return RedirectResponse(link(self.request, route, **parts) + query(**(asked or {})), status_code=303)


async def _sent(request: Request) -> FormData:
    return await request.form()


Sent = Annotated[FormData, Depends(_sent)]
"""The fields of a submitted form."""
