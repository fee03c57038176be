"""The JSON shapes of the API: what goes out, made from the values of the core, and what may come in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self, cast, overload

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from livegraft.api import answers
from livegraft.artifact_files import Artifact
from livegraft.backfill import MissingSlot
from livegraft.bars import Progress
from livegraft.catalog import Forecast, LiveVersion, ScriptFailure, ScriptStatus, SyncReport, VersionStatus
from livegraft.contract import Requirement
from livegraft.offers import Offer
from livegraft.rollbacks import RollBack
from livegraft.run import RunFailure, RunRecord
from livegraft.run_history import ManyDone
from livegraft.runner.watchdog import Stall
from livegraft.store import (
    AuditRecord,
    Outcome,
    ReleaseRecord,
    ReplicaRecord,
    Restraint,
    ScriptOutcome,
    SharedName,
    SharedValue,
    SlotPlace,
    SlotRecord,
    VersionRecord,
)

Json = dict[str, Any]


class Body(BaseModel):
    """What a request may carry: by itself no fields; one that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def _written_out(value: Any) -> Any:
    """Refuse what pydantic would take for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.match(value)):
        return value
    raise ValueError(f"expected an instant with its zone, as 2026-11-27T09:30:00Z, got: {value!r}")


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")

Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]


def exactly_one(**rules: Json) -> ConfigDict:
    """Of these fields one must be there and keep to its rule, no two."""
    return ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name], "properties": {name: rule}} for name, rule in rules.items()],
        }
    )


class RunBody(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["at", "version"],
                "properties": {"at": {"type": "string"}, "version": {"minLength": 1}},
            }
        }
    )

    arguments: dict[str, Any] = Field(default_factory=dict, description="the script's arguments, by name")
    at: Instant | None = Field(None, description="when it is to start; by itself, now")
    version: str = Field(
        "", max_length=64, description="the key, or its first digits, of the version; by itself, the live one"
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.at is not None and self.version:
            raise ValueError("expected either at or version: what is put off runs the version that is live then")
        return self


class BackfillBody(Body):
    """The range of due times, both included."""

    first: Instant
    last: Instant
    dry_run: StrictBool = Field(False, description="only tell which would run")


class RerunBody(Body):
    arguments: dict[str, Any] | None = Field(None, description="instead of those of the run that is repeated")
    original: StrictBool = Field(False, description="on the version of that run; else on the one that is live")


class ReasonBody(Body):
    reason: str = Field("", max_length=1000)


class QuarantineBody(Body):
    reason: str = Field(min_length=1, max_length=1000)


class PinBody(Body):
    """The version, by one of both."""

    model_config = exactly_one(key={"minLength": 1}, revision={"minLength": 1})

    key: str = Field("", description="the version's key, or its first digits")
    revision: str = Field("", description="the revision that brought it, or its first digits")
    reason: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _names_a_version(self) -> Self:
        if bool(self.key) == bool(self.revision):
            raise ValueError("expected either a key or a revision")
        return self


class ScrubBody(Body):
    key: str = Field(min_length=1, description="the version's key, or its first digits")


class SyncBody(Body):
    accept_rewritten: StrictBool = Field(False, description="take a branch whose history was rewritten")


@overload
def time(at: datetime) -> str: ...


@overload
def time(at: datetime | None) -> str | None: ...


def time(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, with Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def script(status: ScriptStatus) -> answers.Script:
    version = status.version
    return {
        "name": status.name,
        "state": status.state,
        "words": status.words,
        "newer": {"key": status.newer.key, "revision": status.newer.revision} if status.newer else None,
        "description": status.description,
        "owner": status.owner,
        "tags": list(status.tags),
        "schedule": [
            {"cron": each.cron, "timezone": each.timezone, "words": each.words, "next_at": time(each.next_at)}
            for each in status.schedules
        ],
        "version": live_version(version) if version else None,
        "error": script_failure(status.error) if status.error else None,
        "quarantined": status.quarantine is not None,
        "quarantine": restraint(status.quarantine) if status.quarantine else None,
        "pinned": status.pin is not None,
        "pin": restraint(status.pin) if status.pin else None,
        "paused": status.pause is not None,
        "pause": restraint(status.pause) if status.pause else None,
        "header": dict(status.header),
        "is_async": status.is_async,
        "isolated": status.isolated,
        "place": status.place,
        "environment": {"key": status.environment.key, "packages": list(status.environment.packages)}
        if status.environment
        else None,
        "warnings": list(status.warnings),
        "parameters": dict(status.parameters),
    }


def live_version(version: LiveVersion) -> answers.LiveVersion:
    return {"key": version.key, "revision": version.revision, "loaded_at": time(version.loaded_at)}


def whole_script(
    status: ScriptStatus, versions: Iterable[VersionRecord], forecasts: Iterable[Forecast], outlasting: str
) -> answers.WholeScript:
    """With the versions that were live once, and what ``outlasting`` warns of when it is not empty."""
    live = status.version.key if status.version else None
    shown = script(status)
    return {
        **shown,
        "warnings": [*shown["warnings"], *([outlasting] if outlasting else [])],
        "versions": [
            {
                "key": each.key,
                "revision": each.revision,
                "author": each.author,
                "subject": each.subject,
                "loaded_at": time(each.loaded_at),
                "live": each.key == live,
            }
            for each in versions
        ],
        "forecast": [forecast(each) for each in forecasts],
    }


def script_failure(failure: ScriptFailure) -> answers.ScriptFailure:
    return {
        "revision": failure.revision,
        "author": failure.author,
        "at": time(failure.at),
        "key": failure.key,
        **run_failure(failure.failure),
    }


def run_failure(failure: RunFailure) -> answers.Failure:
    return {
        "type": failure.type,
        "message": failure.message,
        "path": failure.path,
        "line": failure.line,
        "traceback": failure.traceback,
    }


def restraint(restraint: Restraint) -> answers.Restraint:
    found: answers.Restraint = {"reason": restraint.reason, "actor": restraint.actor, "at": time(restraint.at)}
    if restraint.key:
        found |= {"key": restraint.key, "revision": restraint.revision}
    return found


def run(record: RunRecord, progress: Iterable[Progress] = ()) -> answers.Run:
    result = record.result
    return {
        "id": record.id,
        "script": record.script,
        "state": record.state,
        "trigger": record.trigger,
        "actor": record.actor,
        "version": {"key": record.key, "revision": record.revision},
        "arguments": dict(record.arguments),
        "queued_at": time(record.queued_at),
        "started_at": time(record.started_at),
        "ended_at": time(record.ended_at),
        "result": result.value if result else None,
        "result_kind": result.kind if result else None,
        "result_note": result.note if result else "",
        "error": run_failure(record.failure) if record.failure else None,
        "progress": bars(progress),
        "output_bytes": record.output_bytes,
        "origin": record.origin,
        "attempt": record.attempt,
        "due_at": time(record.due_at),
        "slot_at": time(record.slot_at),
    }


def many_done(many: ManyDone) -> answers.ManyDone:
    return {
        "done": [
            {
                "run": each.run,
                "again": each.again or None,
                "refused": {"code": each.refused.code, "message": str(each.refused)} if each.refused else None,
            }
            for each in many.done
        ],
        "next": many.next,
    }


def bars(progress: Iterable[Progress]) -> list[answers.Bar]:
    return [{"fraction": each.fraction, "text": each.text} for each in progress]


def offer(offer: Offer) -> answers.Offer:
    return {"values": [{"value": each.value, "label": each.label} for each in offer.choices], "problem": offer.problem}


def artifact(artifact: Artifact) -> answers.Artifact:
    return {"name": artifact.name, "bytes": artifact.byte_count}


def requirement(each: Requirement) -> answers.Requirement:
    """What the host requires: the bare signature for programs, and its text as it was written."""
    return {"target": str(each), "signature": each.calls, "is_async": each.is_async, "text": each.text}


def replica(each: ReplicaRecord, here: str) -> answers.Replica:
    """A process on the history."""
    return {
        "identity": each.identity,
        "host": each.host,
        "pid": each.pid,
        "address": each.address or None,
        "revision": each.revision or None,
        "started_at": time(each.started_at),
        "beat_at": time(each.beat_at),
        "livegraft": each.livegraft,
        "python": each.python,
        "is_here": each.identity == here,
    }


def stall(stall: Stall) -> answers.Stall:
    return {
        "at": time(stall.at),
        "seconds": stall.seconds,
        "thread": stall.thread,
        "name": stall.name,
        "path": stall.path,
        "line": stall.line,
        "function": stall.function,
        "revision": stall.revision,
        "stack": stall.stack,
        "was_last": stall.was_last,
    }


def outcome(outcome: ScriptOutcome) -> answers.ScriptOutcome:
    return {
        "script": outcome.script,
        "outcome": outcome.outcome,
        "key": outcome.key,
        "error": run_failure(outcome.failure) if outcome.failure else None,
    }


def newest_release(record: ReleaseRecord, serving: Callable[[str], LiveVersion | None]) -> answers.Release:
    """The newest commit: beside each script of it that is not live, the version that serves in its place."""
    shown = release(record)
    for each in shown["scripts"]:
        found = (
            serving(each["script"])
            if each["outcome"] in (Outcome.FAILED, Outcome.PREPARING, Outcome.WITHHELD)
            else None
        )
        each["live"] = live_version(found) if found else None
    return shown


def roll_back(plan: RollBack, pinned: Sequence[str]) -> answers.RollBack:
    return {
        "revision": plan.release.revision,
        "returns": [
            {"script": each.script, "now": each.now or None, "to": {"key": each.to.key, "revision": each.to.revision}}
            for each in plan.returns
        ],
        "remains": [{"script": each.script, "why": each.why} for each in plan.remains],
        "pinned": list(pinned),
    }


def release(release: ReleaseRecord) -> answers.Release:
    return {
        "id": release.id,
        "revision": release.revision,
        "author": release.author,
        "subject": release.subject,
        "committed_at": time(release.committed_at),
        "state": release.state,
        "steps": {step: time(at) for step, at in release.steps.items()},
        "scripts": [outcome(each) for each in release.scripts],
        "counts": dict(release.counts),
        "unchanged": release.unchanged,
        "error": release.error,
    }


def sync_report(report: SyncReport) -> answers.SyncReport:
    return {
        "revision": report.revision,
        "state": report.state,
        "error": report.error,
        "scripts": [outcome(each) for each in report.scripts],
    }


def version(status: VersionStatus) -> answers.Version:
    return {
        "name": status.name,
        "path": status.path,
        "key": status.key,
        "revision": status.revision,
        "state": status.state,
        "since": time(status.since),
        "loaded_at": time(status.loaded_at),
        "objects": status.object_count,
        "holders": list(status.holders),
        "stacks": list(status.stacks),
        "undone": list(status.undone),
        "error": status.error,
        "scripts": list(status.scripts),
    }


def forecast(forecast: Forecast) -> answers.Forecast:
    return {
        "cron": forecast.cron,
        "timezone": forecast.timezone,
        "upcoming": [time(at) for at in forecast.upcoming],
        "clock_changes": [{"at": time(each.at), "words": each.words()} for each in forecast.clock_changes],
    }


def missing_slot(slot: MissingSlot) -> answers.MissingSlot:
    return {
        "schedule": slot.schedule.id,
        "slot_at": time(slot.slot_at),
        "state": slot.row.state if slot.row else None,
        "reason": slot.row.reason if slot.row else "",
    }


def slot_place(place: SlotPlace) -> str:
    """Where a page of slots ends, as the ``next`` of its answer."""
    at, script, schedule = place
    return f"{time(at)} {script} {schedule}"


def read_slot_place(text: str) -> SlotPlace | None:
    """The reverse; None for what is no place."""
    at, _, rest = text.partition(" ")
    script, _, schedule = rest.partition(" ")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), script, schedule
    except (ValueError, OverflowError):
        return None


def slot(record: SlotRecord) -> answers.Slot:
    return {
        "script": record.script,
        "schedule": record.schedule,
        "slot_at": time(record.slot_at),
        "state": record.state,
        "decided_at": time(record.decided_at),
        "lateness_seconds": record.lateness.total_seconds(),
        "run": record.run_id,
        "cause": record.cause,
        "reason": record.reason,
    }


def shared_name(name: SharedName) -> answers.SharedName:
    return {
        "name": name.name,
        "keys": name.key_count,
        "bytes": name.byte_count,
        "changed_at": time(name.changed_at),
    }


def shared_value(value: SharedValue) -> answers.SharedValue:
    return {
        "key": value.key,
        "value": json.loads(value.text),
        "changed_at": time(value.changed_at),
        "expires_at": time(value.expires_at),
    }


def audit(record: AuditRecord) -> answers.Change:
    return {
        "id": record.id,
        "at": time(record.at),
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "detail": dict(record.detail),
    }


def health(found: Mapping[str, Any]) -> answers.Health:
    return cast(answers.Health, dict(found))
