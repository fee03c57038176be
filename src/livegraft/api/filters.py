"""What a request asks for of runs and of the audit."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import Depends, Query
from pydantic import Field, model_validator

from livegraft.api.shapes import Body, Instant, exactly_one
from livegraft.run import RunState, Trigger
from livegraft.run_filter import RunFilter
from livegraft.run_history import MOST_AT_ONCE
from livegraft.store import AuditFilter

MOST_CHARACTERS: Final = 300


class RunsAsked(Body):
    """All of it must hold; what is left out holds for every run."""

    script: str = Field(
        default="", max_length=MOST_CHARACTERS, description="a script, or a folder of them with / at its end"
    )
    state: list[RunState] = Field(default_factory=list, max_length=len(RunState), description="one of these")
    trigger: Trigger | None = None
    actor: str = Field(default="", max_length=MOST_CHARACTERS, description="who asked")
    version: str = Field(default="", max_length=64, description="the first digits of its key or of its revision")
    since: Instant | None = Field(default=None, description="when it was asked for, at the earliest")
    until: Instant | None = Field(default=None, description="before this instant")
    tag: str = Field(default="", max_length=MOST_CHARACTERS, description="a tag of the script, as it is live")
    text: str = Field(default="", max_length=MOST_CHARACTERS, description="in arguments, result or failure")

    @property
    def filter(self) -> RunFilter:
        is_folder = self.script.endswith("/")
        return RunFilter(
            scripts=(self.script,) if self.script and not is_folder else None,
            folder=self.script if is_folder else "",
            states=tuple(self.state),
            trigger=self.trigger,
            actor=self.actor,
            version=self.version,
            since=self.since,
            until=self.until,
            text=self.text,
        )


class ManyBody(Body):
    """The runs by their ids, or those that match: one of both."""

    model_config = exactly_one(runs={"type": "array"}, matching={"type": "object"})

    runs: list[str] | None = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)
    matching: RunsAsked | None = None
    before: str | None = Field(default=None, description="of those that match: the `next` of the answer before")

    @model_validator(mode="after")
    def _names_runs(self) -> Self:
        if (self.runs is None) == (self.matching is None):
            raise ValueError("expected either runs or what they match")
        return self

    @property
    def asked(self) -> RunsAsked:
        return self.matching or RunsAsked()


def _asked_runs(
    script: Annotated[str, Query(max_length=MOST_CHARACTERS, description="or a folder with / at its end")] = "",
    state: Annotated[list[RunState], Query(max_length=len(RunState), description="one of these")] = [],  # noqa: B006
    trigger: Trigger | None = None,
    actor: Annotated[str, Query(max_length=MOST_CHARACTERS, description="who asked")] = "",
    version: Annotated[str, Query(max_length=64, description="the first digits of its key or revision")] = "",
    since: Annotated[Instant | None, Query(description="when it was asked for, at the earliest")] = None,
    until: Annotated[Instant | None, Query(description="before this instant")] = None,
    tag: Annotated[str, Query(max_length=MOST_CHARACTERS, description="of the script, as it is live")] = "",
    text: Annotated[str, Query(max_length=MOST_CHARACTERS, description="in arguments, result or failure")] = "",
) -> RunsAsked:
    return RunsAsked(
        script=script,
        state=state,
        trigger=trigger,
        actor=actor,
        version=version,
        since=since,
        until=until,
        tag=tag,
        text=text,
    )


AskedRuns = Annotated[RunsAsked, Depends(_asked_runs)]


def _asked_audit(
    actor: Annotated[str, Query(max_length=MOST_CHARACTERS, description="who")] = "",
    action: Annotated[str, Query(max_length=MOST_CHARACTERS, description="did what")] = "",
    subject: Annotated[str, Query(max_length=MOST_CHARACTERS, description="to what")] = "",
    since: Annotated[Instant | None, Query(description="at the earliest")] = None,
    until: Annotated[Instant | None, Query(description="before this instant")] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, subject, since, until)


AskedAudit = Annotated[AuditFilter, Depends(_asked_audit)]
