"""Results and artifacts as files. What a script made is never a page of ours: it runs no code and reaches no host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from livegraft.errors import NotFoundError
from livegraft.run import BODY_KINDS, MEDIA_TYPES, RunRecord, RunResult
from livegraft.supervisor import Supervisor
from livegraft.table import Table

_PIECE: Final = 1 << 18
_ENDINGS: Final = {"markdown": "md", "text": "txt", "table": "json", "jpeg": "jpg"}

POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'"
)
"""For what a script made: no scripts, no forms, nothing from any host, and only our own pages may frame it."""

_HEADERS: Final = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN"}

# No policy keeps a browser from connecting to the hosts that a document's links and frames name (`rel=preconnect`, and
# ahead of a frame that the policy then refuses). So these elements get another name, by the bytes that no parser sees
# one without; an entity of XML could put those together, unless it is plain text.
_REACHING: Final = re.compile(
    rb"(?<=<)(/?(?:[^<>\s/]*:)?)(?=link|i?frame|fencedframe|portal|object|embed)"
    rb"""|(?<=<!)(?=ENTITY)(?!ENTITY\s+[\w.-]+\s+(?:"[^"<&%]*"|'[^'<&%]*')\s*>)""",
    re.IGNORECASE,
)
_UTF_8: Final = ("text/", "image/svg")


def result_file(supervisor: Supervisor, id: str, *, in_browser: bool) -> Response:
    """The result of a run as what it is; for a browser, which would show it, without its links and frames.

    Raises NotFoundError when it has none.
    """
    result = _result(supervisor, id)
    body = result.body if result.kind in BODY_KINDS else _plain(result)
    if in_browser and result.kind in ("html", "svg"):
        body = _REACHING.sub(rb"\1no-", body)
    ending = _ENDINGS.get(result.kind, result.kind)
    headers = {**_HEADERS, "Content-Disposition": f'inline; filename="{id}.{ending}"'}
    kind = MEDIA_TYPES[result.kind]
    return Response(body, media_type=f"{kind}; charset=utf-8" if kind.startswith(_UTF_8) else kind, headers=headers)


def result_csv(supervisor: Supervisor, id: str) -> Response:
    """A result that is a table as CSV. Raises NotFoundError when it is none."""
    table = table_of(_result(supervisor, id))
    if table is None:
        raise NotFoundError("table as the result", id)
    return StreamingResponse(table.csv(), media_type="text/csv; charset=utf-8", headers=_attachment(f"{id}.csv"))


def artifact_file(supervisor: Supervisor, record: RunRecord, name: str) -> Response:
    """A file that a run left, to be downloaded and never shown. Raises NotFoundError."""
    file = supervisor.artifacts.open(record.id, name)
    headers = _attachment(name.rpartition("/")[2])
    return StreamingResponse(_pieces(file), media_type="application/octet-stream", headers=headers)


def table_of(result: RunResult | None) -> Table | None:
    """A result as a table, when it is one or a list of records; the result has its body."""
    if result is None or result.kind not in ("table", "json"):
        return None
    return Table.parse(result.body) if result.kind == "table" else Table.of_records(result.value)


def _result(supervisor: Supervisor, id: str) -> RunResult:
    result = supervisor.result(id)
    if result is None:
        raise NotFoundError("result", id)
    return result


def _plain(result: RunResult) -> bytes:
    text = json.dumps(result.value, ensure_ascii=False) if result.kind == "json" else str(result.value)
    return text.encode("utf-8", "replace")


def _attachment(name: str) -> dict[str, str]:
    return {**_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
