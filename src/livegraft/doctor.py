"""The doctor: looks at all that a server needs, and says what to do about what is wrong.

It looks only, and may be used while a server runs.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from livegraft.errors import LivegraftError
from livegraft.isolation.uv import find_uv
from livegraft.store import Store, sqlite_file
from livegraft.store.opening import open_store
from livegraft.store.schema import NEWEST, instant

OK: Final = "ok"
WARNING: Final = "warning"
FAULT: Final = "fault"

_LOW_BYTES: Final = 256 << 20
_LOW_INODES: Final = 1_000
_LONG_WAL_BYTES: Final = 256 << 20
_GIT_SECONDS: Final = 60
_AHEAD_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it ("" when nothing needs to be done)."""

    what: str
    state: str
    found: str
    advice: str = ""


def findings(data: Path, repository: str, store: str | Store) -> Iterator[Finding]:
    """Every finding; what cannot even be looked at is a fault.

    ``store`` is a history on a server, by its address or as it is open here; "" for the file in the data folder.
    """
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "disk": lambda: _disk(data),
        "history": lambda: _server_history(store, data) if store else _history(data / "history.db"),
        "mirror": lambda: _mirror(data / "mirror.git", repository),
        "clock": lambda: _clock(data, "" if store else "history.db"),
        "parts": _parts,
    }
    for name, look in parts.items():
        try:
            yield from look()
        except (OSError, sqlite3.Error, subprocess.SubprocessError, LivegraftError) as error:
            yield Finding(name, FAULT, f"cannot be looked at: {error}", "see the words before")


def _disk(data: Path) -> Iterator[Finding]:
    if not data.is_dir():
        yield Finding("data folder", FAULT, f"there is none at {data}", "name it with --data, or start a server once")
        return
    space = os.statvfs(data)
    free, inodes = space.f_bavail * space.f_frsize, space.f_favail
    few = free < _LOW_BYTES
    state = FAULT if free < sqlite_file.SPARE_BYTES else WARNING if few else OK
    yield Finding("disk space", state, f"{free / 1e6:.0f} MB free", "free some space, or keep less" if few else "")
    # Some file systems have no bound, and say 0.
    if space.f_files:
        out = inodes < _LOW_INODES
        yield Finding("disk inodes", WARNING if out else OK, f"{inodes} free", "remove small files" if out else "")
    try:
        with tempfile.TemporaryFile(dir=data) as file:
            file.write(b"livegraft")
            file.flush()
    except OSError as error:
        advice = "make the folder writable for this user, and see whether the disk is full or only reads"
        yield Finding("disk writes", FAULT, str(error), advice)
    else:
        yield Finding("disk writes", OK, "a file can be written")


def _history(file: Path) -> Iterator[Finding]:
    try:
        sqlite_file.check_before_opening(file)
    except LivegraftError as error:
        yield Finding("history", FAULT, str(error), "restore a backup")
        return
    if not file.exists():
        yield Finding("history", WARNING, "there is none yet", "start a server once")
        return
    damage = sqlite_file.find_damage(file)
    yield Finding("history", *((FAULT, damage[0], "stop the server, restore a backup") if damage else (OK, "is whole")))
    with closing(sqlite_file.connect(file, "ro")) as connection:
        revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    if revision > NEWEST:
        yield Finding("history schema", FAULT, f"{revision}, this livegraft knows {NEWEST}", "update livegraft")
    else:
        yield Finding(
            "history schema", OK, revision if revision == NEWEST else f"{revision}, the next start migrates it"
        )
    yield Finding("history size", OK, f"{file.stat().st_size / 1e6:.1f} MB, {runs} run{'' if runs == 1 else 's'}")
    journal = file.with_name(file.name + "-wal")
    size = journal.stat().st_size if journal.exists() else 0
    is_long = size > _LONG_WAL_BYTES
    advice = "look for a process that has been reading the file for long, and end it" if is_long else ""
    yield Finding("history journal", WARNING if is_long else OK, f"{size / 1e6:.1f} MB", advice)


def _server_history(store: str | Store, data: Path) -> Iterator[Finding]:
    if isinstance(store, str):
        with closing(open_store(store, data)) as opened:
            opened.check()
    else:
        store.check()
    yield Finding("history", OK, "the server answers; its backups and its disk are its own")


def _mirror(folder: Path, repository: str) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding("mirror", WARNING, "there is none yet", "start a server once")
    else:
        done = _git("--git-dir", str(folder), "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
        said = (done.stderr or done.stdout).strip().partition("\n")[0]
        advice = f"stop the server and remove {folder}: the next start fetches it anew"
        yield Finding("mirror", FAULT, said, advice) if done.returncode else Finding("mirror", OK, "is whole")
    if repository:
        done = _git("ls-remote", "--exit-code", "--heads", "--", repository)
        said = done.stderr.strip().partition("\n")[0] or "it has no branch"
        if done.returncode:
            advice = "look at the address, the network, and the right to read; what is live stays live"
            yield Finding("repository", FAULT, said, advice)
        else:
            yield Finding("repository", OK, "answers")


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, timeout=_GIT_SECONDS, env=environment, check=False
    )


def _apart(seconds: float) -> str:
    return f"{seconds:+.1f} s" if abs(seconds) >= 0.05 else "less than 0.1 s"


def _clock(data: Path, history: str) -> Iterator[Finding]:
    now = time.time()
    if data.is_dir():
        with tempfile.NamedTemporaryFile(dir=data) as file:
            apart = os.stat(file.name).st_mtime - now
        is_off = abs(apart) > _AHEAD_SECONDS
        advice = "set the clock of this machine or of the file server" if is_off else ""
        yield Finding("clock, file system", WARNING if is_off else OK, f"{_apart(apart)} apart", advice)
    if history and (data / history).exists():
        with closing(sqlite_file.connect(data / history, "ro")) as connection:
            last = connection.execute(
                "SELECT max(at) FROM (SELECT at FROM audit ORDER BY id DESC LIMIT 100)"
            ).fetchone()
            slot = connection.execute(
                "SELECT max(decided_at) FROM (SELECT decided_at FROM slots ORDER BY slot_at DESC LIMIT 100)"
            )
            latest = max((each for each in (last[0], slot.fetchone()[0]) if each is not None), default=None)
        if latest is not None:
            at = instant(latest)
            is_ahead = (at - datetime.now(UTC)).total_seconds() > _AHEAD_SECONDS
            advice = "the clock was set back, or had been ahead: set it; slots until then are decided already"
            found = f"the last entry is of {at:%Y-%m-%d %H:%M:%S} UTC"
            yield Finding("clock, history", WARNING if is_ahead else OK, found, advice if is_ahead else "")
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        yield Finding("time zones", FAULT, "there are none", "install the package tzdata")
    else:
        yield Finding("time zones", OK, "are there")


def _parts() -> Iterator[Finding]:
    git = shutil.which("git")
    yield Finding("git", OK, git) if git else Finding("git", FAULT, "is not on the PATH", "install git")
    uv = find_uv()
    advice = "install livegraft[envs], if scripts need packages that the server does not have"
    yield Finding("uv", OK, str(uv)) if uv else Finding("uv", WARNING, "is not there", advice)
    probe = subprocess.run(
        [sys.executable, "-c", "import livegraft.probe.child"], capture_output=True, text=True, check=False
    )
    if find_spec("livegraft") is None or probe.returncode:
        said = probe.stderr.strip().rpartition("\n")[2]
        yield Finding("probe", FAULT, said, "install livegraft for the Python that serves, or use --no-probe")
    else:
        yield Finding("probe", OK, "a child process can import")
