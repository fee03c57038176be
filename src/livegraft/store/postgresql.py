"""The store in a PostgreSQL database, migrated to the newest schema when it is opened."""

from __future__ import annotations

import contextlib
import select as sockets
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Select, bindparam, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError

from livegraft.errors import ConfigurationError, StoreError
from livegraft.store.database import BUSY_SECONDS, InDoubtError, Owner, passes
from livegraft.store.schema import NEWEST
from livegraft.store.sql import SqlStore

if TYPE_CHECKING:
    import psycopg

OLDEST_SERVER: Final = 13
"""The oldest PostgreSQL that is known to do."""

MOST_CONNECTIONS: Final = 8
"""How many connections one process takes at most."""

_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 30

_DEFAULTS: Final[Mapping[str, Any]] = {
    "application_name": "livegraft",
    "connect_timeout": _CONNECT_SECONDS,
    # A network that was cut answers nothing: without these a call would wait for a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _ANSWER_SECONDS * 1000,
}

_PREPARE: Final = (
    # Waiting for others has an end, and one that was stopped in the middle of a transaction holds up nobody for ever.
    f"SET lock_timeout = '{BUSY_SECONDS:g}s'; SET idle_in_transaction_session_timeout = '{_ANSWER_SECONDS}s'"
)

_ALONE: Final = select(
    # Locks of this kind are of the whole database, in which several histories may stand.
    func.pg_advisory_xact_lock(func.hashtextextended(func.current_schema() + "/livegraft/" + bindparam("word"), 0))
)

_TOO_MANY: Final = f"raise max_connections of the server: each process of livegraft takes up to {MOST_CONNECTIONS}"

_ADVICE: Final = {
    # What a server said is known by its code. What it said before there was a connection has only its words.
    "28P01": "correct the user and the password in the setting `store`, or in the password file",
    "password authentication failed": "correct the user and the password in the setting `store`, or in the password "
    "file",
    "no password supplied": "give the password in the setting `store`, in PGPASSWORD or in a password file",
    "pg_hba.conf": "allow this user from this machine in the server's pg_hba.conf",
    "does not exist": "create it, or correct the setting `store`",
    "could not translate host name": "correct the host in the setting `store`",
    "failed to resolve host": "correct the host in the setting `store`",
    "Connection refused": "start the server, or correct the host and the port in the setting `store`",
    "No such file or directory": "start the server, or correct the host and the port in the setting `store`",
    "timeout expired": "see whether the server runs and can be reached from this machine",
    "53300": _TOO_MANY,
    "too many clients": _TOO_MANY,
    "too many connections": _TOO_MANY,
    "remaining connection slots": _TOO_MANY,
    "starting up": "it is starting: the same will do in a moment",
    "shutting down": "it is being stopped: the same will do when it runs again",
    "57P01": "the server ended the connection: the same will do in a moment",
    "57P02": "the server ended the connection: the same will do in a moment",
    "25P03": "this process stood still in the middle of a change, which the server took back: do it again",
    "closed the connection": "the same will do when the server runs again",
    "connection is lost": "the same will do when the server runs again",
    "42501": "grant this user the right: GRANT CREATE, USAGE ON SCHEMA ... TO ...",
    "3F000": "create the schema that the search_path of this user names",
    "25006": "this server only reads: give the address of the primary",
    "53100": "free some space on the disk of the server",
    "55P03": f"another process has been writing for longer than {BUSY_SECONDS:g} s: end it",
    "40P01": "two processes waited for each other: do it again",
    "QueuePool limit": "see what the server is slow with: all connections of this process are in use",
}


def open_store(address: str) -> SqlStore:
    """Open the history in a database, whose tables are made if they are missing.

    ``address`` is ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE``, as libpq has it. Raises
    ConfigurationError for one that cannot be read, or when psycopg is not installed, and StoreError when the server
    cannot be used, is too old, or a newer livegraft has written there.
    """
    database = PostgresqlDatabase(address)
    try:
        with database.reading() as connection:
            _check(connection, database.name)
            is_newest = _revision(connection) == NEWEST
    except BaseException:
        database.close()
        raise
    if not is_newest:
        # Alembic takes a while to import and is needed once in the life of a database and schema.
        from livegraft.store.migrations import migrate

        migrate(database)
    return SqlStore(database)


