"""What reading a file found out, its code object with it, as bytes: on disk, and between processes of one Python."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Final

from livegraft.bytecode import Import
from livegraft.source import Entry, Source, read_source

_ENTRIES: Final[Mapping[str, Entry | None]] = {"": None} | {entry.value: entry for entry in Entry}


def python() -> str:
    """Whose code objects these are: another text for every Python, and for its flags that change them."""
    return f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}-o{sys.flags.optimize}"


def pack(source: Source) -> bytes | None:
    """None for a source without code: it cannot be compiled, or a version has taken it."""
    code = source.code
    if code is None:
        return None
    entry = source.entry.value if source.entry is not None else ""
    imports = tuple((each.name, each.items, each.level) for each in source.imports)
    return marshal.dumps((entry, imports, source.docstring, source.asks_for_files, source.head, code))


def unpack(
    packed: bytes | memoryview,
    path: str,
    data: bytes | None = None,
    *,
    read: Callable[[str], bytes] | None = None,
    blob: str = "",
) -> Source:
    """The source again; without ``data`` its text comes from ``read`` by the ``blob`` when it is asked for."""
    found = marshal.loads(packed)  # noqa: S302 - from a folder or a process of ours, and checked
    entry, imports, docstring, asks_for_files, head, code = found
    return Source(
        path,
        data,
        _ENTRIES[entry],
        _statements(imports),
        docstring,
        code=code,
        asks_for_files=asks_for_files,
        head=head,
        read=read,
        blob=blob,
    )


def unpack_code(packed: bytes | memoryview) -> CodeType:
    """The code object alone, a new one each time."""
    code: CodeType = marshal.loads(packed)[-1]  # noqa: S302 - as above
    return code


def read_packed(path: str, data: bytes) -> tuple[Source, bytes | None]:
    """A file read, and what was found packed; None if it cannot be compiled."""
    source = read_source(path, data)
    return source, pack(source)


@lru_cache(maxsize=4096)
def _statements(imports: tuple[tuple[str, tuple[str, ...], int], ...]) -> tuple[Import, ...]:
    """One object for all files that have these: each one more is one more for the host's collections to look at."""
    return tuple(_statement(*each) for each in imports)


@lru_cache(maxsize=4096)
def _statement(name: str, items: tuple[str, ...], level: int) -> Import:
    return Import(name, items, level)
