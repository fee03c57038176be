"""Whose memory grows: Python's objects, what C allocated, or SQLite, in glibc's and SQLite's own counts."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable
from typing import Any


class _Mallinfo(ctypes.Structure):
    # arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost
    _fields_ = tuple((f"n{number}", ctypes.c_size_t) for number in range(10))


def _found(library: str | None, name: str, result: Any) -> Callable[[], Any] | None:
    try:
        function = getattr(ctypes.CDLL(library), name)
    except (AttributeError, OSError):  # another system
        return None
    function.restype = result
    return function  # type: ignore[no-any-return]


_mallinfo = _found(None, "mallinfo2", _Mallinfo)
_sqlite = _found(ctypes.util.find_library("sqlite3"), "sqlite3_memory_used", ctypes.c_int64)


def memory_by_owner() -> dict[str, int]:
    """Bytes, and blocks of Python's allocator: what cannot be asked here is 0.

    ``malloc`` counts what is in use, ``malloc_free`` what glibc keeps of what was; SQLite's is part of ``malloc``.
    """
    found = _mallinfo() if _mallinfo else None
    return {
        "blocks": sys.getallocatedblocks(),
        "malloc": found.n7 + found.n4 if found else 0,
        "malloc_free": found.n8 if found else 0,
        "sqlite": _sqlite() if _sqlite else 0,
    }
