"""The API's routes. Every one of them is guarded; a test walks them all."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, FastAPI, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from livegraft import __version__
from livegraft.access import BY_TOKEN, Access
from livegraft.api import answers, shapes
from livegraft.api.caller import Caller, Core, GuardedRoute, described_access
from livegraft.api.errors import ErrorAnswer, add_handlers
from livegraft.api.files import artifact_file, result_csv, result_file
from livegraft.api.filters import AskedAudit, AskedRuns, ManyBody
from livegraft.api.followed import FollowedRuns
from livegraft.api.streams import follow_events, follow_run, wait_for_end
from livegraft.errors import NotFoundError
from livegraft.rollbacks import RollBack
from livegraft.run import Trigger
from livegraft.store import Outcome, SlotState
from livegraft.supervisor import Supervisor
from livegraft.support import bundle

MAX_ID: Final = (1 << 63) - 1
"""The largest number that a history keeps."""

MAX_OFFSET: Final = 1 << 62
"""Beyond every output, with room for a piece behind it."""

Limit = Annotated[int, Query(ge=1, le=500)]
Before = Annotated[int | None, Query(ge=0, le=MAX_ID, description="the `next` of the page before")]
ReleaseId = Annotated[int, Path(ge=0, lt=MAX_ID, description="the release's `id`")]
Wait = Annotated[float, Query(ge=0, le=300, allow_inf_nan=False, description="seconds to wait for the end")]


def _no_fields(body: Annotated[shapes.Body | None, Body()] = None) -> None:
    """Refuse what a request carries that may carry nothing."""


CARRIES_NOTHING: Final = Depends(_no_fields)

_CSV: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {}}}}
_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/plain": {}, "text/event-stream": {}}}}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/event-stream": {}}}}
_ZIP: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/zip": {}}}}
_ANYTHING: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"*/*": {}}}}

router = APIRouter(
    route_class=GuardedRoute,
    dependencies=[Depends(described_access)],
    responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}, 422: {"model": ErrorAnswer}},
)


def build_api(supervisor: Supervisor, access: Access) -> FastAPI:
    """The API of a supervisor, to mount at ``/api/v1``."""
    app = FastAPI(
        title="livegraft",
        version=__version__,
        description="Scripts that live in a running process: run them, follow them, sync them.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.supervisor = supervisor
    app.state.access = access
    app.state.followed = FollowedRuns()
    app.state.routes = router.routes
    add_handlers(app)
    app.include_router(router)
    return app


def _followed(request: Request) -> FollowedRuns:
    followed: FollowedRuns = request.app.state.followed
    return followed


Followed = Annotated[FollowedRuns, Depends(_followed)]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    app: FastAPI = request.app
    # The paths in it count from where the API is mounted.
    return {**app.openapi(), "servers": [{"url": request.scope.get("root_path", "")}]}


@router.get("/health", responses={200: {"model": answers.Health}, 503: {"model": answers.Health}})
def health(core: Core) -> Response:
    """Whether the server works: 200, or 503 when it is degraded."""
    found = shapes.health(core.health())
    return JSONResponse(found, 200 if found["status"] == "ok" else 503)


@router.get("/scripts")
def scripts(
    core: Core,
    after: Annotated[str, Query(description="the `next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> answers.Scripts:
    """Scripts, by name, page by page: there are no more when ``next`` is null."""
    names = core.script_names
    wanted = names[bisect_right(names, after) :]
    some = wanted[:limit]
    more = some[-1] if len(some) < len(wanted) else None
    return {"scripts": [shapes.script(each) for each in core.scripts_named(some)], "next": more}


# The routes with an ending come before the bare name: names contain slashes.


@router.post("/scripts/{name:path}/runs", status_code=201)
async def start_run(
    name: str,
    core: Core,
    followed: Followed,
    actor: Caller,
    body: Annotated[shapes.RunBody | None, Body()] = None,
    wait: Wait = 0,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="one run for all requests that give the same")
    ] = None,
) -> answers.Run:
    """Start a run of the live version or an earlier one now, or of the live one ``at`` an instant."""
    arguments, at, version = (body.arguments, body.at, body.version) if body else ({}, None, "")
    start = partial(core.submit, name, version=version) if at is None else partial(core.run_at, name, at)
    run = await run_in_threadpool(start, arguments, trigger=Trigger.API, actor=actor, request=idempotency_key)
    record = await wait_for_end(core, followed, run.id, wait)
    return shapes.run(record, core.progress(run.id))


@router.post("/scripts/{name:path}/quarantine")
def quarantine(name: str, core: Core, actor: Caller, body: shapes.QuarantineBody) -> answers.Script:
    """Take a script out of service."""
    core.quarantine(name, reason=body.reason, actor=actor)
    return shapes.script(core.script(name))


@router.post("/scripts/{name:path}/release", dependencies=[CARRIES_NOTHING])
def release_quarantine(name: str, core: Core, actor: Caller) -> answers.Script:
    """Put a quarantined script back into service."""
    core.script(name)
    core.release_quarantine(name, actor=actor)
    return shapes.script(core.script(name))


@router.post("/scripts/{name:path}/retry", dependencies=[CARRIES_NOTHING])
def retry(name: str, core: Core, actor: Caller) -> answers.Script:
    """Load the version of a script again that failed; answers when it is live or failed again."""
    return shapes.script(core.retry(name, actor=actor))


@router.post("/scripts/{name:path}/pause")
def pause(
    name: str, core: Core, actor: Caller, body: Annotated[shapes.ReasonBody | None, Body()] = None
) -> answers.Script:
    """Have the schedules of a script skip their due times."""
    core.pause(name, actor=actor, reason=body.reason if body else "")
    return shapes.script(core.script(name))


@router.post("/scripts/{name:path}/unpause", dependencies=[CARRIES_NOTHING])
def unpause(name: str, core: Core, actor: Caller) -> answers.Script:
    """Have the schedules of a script run again."""
    core.script(name)
    core.unpause(name, actor=actor)
    return shapes.script(core.script(name))


@router.post("/scripts/{name:path}/backfill")
def backfill(name: str, core: Core, actor: Caller, body: shapes.BackfillBody) -> answers.Backfill:
    """Have the due times of a range run that have no run, oldest first; at most 1,000."""
    found = core.find_missing(name, body.first, body.last)
    runs = () if body.dry_run else core.backfill(name, body.first, body.last, trigger=Trigger.API, actor=actor)
    return {"slots": [shapes.missing_slot(each) for each in found], "runs": [each.id for each in runs]}


@router.post("/scripts/{name:path}/pin")
def pin(name: str, core: Core, actor: Caller, body: shapes.PinBody) -> answers.Script:
    """Make an earlier version live and keep the script at it."""
    core.pin(name, key=body.key or _key_of(core, name, body.revision), actor=actor, reason=body.reason)
    return shapes.script(core.script(name))


@router.post("/scripts/{name:path}/unpin", dependencies=[CARRIES_NOTHING])
def unpin(name: str, core: Core, actor: Caller) -> answers.Script:
    """Let a pinned script follow the repository again."""
    core.script(name)
    core.unpin(name, actor=actor)
    return shapes.script(core.script(name))


@router.get("/scripts/{name:path}/choices")
def choices_of_script(name: str, core: Core) -> answers.Choices:
    """What the script offers at the moment for its parameters with choices()."""
    core.script(name)
    return {"choices": {parameter: shapes.offer(each) for parameter, each in core.offers(name).items()}}


@router.get("/scripts/{name:path}")
def script(name: str, core: Core) -> answers.WholeScript:
    """One script, with the versions that were live once, and its next due times."""
    return shapes.whole_script(
        core.script(name), core.script_versions(name), core.forecast(name), core.outlasting(name)
    )


@router.get("/runs")
def runs(
    core: Core,
    asked: AskedRuns,
    before: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> answers.Runs:
    """Runs, newest first. A page may have fewer than ``limit``, or none: there are no more when ``next`` is null."""
    found = core.runs.search(asked.filter, tag=asked.tag, before=before, limit=limit)
    return {
        "runs": [shapes.run(each, core.progress(each.id)) for each in found.runs],
        "next": found.next,
        "looked_back_to": shapes.time(found.looked_back_to),
    }


@router.post("/runs/cancel")
def cancel_many(core: Core, actor: Caller, body: ManyBody) -> answers.ManyDone:
    """Ask many runs to stop: chosen ones, or the newest 500 that match and have not ended."""
    if body.runs is not None:
        return shapes.many_done(core.runs.cancel(body.runs, actor=actor))
    asked = body.asked
    return shapes.many_done(core.runs.cancel_all(asked.filter, tag=asked.tag, before=body.before, actor=actor))


@router.post("/runs/rerun")
def rerun_many(core: Core, actor: Caller, body: ManyBody) -> answers.ManyDone:
    """Start runs that repeat many, on the live versions: chosen ones, or the newest 500 that match."""
    if body.runs is not None:
        return shapes.many_done(core.runs.rerun(body.runs, trigger=Trigger.API, actor=actor))
    asked = body.asked
    done = core.runs.rerun_all(asked.filter, tag=asked.tag, before=body.before, trigger=Trigger.API, actor=actor)
    return shapes.many_done(done)


@router.get("/runs/{id}/result", response_class=Response, responses=_ANYTHING)
def result(id: str, core: Core, actor: Caller) -> Response:
    """What a run returned, as what it is: JSON, a picture, HTML, Markdown; a table as JSON."""
    return result_file(core, id, in_browser=actor != BY_TOKEN)


@router.get("/runs/{id}/result.csv", response_class=Response, responses=_CSV)
def csv_of_result(id: str, core: Core) -> Response:
    """A result that is a table, or a list of records, as CSV."""
    return result_csv(core, id)


@router.get("/runs/{id}/artifacts")
def artifacts(id: str, core: Core) -> answers.Artifacts:
    """The files that a run left."""
    return {"artifacts": [shapes.artifact(each) for each in core.artifacts.find(core.find_run(id).id)]}


@router.get("/runs/{id}/artifacts/{name:path}", response_class=Response, responses=_ANYTHING)
def artifact(id: str, name: str, core: Core) -> Response:
    """A file that a run left."""
    return artifact_file(core, core.find_run(id), name)


@router.get("/runs/{id}")
def run(id: str, core: Core) -> answers.Run:
    """One run."""
    return shapes.run(core.find_run(id), core.progress(id))


@router.get("/runs/{id}/output", response_class=Response, responses=_TEXT)
def output(
    id: str,
    core: Core,
    followed: Followed,
    request: Request,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="in bytes")] = 0,
    follow: Annotated[bool, Query(description="as server-sent events, until the run ends")] = False,
) -> Response:
    """The output of a run, as text; with ``follow`` as server-sent events ``output``, ``progress``, ``end``."""
    core.find_run(id)
    if follow or "text/event-stream" in request.headers.get("accept", ""):
        return follow_run(core, followed, id, _seen(request, offset), request)
    return Response(core.whole_output(id, offset), media_type="text/plain; charset=utf-8")


@router.post("/runs/{id}/cancel", dependencies=[CARRIES_NOTHING])
def cancel(id: str, core: Core, actor: Caller) -> answers.Run:
    """Ask a run to stop."""
    return shapes.run(core.cancel(id, actor=actor))


@router.post("/runs/{id}/rerun", status_code=201)
async def rerun(
    id: str,
    core: Core,
    followed: Followed,
    actor: Caller,
    body: Annotated[shapes.RerunBody | None, Body()] = None,
    wait: Wait = 0,
) -> answers.Run:
    """Start a run that repeats another."""
    arguments, original = (body.arguments, body.original) if body else (None, False)
    run = await run_in_threadpool(core.rerun, id, arguments, original=original, trigger=Trigger.API, actor=actor)
    record = await wait_for_end(core, followed, run.id, wait)
    return shapes.run(record, core.progress(run.id))


@router.get("/releases")
def releases(core: Core, before: Before = None, limit: Limit = 50) -> answers.Releases:
    """Commits that were taken or refused, newest first, each with the first scripts of what it did.

    Scripts that failed come first. The very newest tells what serves in place of what failed.
    """
    found = core.releases(before=before, limit=limit)
    shown = [shapes.release(each) for each in found]
    if found and before is None:
        shown[0] = shapes.newest_release(found[0], core.serving)
    return {
        "releases": shown,
        "next": found[-1].id if len(found) == limit else None,
    }


@router.get("/releases/{id}/scripts")
def scripts_of_release(
    id: ReleaseId,
    core: Core,
    outcome: Outcome | None = None,
    after: Annotated[str, Query(description="the `next` of the page before")] = "",
    limit: Limit = 100,
) -> answers.ScriptOutcomes:
    """What a release did to scripts, by name: all of it page by page, or only one ``outcome``."""
    core.find_release(id)
    found = core.scripts_of_release(id, outcome=outcome, after=after, limit=limit)
    return {
        "scripts": [shapes.outcome(each) for each in found],
        "next": found[-1].script if len(found) == limit else None,
    }


Revision = Annotated[str, Path(min_length=4, max_length=64, description="the release's revision, or its first digits")]


@router.get("/releases/{revision}/roll-back")
def plan_roll_back(revision: Revision, core: Core) -> answers.RollBack:
    """What a roll back of a release would change: the scripts that go back, and those that stay; nothing is done."""
    return _roll_back(core, core.roll_backs.plan(revision))


@router.post("/releases/{revision}/roll-back")
def roll_back(
    revision: Revision, core: Core, actor: Caller, body: Annotated[shapes.ReasonBody | None, Body()] = None
) -> answers.RollBack:
    """Pin every script of a release to the version that was live before it, in one switch."""
    return _roll_back(core, core.roll_backs.roll_back(revision, actor=actor, reason=body.reason if body else ""))


@router.post("/releases/{revision}/undo-roll-back", dependencies=[CARRIES_NOTHING])
def undo_roll_back(revision: Revision, core: Core, actor: Caller) -> answers.Unpinned:
    """Let the scripts that a roll back pinned follow the repository again."""
    return {"unpinned": list(core.roll_backs.undo(revision, actor=actor))}


@router.post("/sync")
def sync(core: Core, actor: Caller, body: Annotated[shapes.SyncBody | None, Body()] = None) -> answers.SyncReport:
    """Look at the repository now; answers when its newest commit is live or refused."""
    return shapes.sync_report(core.sync(actor=actor, accept_rewritten=body.accept_rewritten if body else False))


@router.post("/hold")
def hold(core: Core, actor: Caller, body: Annotated[shapes.ReasonBody | None, Body()] = None) -> answers.Held:
    """Keep the present release live whatever is committed."""
    core.hold(actor=actor, reason=body.reason if body else "")
    return _held(core)


@router.post("/let-go", dependencies=[CARRIES_NOTHING])
def let_go(core: Core, actor: Caller) -> answers.Held:
    """Follow the repository again."""
    core.let_go(actor=actor)
    return _held(core)


@router.post("/resume", dependencies=[CARRIES_NOTHING])
def resume(core: Core, actor: Caller) -> answers.Health:
    """Leave safe mode, and take the commit again that is refused because a process died of it."""
    core.resume(actor=actor)
    return shapes.health(core.health())


@router.post("/links", status_code=201, dependencies=[CARRIES_NOTHING])
def new_link(request: Request, core: Core, actor: Caller) -> answers.Link:
    """A secret for a link that signs in whoever opens it first: ``/login?token=SECRET``."""
    access: Access = request.app.state.access
    return {"login_token": access.invite(core, actor=actor)}


@router.get("/versions")
def versions(core: Core) -> answers.Versions:
    """Every version in the process, and those that left lately."""
    return {"versions": [shapes.version(each) for each in core.versions()]}


@router.post("/versions/{name:path}/scrub")
def scrub(name: str, core: Core, actor: Caller, body: shapes.ScrubBody) -> answers.Version:
    """Turn the globals of a superseded version into tombstones, so that its memory returns whoever holds it."""
    return shapes.version(core.scrub(name, key=body.key, actor=actor))


@router.get("/requirements")
def requirements(core: Core) -> answers.Requirements:
    """The functions that the host requires of live code: a commit that breaks one is refused."""
    return {"requirements": [shapes.requirement(each) for each in core.requirements]}


@router.get("/replicas")
def replicas(core: Core) -> answers.Replicas:
    """The processes that share this history, by the time at which they started; ``is_here``: the one that answers."""
    return {"replicas": [shapes.replica(each, core.identity) for each in core.replicas]}


@router.get("/stalls")
def stalls(core: Core) -> answers.Stalls:
    """When code held the interpreter for a second or more, newest first."""
    return {"stalls": [shapes.stall(each) for each in core.stalls]}


@router.get("/support", response_class=Response, responses=_ZIP)
def support(core: Core) -> Response:
    """The support bundle: a zip file of states, findings and stacks, without secrets; it takes seconds."""
    headers = {"Content-Disposition": 'attachment; filename="livegraft-support.zip"'}
    return Response(bundle(core), media_type="application/zip", headers=headers)


@router.get("/slots")
def slots(
    core: Core,
    script: str | None = None,
    state: SlotState | None = None,
    since: Annotated[shapes.Instant | None, Query(description="due then or later")] = None,
    until: Annotated[shapes.Instant | None, Query(description="due before that")] = None,
    before: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> answers.Slots:
    """Due times and what became of them, newest first."""
    place = shapes.read_slot_place(before) if before else None
    found = core.slots(
        script=script, states=[state] if state else [], before=place, since=since, until=until, limit=limit
    )
    return {
        "slots": [shapes.slot(each) for each in found],
        "next": shapes.slot_place(found[-1].place) if len(found) == limit else None,
    }


@router.get("/shared")
def shared_names(core: Core) -> answers.SharedNames:
    """Names of shared data, with how much is kept under each."""
    return {"shared": [shapes.shared_name(each) for each in core.shared.names()]}


@router.get("/shared/{name:path}")
def shared_values(
    name: str,
    core: Core,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Limit = 50,
) -> answers.SharedValues:
    """What is kept under a name, by key."""
    about, found = core.find_shared(name, after=after, limit=limit)
    return {
        **shapes.shared_name(about),
        "values": [shapes.shared_value(each) for each in found],
        "next": found[-1].key if len(found) == limit else None,
    }


@router.delete("/shared/{name:path}", status_code=204)
def delete_shared(
    name: str,
    core: Core,
    actor: Caller,
    key: Annotated[str | None, Query(description="default: every key of the name")] = None,
) -> None:
    """Delete a key of shared data, or all that is kept under a name."""
    core.delete_shared(name, key, actor=actor)


@router.get("/audit")
def audit(core: Core, asked: AskedAudit, before: Before = None, limit: Limit = 50) -> answers.Audit:
    """Who changed what, newest first. There are no more when ``next`` is null."""
    found = core.search_audit(asked, before=before, limit=limit)
    return {"audit": [shapes.audit(each) for each in found.rows], "next": found.next}


@router.get("/events", response_class=Response, responses=_STREAM)
async def events(
    core: Core,
    request: Request,
    since: Annotated[str, Query(max_length=40, description="what a page was rendered with; default: from now on")] = "",
) -> Response:
    """What happens, as server-sent events; ``missed`` if more happened since than is remembered."""
    return follow_events(core, since, request)


def _seen(request: Request, offset: int) -> int:
    """The offset up to which a resumed stream was seen, else the one that was asked for."""
    last = request.headers.get("last-event-id", "")
    is_offset = last.isdecimal() and len(last) <= len(str(MAX_OFFSET))
    return min(int(last), MAX_OFFSET) if is_offset else offset


def _roll_back(core: Supervisor, plan: RollBack) -> answers.RollBack:
    return shapes.roll_back(plan, core.roll_backs.pinned(plan.release))


def _held(core: Supervisor) -> answers.Held:
    return {"held": shapes.restraint(core.held) if core.held else None}


def _key_of(core: Supervisor, name: str, revision: str) -> str:
    """The key of the version that a revision brought."""
    for known in core.script_versions(name):
        if known.revision.startswith(revision):
            return known.key
    raise NotFoundError("version", f"{name} at {revision}")
