"""The support bundle: what somebody who helps needs to know of a process, and nothing that is secret.

States, places and times are in it; what people and scripts wrote is not: no arguments, results, outputs, messages of
errors, sources, commit messages, values of settings that are text, provided objects.
"""

from __future__ import annotations

import io
import json
import platform
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from livegraft import __version__
from livegraft.catalog import ScriptFailure, ScriptStatus, VersionStatus
from livegraft.doctor import findings
from livegraft.errors import StoreError
from livegraft.run import RunFailure
from livegraft.store import ReleaseRecord
from livegraft.supervisor import Supervisor

RELEASE_COUNT: Final = 50


def bundle(supervisor: Supervisor) -> bytes:
    """A zip file of JSON files and of the threads' stacks as text. Takes seconds: the doctor looks at the history."""
    parts: dict[str, Callable[[], object]] = {
        "about.json": lambda: _about(supervisor),
        "settings.json": lambda: supervisor.settings,
        "health.json": supervisor.health,
        "findings.json": lambda: _findings(supervisor),
        "scripts.json": lambda: [_script(each) for each in supervisor.scripts],
        "versions.json": lambda: [_version(each) for each in supervisor.versions()],
        "releases.json": lambda: [_release(each) for each in supervisor.releases(limit=RELEASE_COUNT)],
        "stalls.json": lambda: [asdict(each) for each in supervisor.stalls],
        "threads.txt": lambda: _threads(supervisor),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, tell in parts.items():
            try:
                told = tell()
            except StoreError:  # just then a bundle is wanted
                told = {"missing": "the history cannot be read"}
            text = told if isinstance(told, str) else json.dumps(told, indent=2, ensure_ascii=False, default=str)
            archive.writestr(name, text.encode("utf-8", "replace"))
    return file.getvalue()


def _about(supervisor: Supervisor) -> dict[str, Any]:
    return {
        "livegraft": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "at": datetime.now(UTC),
        "process": supervisor.identity,
        "sync": {**asdict(supervisor.sync_status), "error": "left out" if supervisor.sync_status.error else ""},
        "history_bytes": supervisor.store.size(),
    }


def _findings(supervisor: Supervisor) -> list[dict[str, Any]]:
    # The repository is not asked: how following it goes is told already.
    store = "" if (supervisor.data / "history.db").exists() else supervisor.store
    return [asdict(each) for each in findings(supervisor.data, "", store)]


def _script(status: ScriptStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "state": status.state,
        "version": status.version and asdict(status.version),
        "failed": status.error and _failure(status.error),
        "quarantined_at": status.quarantine and status.quarantine.at,
        "pinned_to": status.pin and status.pin.key,
        "paused_at": status.pause and status.pause.at,
        "next_at": [each.next_at for each in status.schedules],
    }


def _failure(failure: ScriptFailure) -> dict[str, Any]:
    return {"revision": failure.revision, "key": failure.key, "at": failure.at, **_place(failure.failure)}


def _place(failure: RunFailure) -> dict[str, Any]:
    return {"type": failure.type, "path": failure.path, "line": failure.line}


def _version(status: VersionStatus) -> dict[str, Any]:
    return {
        "path": status.path,
        "key": status.key,
        "revision": status.revision,
        "state": status.state,
        "since": status.since,
        "loaded_at": status.loaded_at,
        "objects": status.object_count,
        "holder_count": len(status.holders),
        "has_failed": bool(status.error),
    }


def _release(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "revision": record.revision,
        "state": record.state,
        "steps": record.steps,
        "unchanged": record.unchanged,
        "scripts": [
            {"script": each.script, "outcome": each.outcome, "key": each.key}
            | ({"failed": _place(each.failure)} if each.failure else {})
            for each in record.scripts
        ],
    }


def _threads(supervisor: Supervisor) -> str:
    running, loops = supervisor.threads(), supervisor.loops()
    told = [
        f"thread {each.name} ({each.ident}{', daemon' if each.is_daemon else ''})\n{each.stack}" for each in running
    ]
    for loop in loops:
        told.append(f"loop {loop.kind}: {loop.task_count} tasks")
        told += [f"task\n{each}" for each in loop.stacks]
    return "\n".join(told)
