"""Filters of pages, as their forms and addresses have them. What cannot be read as a filter is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from livegraft.run import OPEN_STATES, RunState, Trigger
from livegraft.run_filter import RunFilter
from livegraft.store import AuditFilter

OPEN: Final = "open"
STATES: Final[Mapping[str, tuple[RunState, ...]]] = {
    OPEN: tuple(sorted(OPEN_STATES)),
    **{
        state.value: (state,)
        for state in (
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.TIMED_OUT,
            RunState.STUCK,
            RunState.CANCELLED,
            RunState.LOST,
        )
    },
}
"""What the filter of states offers; ``open`` is queued, starting and running."""

RUN_FIELDS: Final = ("script", "state", "trigger", "actor", "version", "since", "until", "tag", "text")
AUDIT_FIELDS: Final = ("actor", "action", "subject", "since", "until")


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of a form that are filled in, by name."""

    fields: Mapping[str, str]

    @classmethod
    def of(cls, sent: Mapping[str, object], names: tuple[str, ...]) -> Asked:
        return cls({name: text for name in names if (text := str(sent.get(name, "")).strip())})

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def but(self, **changes: str) -> dict[str, str]:
        """The fields for the address of another page of the same, some of them changed."""
        return {**self.fields, **changes}

    def has_any_of(self, *names: str) -> bool:
        return any(name in self.fields for name in names)

    @property
    def runs(self) -> RunFilter:
        script = self["script"]
        is_folder = script.endswith("/")
        return RunFilter(
            scripts=(script,) if script and not is_folder else None,
            folder=script if is_folder else "",
            states=STATES.get(self["state"], ()),
            trigger=Trigger(self["trigger"]) if self["trigger"] in set(Trigger) else None,
            actor=self["actor"],
            version=self["version"].lower(),
            since=_instant(self["since"]),
            until=_instant(self["until"]),
            text=self["text"],
        )

    @property
    def audit(self) -> AuditFilter:
        since, until = _instant(self["since"]), _instant(self["until"])
        return AuditFilter(self["actor"], self["action"], self["subject"], since, until)


def _instant(text: str) -> datetime | None:
    """A date and a time, in UTC by itself."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
