"""Files of the repository that are no Python, and the modules that read them.

Those in a package's folder belong to the modules of that folder; others are named by the header of the file that
reads them: ``files = ["prices.csv", "templates/*.html"]``, relative to its folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from livegraft.header_values import read_globs
from livegraft.metadata_block import find_blocks
from livegraft.source import Source

MOST_FILES: Final = 1_000
"""Data files that one module may have; a package with more keeps only its Python files."""


def package_data(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Folder of each package -> path and blob of its data files.

    A folder belongs to the nearest package around it, whatever else is in it.
    """
    packages = {path.removesuffix("/__init__.py") for path in files if path.endswith("/__init__.py")}
    owners: dict[str, str | None] = {}
    found: dict[str, dict[str, str]] = {}
    for path, blob in files.items():
        folder = path.rpartition("/")[0]
        if folder not in owners:
            owners[folder] = _owner(folder, packages)
        owner = owners[folder]
        if owner is not None and not path.endswith(".py"):
            found.setdefault(owner, {})[path] = blob
    return found


def _owner(folder: str, packages: set[str]) -> str | None:
    while folder and folder not in packages:
        folder = folder.rpartition("/")[0]
    return folder or None


def patterns_of(source: Source) -> tuple[str, ...]:
    """The ``files`` of a header; () when it has none or is wrong, which reading the header itself tells."""
    if "# /// script" not in source.head or "files" not in source.head:
        return ()
    block = next((block for block in find_blocks(source.head.splitlines()) if block.type == "script"), None)
    try:
        table = tomllib.loads(block.text) if block else {}
        return read_globs(table["tool"]["livegraft"]["files"])
    except (ValueError, LookupError, TypeError):
        return ()


class Folders:
    """The paths of a snapshot by their folders, so that a pattern looks only where it points."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._inside: dict[str, list[str]] = {}
        for path in files:
            self._inside.setdefault(path.partition("/")[0], []).append(path)

    def matching(self, patterns: Sequence[str], path: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """The files that the patterns of the file at ``path`` mean, and the patterns that mean none."""
        folder = path.rpartition("/")[0]
        found: dict[str, str] = {}
        unmatched = []
        for pattern in patterns:
            whole = f"{folder}/{pattern}" if folder else pattern
            parts = whole.split("/")
            hits = [each for each in self._candidates(whole) if _fits(each.split("/"), parts)]
            found.update((each, self._files[each]) for each in hits if each != path)
            if not hits:
                unmatched.append(pattern)
        return found, tuple(unmatched)

    def _candidates(self, pattern: str) -> Iterable[str]:
        top = pattern.partition("/")[0]
        return self._files if any(sign in top for sign in "*?[") else self._inside.get(top, ())


def _fits(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a glob means a path, both in parts: ``*`` stays in one folder, ``**`` is any number of folders.

    All ways to read the pattern are followed at once, so that no pattern costs more than its length.
    """
    places = _with_skips({0}, pattern)
    for part in path:
        after = {
            place if pattern[place] == "**" else place + 1
            for place in places
            if place < len(pattern) and (pattern[place] == "**" or fnmatchcase(part, pattern[place]))
        }
        places = _with_skips(after, pattern)
    return len(pattern) in places


def _with_skips(places: set[int], pattern: Sequence[str]) -> set[int]:
    for place in sorted(places):
        while place < len(pattern) and pattern[place] == "**":
            place += 1
            places.add(place)
    return places
