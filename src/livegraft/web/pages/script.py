"""One script: run form, runs, schedule, versions, code, and the decisions people take on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from markupsafe import Markup
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from livegraft.catalog import ScriptStatus
from livegraft.errors import ArgumentsError, NotFoundError
from livegraft.parameters import SECRET_MASK
from livegraft.run import Trigger
from livegraft.run_filter import RunFilter
from livegraft.store import GivenArguments
from livegraft.supervisor import Supervisor
from livegraft.uploads import SIZE_LIMIT
from livegraft.web.calls import as_command, as_curl
from livegraft.web.code import highlighted
from livegraft.web.form import Form, SentFile, Submission
from livegraft.web.session import SignedIn
from livegraft.web.visit import Sent, Visit

router = APIRouter()

AT_FIELD: Final = ":at"
"""The field of the form that says when to run; no parameter has such a name."""

SPAN_COUNT: Final = 100
"""Runs in the picture of how long they took."""

RECENT_COUNT: Final = 5
"""Arguments that are offered again."""


@dataclass(frozen=True, slots=True)
class Code:
    """The source on the page: which version's, its highlighted lines, the line to look at (0: none)."""

    key: str
    lines: Sequence[Markup]
    marked: int


@router.get("/scripts/{name:path}", name="script")
def script(visit: SignedIn, name: str, key: str = "", line: int = 0, arguments_of: str = "") -> Response:
    """``key`` chooses the version whose code is shown, ``line`` marks one of it; ``arguments_of`` is a run's id."""
    status = visit.supervisor.script(name)
    arguments = visit.supervisor.find_run(arguments_of).arguments if arguments_of else None
    form = Form.of(status.parameters, _without_secrets(arguments), visit.supervisor.offers(name))
    return _page(visit, status, form, key=key, line=line, given=arguments)


@router.post("/scripts/{name:path}/run", name="run_script")
def run_script(visit: SignedIn, name: str, sent: Sent, version: str = "") -> Response:
    """Run the live version with what the form says, or the one with a key."""
    status = visit.supervisor.script(name)
    submission = Form.of(status.parameters, offers=visit.supervisor.offers(name)).submitted(_fields(sent))
    problems: Mapping[str, str] = submission.problems
    if not problems:
        try:
            given = submission.arguments
            run = visit.supervisor.submit(name, given, trigger=Trigger.BUTTON, actor=visit.actor, version=version)
            return visit.to("run", id=run.id)
        except ArgumentsError as error:
            problems = error.problems
    return _refused(visit, status, submission, problems)


@router.post("/scripts/{name:path}/run-at", name="run_script_at")
def run_script_at(visit: SignedIn, name: str, sent: Sent) -> Response:
    """Have a run start later, with the arguments of the form."""
    status = visit.supervisor.script(name)
    submission = Form.of(status.parameters, offers=visit.supervisor.offers(name)).submitted(_fields(sent))
    problems: Mapping[str, str] = submission.problems
    at = _text(sent, AT_FIELD)
    if not problems:
        try:
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            run = visit.supervisor.run_at(name, moment, submission.arguments, trigger=Trigger.BUTTON, actor=visit.actor)
            return visit.to("run", id=run.id)
        except ValueError:
            problems = {"at": "expected a date and a time, in UTC"}
        except ArgumentsError as error:
            problems = error.problems
    return _refused(visit, status, submission, problems, at=at)


