"""What runs returned and left, on the command line: results as text, files as files."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from livegraft.cli.client import Client
from livegraft.cli.printing import print_json, print_table
from livegraft.errors import ConfigurationError
from livegraft.run import BODY_KINDS, RunResult
from livegraft.runner.result import content
from livegraft.table import Table

SHOWN_ROWS = 100
_NAMES = {"html": "HTML", "svg": "an SVG picture", "png": "a PNG picture", "jpeg": "a JPEG picture"}


def print_result(result: RunResult | None, whole: Callable[[], RunResult], hint: str) -> None:
    """A result as text. ``whole`` gets its body, if that is printed; ``hint`` says how to get what cannot be."""
    if result is None:
        return
    if result.note:
        print(f"note: {result.note}", file=sys.stderr)
    if result.kind in BODY_KINDS - {"table", "markdown"}:
        print(f"the result is {_NAMES[result.kind]}: {hint}")
        return
    value = content(whole())
    table = value if isinstance(value, Table) else Table.of_records(value)
    if table is not None:
        _print_rows(table)
    elif value is not None:
        print(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))


def _print_rows(table: Table) -> None:
    shown = table.rows[:SHOWN_ROWS]
    print_table(table.columns, [[_cell(each) for each in row] for row in shown], table.numeric)
    if table.row_count > len(shown):
        print(f"the first {len(shown)} of {table.row_count} rows")


def _cell(value: object) -> str:
    """A cell on one line: line ends and what else would move the cursor are written out."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if text.isprintable() else repr(text)[1:-1]


def plain_result(result: RunResult | None) -> object:
    """A whole result for programs: its JSON value, a table with its rows, text; null for a picture."""
    if result is None or result.kind not in BODY_KINDS:
        return result.value if result else None
    if result.kind == "table":
        return json.loads(result.body)
    return None if result.kind in ("png", "jpeg") else content(result)


def result_of(run: dict[str, Any]) -> RunResult | None:
    """The result in the API's answer about a run, without its body."""
    kind = run["result_kind"]
    return RunResult(kind, run["result"], run["result_note"]) if kind is not None else None


def print_result_of(client: Client, run: dict[str, Any]) -> None:
    result = result_of(run)
    if result is None:
        return

    def whole() -> RunResult:
        if result.kind not in ("table", "markdown"):
            return result
        return RunResult(result.kind, result.value, result.note, client.content(f"/runs/{quote(run['id'])}/result"))

    print_result(result, whole, f"livegraft result {run['id']} --out FILE")


def show_result(client: Client, id: str, *, out: Path | None, csv: bool, as_json: bool) -> None:
    path = f"/runs/{quote(id)}"
    run = client.get(path)
    if csv or out is not None:
        content = client.content(f"{path}/result{'.csv' if csv else ''}")
        if out is not None:
            out.write_bytes(content)
        else:
            sys.stdout.write(content.decode())
    elif as_json:
        is_table = run["result_kind"] == "table"
        value = json.loads(client.content(f"{path}/result")) if is_table else run["result"]
        print_json({"kind": run["result_kind"], "note": run["result_note"], "value": value})
    else:
        print_result_of(client, run)


def get_artifacts(client: Client, id: str, *, out: Path | None, as_json: bool) -> None:
    path = f"/runs/{quote(id)}/artifacts"
    answer = client.get(path)
    if out is not None:
        for each in answer["artifacts"]:
            file = place_below(out, each["name"])
            file.write_bytes(client.content(f"{path}/{quote(each['name'])}"))
    if as_json:
        print_json(answer)
    else:
        print_table(("file", "bytes"), [(each["name"], str(each["bytes"])) for each in answer["artifacts"]])


def copy_artifacts(files: Iterable[tuple[str, BinaryIO]], out: Path) -> None:
    for name, source in files:
        with source, place_below(out, name).open("wb") as target:
            shutil.copyfileobj(source, target)


def place_below(folder: Path, name: str) -> Path:
    """Where a file of this name goes, its folders made. Raises ConfigurationError when that is outside."""
    root = folder.resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root) or file == root:
        raise ConfigurationError(f"expected a name inside of the folder, got: {name!r}")
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
