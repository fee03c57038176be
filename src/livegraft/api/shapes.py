"""The JSON shapes of the API: what goes out, made from the values of the core, and what may come in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, model_validator

from livegraft.artifact_files import Artifact
from livegraft.backfill import MissingSlot
from livegraft.bars import Progress
from livegraft.catalog import Forecast, LiveVersion, ScriptFailure, ScriptStatus, SyncReport, VersionStatus
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


class RunBody(Body):
    arguments: dict[str, Any] = Field(default_factory=dict, description="the script's arguments, by name")
    at: AwareDatetime | None = Field(None, description="when it is to start; by itself, now")
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

    first: AwareDatetime
    last: AwareDatetime
    dry_run: StrictBool = Field(False, description="only tell which would run")


class RerunBody(Body):
    arguments: dict[str, Any] | None = Field(None, description="instead of those of the run that is repeated")
    original: StrictBool = Field(False, description="on the version of that run; else on the one that is live")


class ReasonBody(Body):
    reason: str = Field("", max_length=1000)


class QuarantineBody(Body):
    reason: str = Field(min_length=1, max_length=1000)


def _names(field: str) -> dict[str, Any]:
    return {"required": [field], "properties": {field: {"minLength": 1}}}


class PinBody(Body):
    """The version, by one of both."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_names("key"), _names("revision")]})

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


def time(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, with Z."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def script(status: ScriptStatus) -> Json:
    version = status.version
    return {
        "name": status.name,
        "state": status.state.value,
        "words": status.words,
        "newer": status.newer and {"key": status.newer.key, "revision": status.newer.revision},
        "description": status.description,
        "owner": status.owner,
        "tags": list(status.tags),
        "schedule": [
            {"cron": each.cron, "timezone": each.timezone, "words": each.words, "next_at": time(each.next_at)}
            for each in status.schedules
        ],
        "version": version and live_version(version),
        "error": status.error and script_failure(status.error),
        "quarantined": status.quarantine is not None,
        "quarantine": status.quarantine and restraint(status.quarantine),
        "pinned": status.pin is not None,
        "pin": status.pin and restraint(status.pin),
        "paused": status.pause is not None,
        "pause": status.pause and restraint(status.pause),
        "header": dict(status.header),
        "is_async": status.is_async,
        "isolated": status.isolated,
        "place": status.place,
        "environment": status.environment
        and {"key": status.environment.key, "packages": list(status.environment.packages)},
        "warnings": list(status.warnings),
        "parameters": dict(status.parameters),
    }


def live_version(version: LiveVersion) -> Json:
    return {"key": version.key, "revision": version.revision, "loaded_at": time(version.loaded_at)}


def script_with_versions(status: ScriptStatus, versions: Iterable[VersionRecord]) -> Json:
    live = status.version.key if status.version else None
    return script(status) | {
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
        ]
    }


def script_failure(failure: ScriptFailure) -> Json:
    about = {"revision": failure.revision, "author": failure.author, "at": time(failure.at), "key": failure.key}
    return about | run_failure(failure.failure)


def run_failure(failure: RunFailure) -> Json:
    return asdict(failure)


def restraint(restraint: Restraint) -> Json:
    found = {"reason": restraint.reason, "actor": restraint.actor, "at": time(restraint.at)}
    return found | ({"key": restraint.key, "revision": restraint.revision} if restraint.key else {})