@router.post("/scripts/{name:path}/pause", name="pause_script")
def pause_script(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.pause(name, actor=visit.actor, reason=_text(sent, "reason"))
    return _back(visit, name, sent)


@router.post("/scripts/{name:path}/unpause", name="unpause_script")
def unpause_script(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.unpause(name, actor=visit.actor)
    return _back(visit, name, sent)


@router.post("/scripts/{name:path}/pin", name="pin_script")
def pin_script(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.pin(name, key=_text(sent, "key"), actor=visit.actor, reason=_text(sent, "reason"))
    return visit.to("script", name=name)


@router.post("/scripts/{name:path}/unpin", name="unpin_script")
def unpin_script(visit: SignedIn, name: str) -> Response:
    visit.supervisor.unpin(name, actor=visit.actor)
    return visit.to("script", name=name)


@router.post("/scripts/{name:path}/quarantine", name="quarantine_script")
def quarantine_script(visit: SignedIn, name: str, sent: Sent) -> Response:
    visit.supervisor.quarantine(name, reason=_text(sent, "reason"), actor=visit.actor)
    return visit.to("script", name=name)


@router.post("/scripts/{name:path}/release", name="release_script")
def release_script(visit: SignedIn, name: str) -> Response:
    """Lift the quarantine."""
    visit.supervisor.release_quarantine(name, actor=visit.actor)
    return visit.to("script", name=name)


@router.post("/scripts/{name:path}/calls", name="calls_of_script")
def calls_of_script(visit: SignedIn, name: str, sent: Sent) -> dict[str, str]:
    """The run that the form asks for as it is filled in, as other ways to ask for it; nothing is run."""
    status = visit.supervisor.script(name)
    form = Form.of(status.parameters, offers=visit.supervisor.offers(name))
    return _calls(visit, name, form.told(form.submitted(_fields(sent)).arguments))


def _calls(visit: Visit, name: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    url = str(visit.request.base_url).rstrip("/")
    return {"command": as_command(url, name, arguments), "curl": as_curl(url, name, arguments)}


def _refused(
    visit: Visit, status: ScriptStatus, submission: Submission, problems: Mapping[str, str], *, at: str = ""
) -> Response:
    """The form as it was filled, with all that is wrong at once: what can be read may be wrong too."""
    if submission.problems:
        problems = {**visit.supervisor.problems_of(status.name, submission.arguments), **problems}
    form = submission.form.with_problems(problems)
    return _page(visit, status, form, at=at, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


def _back(visit: Visit, name: str, sent: FormData) -> Response:
    """To the page on which this was asked for."""
    return visit.to("schedule") if _text(sent, "back") == "schedule" else visit.to("script", name=name)


def _fields(sent: FormData) -> dict[str, list[str | SentFile]]:
    fields: dict[str, list[str | SentFile]] = {}
    for name, value in sent.multi_items():
        fields.setdefault(name, []).append(value if isinstance(value, str) else _file(value))
    return fields


def _file(sent: UploadFile) -> SentFile:
    data = sent.file.read(SIZE_LIMIT + 1)
    return SentFile(sent.filename or "", data if len(data) <= SIZE_LIMIT else None)


def _without_secrets(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (arguments or {}).items() if value != SECRET_MASK}


def _recent(supervisor: Supervisor, name: str) -> list[GivenArguments]:
    """The arguments of the last runs, each once, newest first."""
    found: dict[str, GivenArguments] = {}
    for given in supervisor.given(name):
        shown = _without_secrets(given.arguments)
        if shown and len(found) < RECENT_COUNT:
            found.setdefault(json.dumps(shown, sort_keys=True), replace(given, arguments=shown))
    return list(found.values())


def _text(sent: Any, field: str) -> str:
    return str(sent.get(field, "")).strip()


def _page(
    visit: Visit,
    status: ScriptStatus,
    form: Form,
    *,
    key: str = "",
    line: int = 0,
    at: str = "",
    given: Mapping[str, Any] | None = None,
    status_code: int = 200,
) -> Response:
    supervisor = visit.supervisor
    recent = _recent(supervisor, status.name)
    outlasting = supervisor.outlasting(status.name)
    return visit.page(
        "script.html",
        status=status_code,
        script=status,
        form=form,
        code=_code(supervisor, status, key, line),
        recent=recent,
        calls=_calls(visit, status.name, form.told(_without_secrets(given))),
        imports=supervisor.imports(status.name),
        runs=supervisor.find_runs(script=status.name, limit=10),
        spans=supervisor.runs.spans(RunFilter(scripts=(status.name,)), limit=SPAN_COUNT),
        slots=supervisor.slots(script=status.name, limit=8),
        versions=supervisor.script_versions(status.name),
        warnings=[*status.warnings, *([outlasting] if outlasting else [])],
        forecast=supervisor.forecast(status.name),
        at_field=AT_FIELD,
        at=at,
        is_refused=status_code == HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _code(supervisor: Supervisor, status: ScriptStatus, key: str, line: int) -> Code | None:
    """What was asked for, else what is pinned, else the newest, with the line that failed marked.

    None when the source of that version is not known any more.
    """
    key = key or (status.pin.key if status.pin else "")
    newest = status.error or status.version
    if status.error and status.has_failed and not key and status.error.failure.path == f"{status.name}.py":
        line = line or status.error.failure.line
    try:
        text = supervisor.code(status.name, key or None)
    except NotFoundError:
        return None
    return Code(key or (newest.key if newest else ""), highlighted(text), line)
