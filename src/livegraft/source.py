"""What a Python file says about itself, read from its syntax tree without running it."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from livegraft.errors import SourceError


class Entry(StrEnum):
    """How a script's ``run`` is defined: ``def`` or ``async def``."""

    SYNC = "sync"
    ASYNC = "async"


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: ``from ..a.b import c, d`` is ``Import("a.b", ("c", "d"), 2)``."""

    name: str
    items: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A module's text and what it tells.

    ``entry`` is None for a file without a top-level ``run``: a module, not a script. ``imports`` lists
    every import statement, those in functions and conditions too. ``error`` is set when the file has
    no syntax tree; ``entry`` is then a guess from the text, so that a broken script is known as one.
    """

    path: str
    text: str
    entry: Entry | None = None
    imports: tuple[Import, ...] = ()
    docstring: str = ""
    error: SourceError | None = None


_RUN: Final = re.compile(r"^(async[ \t]+)?def[ \t]+run\b", re.MULTILINE)


def read_source(path: str, data: bytes) -> Source:
    """Read a file; never raises for what stands in it (see ``Source.error``)."""
    try:
        text = importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        text = data.decode("utf-8", "replace")
        return Source(path, text, _guess_entry(text), error=SourceError(path, 0, f"cannot be decoded: {error}"))
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        reason = f"{type(error).__name__}: {error.msg}"
        return Source(path, text, _guess_entry(text), error=SourceError(path, error.lineno or 0, reason))
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes (before 3.12), and expressions nested deeper than the parser's stack.
        return Source(path, text, _guess_entry(text), error=SourceError(path, 0, f"cannot be parsed: {error}"))
    return Source(path, text, _entry(tree), tuple(_imports(tree.body)), ast.get_docstring(tree) or "")


def _entry(tree: ast.Module) -> Entry | None:
    entry = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "run":
            entry = Entry.ASYNC if isinstance(node, ast.AsyncFunctionDef) else Entry.SYNC
    return entry


def _guess_entry(text: str) -> Entry | None:
    found = _RUN.search(text)
    if found is None:
        return None
    return Entry.ASYNC if found[1] else Entry.SYNC


def _imports(body: Sequence[ast.stmt]) -> Iterator[Import]:
    """Imports are statements, so only statement lists are walked: far fewer nodes than the whole tree."""
    pending: list[ast.AST] = list(reversed(body))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.module or "", tuple(alias.name for alias in node.names), node.level)
        else:
            for field in ("body", "orelse", "handlers", "finalbody", "cases"):
                nested = getattr(node, field, None)
                if isinstance(nested, list):
                    pending.extend(nested)