def run(record: RunRecord, progress: Iterable[Progress] = ()) -> Json:
    result = record.result
    return {
        "id": record.id,
        "script": record.script,
        "state": record.state.value,
        "trigger": record.trigger.value,
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


def many_done(many: ManyDone) -> Json:
    return {
        "done": [
            {
                "run": each.run,
                "again": each.again or None,
                "refused": each.refused and {"code": each.refused.code, "message": str(each.refused)},
            }
            for each in many.done
        ],
        "next": many.next,
    }


def bars(progress: Iterable[Progress]) -> list[Json]:
    return [{"fraction": each.fraction, "text": each.text} for each in progress]


def offer(offer: Offer) -> Json:
    return {"values": [{"value": each.value, "label": each.label} for each in offer.choices], "problem": offer.problem}


def artifact(artifact: Artifact) -> Json:
    return {"name": artifact.name, "bytes": artifact.byte_count}


def replica(each: ReplicaRecord, here: str) -> Json:
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


def stall(stall: Stall) -> Json:
    return {**asdict(stall), "at": time(stall.at)}


def outcome(outcome: ScriptOutcome) -> Json:
    return {
        "script": outcome.script,
        "outcome": outcome.outcome.value,
        "key": outcome.key,
        "error": run_failure(outcome.failure) if outcome.failure else None,
    }


def newest_release(record: ReleaseRecord, serving: Callable[[str], LiveVersion | None]) -> Json:
    """The newest commit: beside each script of it that is not live, the version that serves in its place."""
    shown = release(record)
    for each in shown["scripts"]:
        found = (
            serving(each["script"])
            if each["outcome"] in (Outcome.FAILED, Outcome.PREPARING, Outcome.WITHHELD)
            else None
        )
        each["live"] = found and live_version(found)
    return shown


def roll_back(plan: RollBack, pinned: Sequence[str]) -> Json:
    return {
        "revision": plan.release.revision,
        "returns": [
            {"script": each.script, "now": each.now or None, "to": {"key": each.to.key, "revision": each.to.revision}}
            for each in plan.returns
        ],
        "remains": [{"script": each.script, "why": each.why} for each in plan.remains],
        "pinned": list(pinned),
    }


def release(release: ReleaseRecord) -> Json:
    return {
        "id": release.id,
        "revision": release.revision,
        "author": release.author,
        "subject": release.subject,
        "committed_at": time(release.committed_at),
        "state": release.state.value,
        "steps": {step: time(at) for step, at in release.steps.items()},
        "scripts": [outcome(each) for each in release.scripts],
        "counts": {name.value: count for name, count in release.counts.items()},
        "unchanged": release.unchanged,
        "error": release.error,
    }


def sync_report(report: SyncReport) -> Json:
    return {
        "revision": report.revision,
        "state": report.state.value,
        "error": report.error,
        "scripts": [outcome(each) for each in report.scripts],
    }


def version(status: VersionStatus) -> Json:
    return {
        "name": status.name,
        "path": status.path,
        "key": status.key,
        "revision": status.revision,
        "state": status.state.value,
        "since": time(status.since),
        "loaded_at": time(status.loaded_at),
        "objects": status.object_count,
        "holders": list(status.holders),
        "stacks": list(status.stacks),
        "undone": list(status.undone),
        "error": status.error,
        "scripts": list(status.scripts),
    }


def forecast(forecast: Forecast) -> Json:
    return {
        "cron": forecast.cron,
        "timezone": forecast.timezone,
        "upcoming": [time(at) for at in forecast.upcoming],
        "clock_changes": [{"at": time(each.at), "words": each.words()} for each in forecast.clock_changes],
    }


def missing_slot(slot: MissingSlot) -> Json:
    return {
        "schedule": slot.schedule.id,
        "slot_at": time(slot.slot_at),
        "state": slot.row.state.value if slot.row else None,
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


def slot(record: SlotRecord) -> Json:
    return {
        "script": record.script,
        "schedule": record.schedule,
        "slot_at": time(record.slot_at),
        "state": record.state.value,
        "decided_at": time(record.decided_at),
        "lateness_seconds": record.lateness.total_seconds(),
        "run": record.run_id,
        "cause": record.cause.value,
        "reason": record.reason,
    }


def shared_name(name: SharedName) -> Json:
    return {
        "name": name.name,
        "keys": name.key_count,
        "bytes": name.byte_count,
        "changed_at": time(name.changed_at),
    }


def shared_value(value: SharedValue) -> Json:
    return {
        "key": value.key,
        "value": json.loads(value.text),
        "changed_at": time(value.changed_at),
        "expires_at": time(value.expires_at),
    }


def audit(record: AuditRecord) -> Json:
    return {
        "id": record.id,
        "at": time(record.at),
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "detail": dict(record.detail),
    }
