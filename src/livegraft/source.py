"""What a Python file says about itself, read from its compiled code without running it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from types import CodeType
from typing import Final

from livegraft.bytecode import IS_KNOWN, Import, docstring_of, functions_named, imports_of, mentions
from livegraft.errors import SourceError


class Entry(StrEnum):
    """How a script's ``run`` is defined: ``def`` or ``async def``."""

    SYNC = "sync"
    ASYNC = "async"


_NAMES_OF_FILES: Final = frozenset({"__file__", "__path__", "__spec__", "__loader__", "__cached__", "co_filename"})


class Source:
    """A module's file, what it tells, and its code until a version takes it.

    ``entry`` is None for a file without a top-level ``run``: a module, not a script. ``imports`` lists
    every import statement, those in functions and conditions too. ``error`` is set when the file cannot
    be compiled; ``entry`` is then a guess from the text, so that a broken script is known as one.
    ``asks_for_files`` is set when the code names ``__file__`` or the like, its own or another module's.
    A file of which all else is known has no ``data`` until somebody asks: ``read`` gives it, by its ``blob``.
    """

    __slots__ = (
        "_blob",
        "_code",
        "_data",
        "_head",
        "_read",
        "asks_for_files",
        "docstring",
        "entry",
        "error",
        "imports",
        "path",
    )

    def __init__(
        self,
        path: str,
        data: bytes | None,
        entry: Entry | None = None,
        imports: tuple[Import, ...] = (),
        docstring: str = "",
        *,
        code: CodeType | None = None,
        error: SourceError | None = None,
        asks_for_files: bool | None = None,
        head: str | None = None,
        read: Callable[[str], bytes] | None = None,
        blob: str = "",
    ) -> None:
        self.path = path
        self._data = data
        self._head = head
        self._read = read
        self._blob = blob
        self.entry = entry
        self.imports = imports
        self.docstring = docstring
        self.error = error
        if asks_for_files is None:
            asks_for_files = code is None or mentions(code, _NAMES_OF_FILES)
        self.asks_for_files = asks_for_files
        self._code = code

    @property
    def data(self) -> bytes:
        """The file's content. Raises MirrorError when it was not needed before and cannot be read."""
        if self._data is None:
            assert self._read is not None  # noqa: S101 - one of both is given
            self._data = self._read(self._blob)
        return self._data

    @property
    def text(self) -> str:
        """The file as text; what cannot be decoded is replaced. Raises MirrorError as ``data`` does."""
        return _decoded(self.data)

    @property
    def head(self) -> str:
        """As much of the text as a header can be in: "" for most files. Raises MirrorError as ``data`` does."""
        if self._head is None:
            self._head = head_of(self.text)
        return self._head

    @property
    def code(self) -> CodeType | None:
        """The code, while no version has taken it; None for a file that cannot be compiled."""
        return self._code

    def give_code(self, code: CodeType) -> None:
        """Have code again that a version has taken: a new object, for one version alone."""
        self._code = code

    def take_code(self) -> CodeType:
        """The module's code, for one version alone: its file name may be set. Raises SourceError.

        The code that was compiled to read the file is given once; after that it is compiled anew.
        """
        if self.error is not None:
            raise self.error.again()
        code, self._code = self._code, None
        return code if code is not None else compile(self.data, self.path, "exec", dont_inherit=True)


_BLOCK: Final = "# /// script"
_CRON: Final = "cron:"
_COMMENTS: Final = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)*")


def head_of(text: str) -> str:
    """As much of a file as its header can be in: the comments at its top, all of it if it has a block, else "".

    Most files have none, and there are thousands: the short needle is found twice as fast as the whole marker.
    """
    text = text.removeprefix("\ufeff")
    if "# ///" in text and _BLOCK in text:
        return text
    if _CRON not in text or not text.lstrip().startswith("#"):
        return ""
    found = _COMMENTS.match(text.replace("\r\n", "\n") + "\n")
    comments = found[0] if found is not None else ""
    return comments if _CRON in comments else ""


_RUN: Final = re.compile(rb"^(async[ \t]+)?def[ \t]+run\b", re.MULTILINE)


def read_source(path: str, data: bytes) -> Source:
    """Read a file; never raises for what stands in it (see ``Source.error``).

    Warnings of the compiler name the path in the repository.
    """
    try:
        code = compile(data, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return _broken(path, data, error.lineno or 0, f"{type(error).__name__}: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes (before 3.12), and expressions nested deeper than the compiler's stack.
        return _broken(path, data, 0, f"cannot be parsed: {error}")
    if not IS_KNOWN:
        return _read_tree(path, data, code)
    return Source(path, data, _entry(code, data), imports_of(code), docstring_of(code), code=code)


def _broken(path: str, data: bytes, line: int, reason: str) -> Source:
    try:
        importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        line, reason = 0, f"cannot be decoded: {error}"
    return Source(path, data, _guess_entry(data), error=SourceError(path, line, reason))


def _decoded(data: bytes) -> str:
    if data.isascii() and b"coding" not in data and b"\r" not in data:  # most are, and to find out otherwise takes long
        return data.decode("ascii")
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError):
        return data.decode("utf-8", "replace")


def _entry(code: CodeType, data: bytes) -> Entry | None:
    """Whether the module itself defines ``run``: a function of that name whose first line is not indented."""
    lines = _with_plain_ends(data)
    if _RUN.search(lines) is None:
        return None
    entry = None
    for function in functions_named(code, "run"):
        if lines.split(b"\n", function.co_firstlineno)[function.co_firstlineno - 1][:1] in (b"d", b"a", b"@"):
            is_async = function.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)
            entry = Entry.ASYNC if is_async else Entry.SYNC
    # It stands in a string, or where the compiler saw that it is never reached: after an endless loop.
    return entry or _tree_entry(ast.parse(data))


def _guess_entry(data: bytes) -> Entry | None:
    found = _RUN.search(_with_plain_ends(data))
    if found is None:
        return None
    return Entry.ASYNC if found[1] else Entry.SYNC


def _with_plain_ends(data: bytes) -> bytes:
    """Each line ended by a newline; all encodings that Python reads leave ASCII as it is."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


# -- by the syntax tree, for a Python whose bytecode is not known --------------------------------


def _read_tree(path: str, data: bytes, code: CodeType) -> Source:
    tree = ast.parse(data)
    docstring = ast.get_docstring(tree) or ""
    return Source(path, data, _tree_entry(tree), tuple(_tree_imports(tree.body)), docstring, code=code)


def _tree_entry(tree: ast.Module) -> Entry | None:
    entry = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "run":
            entry = Entry.ASYNC if isinstance(node, ast.AsyncFunctionDef) else Entry.SYNC
    return entry


def _tree_imports(body: Sequence[ast.stmt]) -> Iterator[Import]:
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