class PostgresqlDatabase:
    """See ``livegraft.store.database.Database``.

    Connections are kept, and looked at before they are used: those that a server left behind when it ended are
    replaced, and nobody hears of it.
    """

    def __init__(self, address: str) -> None:
        self._psycopg = _driver()
        self._address = _known(self._psycopg, address)
        self.name = _name(self._address)
        self._owner = Owner()
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=MOST_CONNECTIONS // 2,
            max_overflow=MOST_CONNECTIONS - MOST_CONNECTIONS // 2,
            pool_timeout=BUSY_SECONDS,
            hide_parameters=True,  # what runs were given is for no log
        )
        event.listen(self._engine, "checkout", _refuse_ended)
        self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._glancer = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._glances: dict[Select[Any], str] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._telling_failures(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, alone: str = "") -> Iterator[Connection]:
        with ExitStack() as stack:
            stack.enter_context(self._telling_failures())
            if alone:
                # First in this process: who waits must not hold a connection that the one who goes on may need.
                stack.enter_context(self._turns[alone])
            connection = stack.enter_context(self._engine.connect())
            is_done = False
            try:
                with connection.begin():
                    if alone:
                        connection.execute(_ALONE, {"word": alone})
                    yield connection
                    is_done = True
            except DBAPIError as error:
                if is_done and error.connection_invalidated:
                    raise InDoubtError(_explain(self.name, error)) from error
                raise

    def glance(self, question: Select[Any], values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Without a transaction around it, and without SQLAlchemy's work on statement and row."""
        if question not in self._glances:
            self._glances[question] = str(question.compile(self._engine))
        with self._telling_failures(), self._glancer.connect() as connection:
            row = connection.exec_driver_sql(self._glances[question], dict(values)).first()
            return None if row is None else tuple(row)

    def check(self) -> None:
        with self.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    def size(self) -> int:
        with self.reading() as connection:
            return int(connection.scalar(select(func.pg_database_size(func.current_database()))) or 0)

    def close(self) -> None:
        self._closed = True
        self._engine.dispose()

    def _connect(self) -> psycopg.Connection[Any]:
        # The address stands in no argument of a function that others can see fail.
        connection: psycopg.Connection[Any] = self._psycopg.connect(**self._address, autocommit=True)
        connection.execute(_PREPARE)
        connection.autocommit = False
        return connection

    @contextmanager
    def _telling_failures(self) -> Iterator[None]:
        self._owner.check(self.name)
        if self._closed:
            raise StoreError(f"expected the history {self.name} to be open, it is closed")
        try:
            yield
        except (SQLAlchemyError, self._psycopg.Error) as error:
            raise StoreError(_explain(self.name, error), passes=passes(error)) from error


def _refuse_ended(connection: psycopg.Connection[Any], record: object, proxy: object) -> None:
    """Have the pool replace connections that the server ended: it says farewell, and nothing else unasked.

    To ask whether it is there (the pool's own way) would cost each call a third more.
    """
    heard = sockets.poll()
    heard.register(connection.fileno(), sockets.POLLIN)
    if connection.closed or heard.poll(0):
        raise DisconnectionError


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            f"expected psycopg, which speaks to PostgreSQL, to be installed, got: {error}; "
            "pip install 'livegraft[postgres]'"
        ) from error
    return psycopg


def _known(psycopg: Any, address: str) -> dict[str, Any]:
    """What an address says, over what is assumed."""
    from psycopg.conninfo import conninfo_to_dict

    with contextlib.suppress(psycopg.Error):
        if address.partition("?")[0].count("@") <= 1:  # else a part of the password would be taken for the host
            known = {**_DEFAULTS, **conninfo_to_dict(address)}
            if all(port.isdecimal() for port in str(known.get("port") or 0).split(",")):
                return known
    # What libpq says of it may quote a part of the password.
    raise ConfigurationError(
        "expected the setting `store` to be postgresql://USER:PASSWORD@HOST:PORT/DATABASE, got an address that cannot "
        "be read; write special characters of the password as %XX"
    )


def _name(address: Mapping[str, Any]) -> str:
    """An address as people may see it: only where, and which database."""
    host, port = address.get("host") or address.get("hostaddr") or "", address.get("port")
    database = address.get("dbname") or address.get("service") or ""
    return f"postgresql://{host}{f':{port}' if port else ''}/{database}"


def _explain(name: str, error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or ""
    said = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    said = said.strip().partition("\n")[0]  # what follows advises whoever set the server up
    advice = _ADVICE.get(code) or next((advice for part, advice in _ADVICE.items() if part in said), None)
    return f"the history {name} cannot be used: {said}; {advice or 'see the log of the server for the cause'}"


def _check(connection: Connection, name: str) -> None:
    version = connection.dialect.server_version_info or ()
    if version < (OLDEST_SERVER,):
        found = ".".join(map(str, version))
        raise StoreError(
            f"expected the server of the history {name} to be PostgreSQL {OLDEST_SERVER} or newer, got: {found}; "
            "update it"
        )


def _revision(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(row[0]) if row else None
