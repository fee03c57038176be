"""One run: what it got, how it goes, what it wrote, how it ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from livegraft.run import OPEN_STATES, RunRecord, RunState, Trigger
from livegraft.supervisor import Supervisor
from livegraft.web.session import SignedIn

router = APIRouter()

CHUNK_BYTES: Final = 1 << 20

TABLE_ROW_COUNT: Final = 500
"""A longer list of records is shown as a table of its first rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """A result that is a list of flat records. ``numeric`` are the columns of nothing but numbers."""

    columns: Sequence[str]
    numeric: Collection[str]
    rows: Sequence[Mapping[str, Any]]
    total_count: int


@router.get("/runs/{id}", name="run")
def run(visit: SignedIn, id: str) -> Response:
    record = visit.supervisor.find_run(id)
    return visit.page(
        "run.html",
        run=record,
        is_open=record.state in OPEN_STATES,
        can_cancel=record.state in OPEN_STATES | {RunState.STUCK},
        progress=visit.supervisor.progress(id) if record.state in OPEN_STATES else None,
        table=_table(record),
        knows_script=any(status.name == record.script for status in visit.supervisor.scripts),
        repeats=visit.supervisor.repeats(id),
        is_live=(serving := visit.supervisor.serving(record.script)) is not None and serving.key == record.key,
    )


@router.get("/runs/{id}/output", name="run_output")
def run_output(visit: SignedIn, id: str) -> Response:
    """The kept output as a file, never as a page."""
    record = visit.supervisor.find_run(id)
    headers = {
        "Content-Disposition": f'attachment; filename="{record.id}.txt"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return StreamingResponse(_kept(visit.supervisor, id), media_type="text/plain; charset=utf-8", headers=headers)


@router.post("/runs/{id}/cancel", name="cancel_run")
def cancel_run(visit: SignedIn, id: str) -> Response:
    visit.supervisor.cancel(id, actor=visit.actor)
    return visit.to("run", id=id)


@router.post("/runs/{id}/again", name="run_again")
def run_again(visit: SignedIn, id: str, original: str = "") -> Response:
    """The same arguments, on the version that is live now, or on the run's own."""
    again = visit.supervisor.rerun(id, original=bool(original), trigger=Trigger.BUTTON, actor=visit.actor)
    return visit.to("run", id=again.id)


def _kept(supervisor: Supervisor, id: str) -> Iterator[bytes]:
    offset = 0
    while chunk := supervisor.output(id, offset, CHUNK_BYTES):
        yield chunk
        offset += len(chunk)


def _table(run: RunRecord) -> Table | None:
    """The result as a table, when it is a list of records without lists or records in them."""
    records = run.result.value if run.result and run.result.kind == "json" else None
    if not isinstance(records, list) or not records or not all(_is_flat(record) for record in records):
        return None
    columns = list(dict.fromkeys(name for record in records for name in record))
    numeric = {name for name in columns if all(_is_number(record.get(name)) for record in records)}
    return Table(columns, numeric, records[:TABLE_ROW_COUNT], len(records))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_flat(record: object) -> bool:
    return isinstance(record, dict) and not any(isinstance(value, dict | list) for value in record.values())
