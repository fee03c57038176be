"""The ledger of runs and their output, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
    text,
    update,
)

from livegraft.errors import BusyError
from livegraft.run import OPEN_STATES, RunFailure, RunRecord, RunResult, RunState, Trigger, time_of_id
from livegraft.run_filter import RunFilter, RunsFound, RunSpan
from livegraft.store import Claimed, GivenArguments, LastRun, schema
from livegraft.store.database import Database, InDoubtError, Upsert, certainly
from livegraft.store.run_search import RUN, SPAN, find_runs

_MAY_END: Final = sorted({*OPEN_STATES, RunState.STUCK})
"""States from which a run can still get another end."""

_START: Final = (
    update(schema.runs)
    .where(schema.runs.c.id == bindparam("run"), schema.runs.c.state.in_(sorted(OPEN_STATES)))
    .values(state=RunState.RUNNING.value, started_at=bindparam("at"))
)
_END: Final = (
    update(schema.runs)
    .where(schema.runs.c.id == bindparam("run"), schema.runs.c.state.in_(_MAY_END))
    .values(
        state=bindparam("new_state"),
        ended_at=bindparam("at"),
        result=bindparam("new_result"),
        failure=bindparam("new_failure"),
        output_bytes=bindparam("bytes"),
    )
)
_UPDATE: Final = (
    update(schema.runs)
    # Compared one by one, because a list of states cannot be bound for many rows at once.
    .where(schema.runs.c.id == bindparam("run"), or_(*(schema.runs.c.state == state for state in _MAY_END)))
    # The fence: what was declared lost, or is another's, is not changed by who had it.
    .where(schema.runs.c.process == bindparam("owner"))
    .values(
        key=bindparam("new_key"),
        revision=bindparam("new_revision"),
        state=bindparam("new_state"),
        started_at=bindparam("new_start"),
        ended_at=bindparam("new_end"),
        result=bindparam("new_result"),
        failure=bindparam("new_failure"),
        output_bytes=bindparam("bytes"),
    )
)
_LAST: Final = (
    select(*(schema.runs.c[name] for name in ("id", "state", "queued_at", "started_at", "ended_at")))
    .where(schema.runs.c.script == bindparam("name"))
    .order_by(schema.runs.c.id.desc())
    .limit(bindparam("each"))
)
_WAITING: Final = text(schema.WAITING)
_MOST_WAITING: Final = 10_000
# What is written twice, because nobody learnt that it was written, is there once.
ADD_RUN: Final = Upsert(schema.runs)
_NEWS: Final = select(
    or_(
        exists(select(schema.cancels.c.run_id)),
        exists(select(schema.runs.c.id).where(_WAITING, schema.runs.c.due_at.is_(None))),
    )
)
_ADD_CANCEL: Final = Upsert(schema.cancels, "run_id")
_ADD_OUTPUT: Final = Upsert(schema.output, "run_id", "offset")
_ADD_BODY: Final = Upsert(schema.results, "run_id")
_ADD_MARKS: Final = Upsert(schema.output_marks, "run_id")
_OFFER: Final = (
    update(schema.runs)
    .where(
        schema.runs.c.id == bindparam("run"),
        # Not IN: SQLAlchemy takes no list in a statement that is executed for many rows at once.
        or_(schema.runs.c.state == RunState.QUEUED.value, schema.runs.c.state == RunState.STARTING.value),
        schema.runs.c.process == bindparam("owner"),
    )
    .values(process="", state=RunState.QUEUED.value)
)
_CLAIM: Final = (
    update(schema.runs)
    .where(
        schema.runs.c.id == bindparam("run"),
        schema.runs.c.state == RunState.QUEUED.value,
        or_(schema.runs.c.process == "", schema.runs.c.process == bindparam("owner")),
    )
    .values(process=bindparam("owner"), state=RunState.STARTING.value)
)
_BEGUN: Final = (
    select(func.count())
    .select_from(schema.runs)
    .where(
        schema.runs.c.state.in_([RunState.STARTING.value, RunState.RUNNING.value, RunState.STUCK.value]),
        # Not by the index of scripts: few runs have begun, and the history of one script may be long.
        func.coalesce(schema.runs.c.script, "") == bindparam("name"),
        schema.runs.c.turn_group == bindparam("group"),
        # One that is stuck takes its place for as long as its process lives.
        or_(schema.runs.c.state != RunState.STUCK.value, schema.runs.c.process.in_(select(schema.replicas.c.identity))),
    )
)
"""How many runs of a script and group have a place, in any process."""


_OTHERS: Final = (
    select(schema.runs.c.id)
    .where(
        schema.runs.c.state.in_(sorted(OPEN_STATES)),
        schema.runs.c.script == bindparam("name"),
        # One that waits for a place and not for a time may begin at any moment.
        or_(schema.runs.c.process != "", schema.runs.c.due_at.is_(None)),
        # Of its own runs a process knows before the store whether they ended.
        schema.runs.c.process != bindparam("owner"),
    )
    .limit(1)
)


def of_script(script: str) -> str:
    """The word of a transaction that is alone among those which have runs of a script begin; "" for none."""
    return f"runs of {script}" if script else ""


def refuse_beside_others(connection: Connection, script: str, process: str) -> None:
    """Raise BusyError when a script has an open run in another process."""
    other = connection.execute(_OTHERS, {"name": script, "owner": process}).scalar()
    if other is not None:
        raise BusyError(f"expected no other run of {script} to be open, run {other} is in another process")


class SqlRuns:
    """See ``livegraft.store.Runs``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._doubtful: set[str] = set()

    def add(self, run: RunRecord) -> RunRecord:
        try:
            return certainly(lambda: self._add(run))
        except InDoubtError:
            self._doubtful.add(run.id)
            raise

    def _add(self, run: RunRecord) -> RunRecord:
        with self._taking_back() as connection:
            if connection.execute(ADD_RUN.on(connection), run_row(run)).rowcount or run.request is None:
                return run
            known = select(schema.runs).where(schema.runs.c.script == run.script)
            row = connection.execute(known.where(schema.runs.c.request == run.request)).one_or_none()
        return run if row is None or row.id == run.id else _run(row)

    @contextmanager
    def _taking_back(self) -> Iterator[Connection]:
        """A transaction that first deletes runs which nobody began, because they could not be said to be written."""
        doubtful = sorted(self._doubtful)
        with self._database.writing() as connection:
            if doubtful:
                never_begun = schema.runs.c.state == RunState.QUEUED.value
                connection.execute(delete(schema.runs).where(schema.runs.c.id.in_(doubtful), never_begun))
            yield connection
        self._doubtful.difference_update(doubtful)

    def start(self, id: str, started_at: datetime) -> None:
        with self._database.writing() as connection:
            connection.execute(_START, {"run": id, "at": started_at})

    def end(
        self,
        id: str,
        state: RunState,
        ended_at: datetime,
        *,
        result: RunResult | None = None,
        failure: RunFailure | None = None,
        output_bytes: int = 0,
    ) -> bool:
        values = {
            "run": id,
            "new_state": state.value,
            "at": ended_at,
            "new_result": _columns(result),
            "new_failure": asdict(failure) if failure else None,
            "bytes": output_bytes,
        }
        with self._database.writing() as connection:
            is_closed = connection.execute(_END, values).rowcount == 1
            _keep_bodies(connection, [(id, result)])
        return is_closed

    def claim(self, limits: Mapping[str, int], process: str) -> Mapping[str, Claimed]:
        with self._database.writing(alone="claims") as connection:
            return {id: _claim(connection, id, limit, process) for id, limit in limits.items()}

    def offer(self, ids: Iterable[str], process: str) -> None:
        rows = [{"run": id, "owner": process} for id in ids]
        if rows:
            with self._database.writing() as connection:
                connection.execute(_OFFER, rows)

    def has_news(self) -> bool:
        row = self._database.glance(_NEWS, {})
        return row is not None and bool(row[0])

    def for_anyone(self, limit: int) -> Sequence[RunRecord]:
        wanted = select(schema.runs).where(_WAITING, schema.runs.c.due_at.is_(None))
        with self._database.reading() as connection:
            found = connection.execute(wanted.order_by(schema.runs.c.priority.desc(), schema.runs.c.id).limit(limit))
            return [_run(row) for row in found]

    def still_waiting(self, ids: Iterable[str]) -> set[str]:
        columns, left, found = schema.runs.c, list(ids), set[str]()
        wanted = select(columns.id).where(_WAITING)
        with self._database.reading() as connection:
            while left:
                found.update(connection.execute(wanted.where(columns.id.in_(left[:500]))).scalars())
                del left[:500]
        return found

    def ask_cancel(self, id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(_ADD_CANCEL.on(connection), {"run_id": id})

    def asked_to_cancel(self, process: str) -> Sequence[str]:
        # Not joined: SQLite would go through all runs for it.
        def asked(which: ColumnElement[bool]) -> Select[Any]:
            run = select(schema.runs.c.id).where(schema.runs.c.id == schema.cancels.c.run_id, which)
            return select(schema.cancels.c.run_id).where(run.exists())

        mine = schema.runs.c.process == process
        over = schema.runs.c.state.not_in(sorted(OPEN_STATES))
        with self._database.reading() as connection:
            if connection.execute(asked(or_(mine, over)).limit(1)).first() is None:
                return []
        with self._database.writing() as connection:
            found = connection.execute(asked(and_(mine, not_(over)))).scalars().all()
            done = connection.execute(asked(or_(mine, over))).scalars().all()
            connection.execute(delete(schema.cancels).where(schema.cancels.c.run_id.in_(done)))
            return list(found)

    def processes(self) -> Sequence[str]:
        wanted = select(schema.runs.c.process).where(schema.runs.c.state.in_(sorted(OPEN_STATES))).distinct()
        with self._database.reading() as connection:
            return [name for name in connection.execute(wanted).scalars() if name]

    def update(self, runs: Iterable[RunRecord]) -> None:
        runs = list(runs)
        rows = [
            {
                "run": run.id,
                "owner": run.process,
                "new_key": run.key,
                "new_revision": run.revision,
                "new_state": run.state.value,
                "new_start": run.started_at,
                "new_end": run.ended_at,
                "new_result": _columns(run.result),
                "new_failure": asdict(run.failure) if run.failure else None,
                "bytes": run.output_bytes,
            }
            for run in runs
        ]
        if rows:
            with self._taking_back() as connection:
                connection.execute(_UPDATE, rows)
                _keep_bodies(connection, [(run.id, run.result) for run in runs])

    def get(self, id: str) -> RunRecord | None:
        with self._database.reading() as connection:
            row = connection.execute(select(schema.runs).where(schema.runs.c.id == id)).one_or_none()
        return _run(row) if row else None

    def states(self, ids: Iterable[str]) -> Mapping[str, RunState]:
        columns = schema.runs.c
        with self._database.reading() as connection:
            rows = connection.execute(select(columns.id, columns.state).where(columns.id.in_(list(ids))))
            return {id: RunState(state) for id, state in rows}

    def repeats(self, id: str) -> Sequence[RunRecord]:
        wanted = select(schema.runs).where(schema.runs.c.origin == id).order_by(schema.runs.c.id)
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(wanted)]

    def find(
        self,
        *,
        script: str | None = None,
        states: Iterable[RunState] = (),
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        states = [*states]
        if script is not None and states and not OPEN_STATES.issuperset(states):
            return self._find_ended(script, states, before, limit)
        columns = schema.runs.c
        wanted = select(schema.runs).order_by(columns.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(columns.id < before)
        questions = [wanted.where(*conditions) for conditions in _conditions(script, states)]
        with self._database.reading() as connection:
            found = [_run(row) for question in questions for row in connection.execute(question)]
        return sorted(found, key=lambda run: run.id, reverse=True)[:limit] if len(questions) > 1 else found

    def _find_ended(
        self, script: str, states: Sequence[RunState], before: str | None, limit: int
    ) -> Sequence[RunRecord]:
        """Page by page: a script may have very many runs and few in these states, or the other way round."""
        which = RunFilter(scripts=(script,), states=tuple(states))
        found: list[RunRecord] = []
        with self._database.reading() as connection:
            while len(found) < limit:
                page = find_runs(connection, RUN, which, before, limit - len(found))
                found += [_run(row) for row in page.rows]
                if page.behind is None:
                    break
                before = page.behind
        return found

    def search(self, which: RunFilter, *, before: str | None = None, limit: int = 50) -> RunsFound:
        with self._database.reading() as connection:
            page = find_runs(connection, RUN, which, before, limit)
        runs = [_run(row) for row in page.rows]
        return RunsFound(runs, page.behind, time_of_id(page.behind) if page.is_cut else None)

    def spans(self, which: RunFilter, limit: int) -> Sequence[RunSpan]:
        with self._database.reading() as connection:
            page = find_runs(connection, SPAN, which, None, limit)
        return [
            RunSpan(row.id, row.script, RunState(row.state), row.queued_at, row.started_at, row.ended_at)
            for row in page.rows
        ]

    def given(self, script: str, limit: int) -> Sequence[GivenArguments]:
        columns = schema.runs.c
        wanted = (
            select(columns.id, columns.queued_at, columns.arguments)
            .where(columns.script == script)
            .order_by(columns.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [GivenArguments(*row) for row in connection.execute(wanted)]

    def last_by_script(self, scripts: Iterable[str], each: int) -> Mapping[str, Sequence[LastRun]]:
        found: dict[str, Sequence[LastRun]] = {}
        with self._database.reading() as connection:
            for script in scripts:
                rows = connection.execute(_LAST, {"name": script, "each": each})
                found[script] = [LastRun(id, RunState(state), *times) for id, state, *times in rows]
        return found

    def open(self) -> Sequence[RunRecord]:
        return self.find(states=OPEN_STATES, limit=1_000_000)

    def waiting(self, *, script: str | None = None, due_by: datetime | None = None) -> Sequence[RunRecord]:
        columns = schema.runs.c
        wanted = select(schema.runs).where(_WAITING).order_by(columns.due_at, columns.id).limit(_MOST_WAITING)
        if script is not None:
            wanted = wanted.where(columns.script == script)
        if due_by is not None:
            wanted = wanted.where(columns.due_at <= due_by)
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(wanted)]

    def next_due(self) -> datetime | None:
        with self._database.reading() as connection:
            return connection.execute(select(func.min(schema.runs.c.due_at)).where(_WAITING)).scalar()

    def take(self, id: str, process: str, *, alone_in: str = "") -> bool:
        taken = update(schema.runs).where(schema.runs.c.id == id, _WAITING).values(process=process)
        with self._database.writing(alone=of_script(alone_in)) as connection:
            if alone_in:
                refuse_beside_others(connection, alone_in, process)
            return bool(connection.execute(taken).rowcount)

    def result_body(self, id: str) -> bytes:
        wanted = select(schema.results.c.body).where(schema.results.c.run_id == id)
        with self._database.reading() as connection:
            return bytes(connection.execute(wanted).scalar() or b"")

    def append_output(self, chunks: Iterable[tuple[str, int, bytes]]) -> None:
        rows = [{"run_id": run, "offset": offset, "data": data} for run, offset, data in chunks]
        if rows:
            with self._database.writing() as connection:
                connection.execute(_ADD_OUTPUT.on(connection), rows)

    def keep_marks(self, marks: Iterable[tuple[str, bytes]]) -> None:
        rows = [{"run_id": run, "data": data} for run, data in marks]
        if rows:
            with self._database.writing() as connection:
                connection.execute(_ADD_MARKS.on(connection), rows)

    def marks(self, id: str) -> bytes:
        wanted = select(schema.output_marks.c.data).where(schema.output_marks.c.run_id == id)
        with self._database.reading() as connection:
            return bytes(connection.execute(wanted).scalar() or b"")

    def output(self, id: str, offset: int = 0, limit: int = 1 << 20) -> bytes:
        column = schema.output.c
        first = select(func.max(column.offset)).where(column.run_id == id, column.offset <= offset).scalar_subquery()
        wanted = (
            select(column.offset, column.data)
            .where(and_(column.run_id == id, column.offset >= func.coalesce(first, 0), column.offset < offset + limit))
            .order_by(column.offset)
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        if not rows:
            return b""
        kept = b"".join(data for _, data in rows)
        begin = max(offset - rows[0].offset, 0)
        return kept[begin : begin + limit]


def _conditions(script: str | None, states: Sequence[RunState]) -> list[list[ColumnElement[bool]]]:
    """The conditions of the questions that together find these runs, each in the order of one index.

    A database without statistics may take the wrong index: through all runs of a script, say, for the few that are
    open. It takes none for what is computed.
    """
    columns = schema.runs.c
    if not states:
        return [[columns.script == script] if script is not None else []]
    of_script = [func.coalesce(columns.script, "") == script] if script is not None else []
    return [[columns.state == state.value, *of_script] for state in states]


def _claim(connection: Connection, id: str, limit: int, process: str) -> Claimed:
    if limit:
        columns = schema.runs.c
        turn = connection.execute(select(columns.script, columns.turn_group).where(columns.id == id)).one_or_none()
        if turn is None:
            return Claimed.GONE
        if connection.execute(_BEGUN, {"name": turn.script, "group": turn.turn_group}).scalar_one() >= limit:
            return Claimed.FULL
    taken = connection.execute(_CLAIM, {"run": id, "owner": process}).rowcount == 1
    return Claimed.TAKEN if taken else Claimed.GONE


def _keep_bodies(connection: Connection, results: Iterable[tuple[str, RunResult | None]]) -> None:
    rows = [{"run_id": id, "body": result.body} for id, result in results if result is not None and result.body]
    if rows:
        # A run that was stuck may have ended twice; the first result stays, as its state does.
        connection.execute(_ADD_BODY.on(connection), rows)


def _columns(result: RunResult | None) -> dict[str, Any] | None:
    return {"kind": result.kind, "value": result.value, "note": result.note} if result else None


def run_row(run: RunRecord) -> dict[str, Any]:
    """A run as the columns of its row."""
    return {
        "id": run.id,
        "script": run.script,
        "key": run.key,
        "revision": run.revision,
        "trigger": run.trigger.value,
        "actor": run.actor,
        "arguments": dict(run.arguments),
        "state": run.state.value,
        "process": run.process,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "result": _columns(run.result),
        "failure": asdict(run.failure) if run.failure else None,
        "output_bytes": run.output_bytes,
        "origin": run.origin,
        "attempt": run.attempt,
        "due_at": run.due_at,
        "request": run.request,
        "slot_at": run.slot_at,
        "turn_group": run.turn_group,
        "priority": run.priority,
    }


def _run(row: Row[Any]) -> RunRecord:
    columns = dict(row._mapping)
    columns["trigger"] = Trigger(columns["trigger"])
    columns["state"] = RunState(columns["state"])
    columns["result"] = RunResult(**columns["result"]) if columns["result"] else None
    columns["failure"] = RunFailure(**columns["failure"]) if columns["failure"] else None
    return RunRecord(**columns)
