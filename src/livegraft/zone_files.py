"""The rules of time zones, as the files of this machine have them, which may change under the process.

The host's own ``ZoneInfo`` objects stay what they are: the cache of the ``zoneinfo`` module is left alone.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec


@cache
def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """A zone by its IANA name, with the rules that its file had when it was asked for first, or since it changed.

    Raises KeyError, ValueError or OSError for what is no zone.
    """
    return zoneinfo.ZoneInfo.no_cache(name)


class ZoneFiles:
    """Sees that files of zones changed: an update of the system's or of the ``tzdata`` package's."""

    def __init__(self) -> None:
        self._seen: Mapping[str, object] = {}

    def changed(self, names: Iterable[str]) -> set[str]:
        """Those of some zones whose file is another one than when they were named here before."""
        now = {name: _stamp(name) for name in names}
        before, self._seen = self._seen, now
        return {name for name, stamp in now.items() if name in before and before[name] != stamp}


def _stamp(name: str) -> tuple[str, int, int, int] | None:
    for folder in _folders():
        with suppress(OSError, ValueError):
            file = os.path.join(folder, name)
            status = os.stat(file)
            return file, status.st_ino, status.st_size, status.st_mtime_ns
    return None


def _folders() -> Iterator[str]:
    yield from zoneinfo.TZPATH
    if (spec := find_spec("tzdata")) is not None:
        yield from (os.path.join(folder, "zoneinfo") for folder in spec.submodule_search_locations or ())
