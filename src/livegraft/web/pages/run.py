"""One run: what it got, how it goes, what it wrote, how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from livegraft.errors import ArgumentsError
from livegraft.run import OPEN_STATES, RunState, Trigger
from livegraft.supervisor import Supervisor
from livegraft.web.files import shown_files
from livegraft.web.results import shown_result
from livegraft.web.session import SignedIn

router = APIRouter()

CHUNK_BYTES: Final = 1 << 20


@router.get("/runs/{id}", name="run")
def run(visit: SignedIn, id: str, sort: str = "", file: str = "") -> Response:
    """``sort`` is the place of a column by which a table in the result is sorted, ``-1`` for the reverse.

    ``file`` names a text among the files that is to be shown.
    """
    record = visit.supervisor.find_run(id)
    knows_script = record.script in visit.supervisor.script_names
    schedules = visit.supervisor.script(record.script).schedules if knows_script else ()
    is_open = record.state in OPEN_STATES
    return visit.page(
        "run.html",
        run=record,
        zone=schedules[0].timezone if schedules else "",
        usual=visit.supervisor.runs.usual_seconds(record.script, before=id),
        is_open=is_open,
        # The count of a run whose process died was never written: its output tells.
        is_silent=not is_open and not record.output_bytes and not visit.supervisor.output(id, limit=1),
        can_cancel=record.state in OPEN_STATES | {RunState.STUCK},
        progress=visit.supervisor.progress(id) if is_open else (),
        result=shown_result(visit.supervisor, record, sort),
        artifacts=shown_files(visit.supervisor, record.id, file),
        knows_script=knows_script,
        repeats=visit.supervisor.repeats(id),
        is_live=(serving := visit.supervisor.serving(record.script)) is not None and serving.key == record.key,
    )


@router.get("/runs/{id}/output", name="run_output")
def run_output(visit: SignedIn, id: str) -> Response:
    """The kept output as a file, never as a page."""
    record = visit.supervisor.find_run(id)
    headers = {
        "Content-Disposition": f'attachment; filename="{record.id}.txt"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return StreamingResponse(_kept(visit.supervisor, id), media_type="text/plain; charset=utf-8", headers=headers)


@router.post("/runs/{id}/cancel", name="cancel_run")
def cancel_run(visit: SignedIn, id: str) -> Response:
    visit.supervisor.cancel(id, actor=visit.actor)
    return visit.to("run", id=id)


@router.post("/runs/{id}/again", name="run_again")
def run_again(visit: SignedIn, id: str, original: str = "") -> Response:
    """The same arguments, on the version that is live now, or on the run's own."""
    try:
        again = visit.supervisor.rerun(id, original=bool(original), trigger=Trigger.BUTTON, actor=visit.actor)
    except ArgumentsError:  # what is not kept, a secret or an old file, has to be given again
        return visit.to("script", asked={"arguments_of": id}, name=visit.supervisor.find_run(id).script)
    return visit.to("run", id=again.id)


def _kept(supervisor: Supervisor, id: str) -> Iterator[bytes]:
    offset = 0
    while chunk := supervisor.output(id, offset, CHUNK_BYTES):
        yield chunk
        offset += len(chunk)
