"""What a version changed in the source of its script, beside the version before it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from livegraft.errors import NotFoundError
from livegraft.store import VersionRecord
from livegraft.web.diff import Fold, Row, side_by_side
from livegraft.web.session import SignedIn

router = APIRouter()


@router.get("/scripts/{name:path}/changes", name="script_changes")
def changes(visit: SignedIn, name: str, key: str = "", against: str = "") -> Response:
    """``key`` is the newer version (default: the newest that was live), ``against`` the older one (the one before)."""
    supervisor = visit.supervisor
    status = supervisor.script(name)
    versions = supervisor.script_versions(name)
    new = _version(versions, name, key or (versions[0].key if versions else ""))
    before = versions[versions.index(new) + 1 :]
    old = _version(versions, name, against) if against else next(iter(before), None)
    problem, rows = "", tuple[Row | Fold, ...]()
    try:
        rows = side_by_side(supervisor.code(name, old.key) if old else "", supervisor.code(name, new.key))
    except ValueError as error:
        problem = str(error)
    return visit.page("changes.html", script=status, versions=versions, new=new, old=old, rows=rows, problem=problem)


def _version(versions: Sequence[VersionRecord], name: str, key: str) -> VersionRecord:
    found = next((version for version in versions if key and version.key.startswith(key)), None)
    if found is None:
        raise NotFoundError("version", f"{name}@{key}")
    return found
