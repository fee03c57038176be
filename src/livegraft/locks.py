"""Lock files of the repository: a commit that asks for another version of a package than the process has.

The host's environment does not follow the repository, so such a commit changes nothing by itself: it is told, until
the package is installed and the host was started again.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from livegraft.installed import Installed

_NAMES: Final = re.compile(r"uv\.lock|poetry\.lock|pylock(\.[\w-]+)?\.toml|requirements[\w.-]*\.(txt|lock)")
_PIN: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\#]+)", re.MULTILINE)

_Pins = Mapping[str, frozenset[str]]
"""Package -> the versions that a lock file has of it: several when they differ by platform."""


@dataclass(frozen=True, slots=True)
class LockChange:
    """A package that a commit locked at another version since the process started, and that is not here at that."""

    file: str
    name: str
    asked: str
    present: str

    def __str__(self) -> str:
        return f"{self.file} asks for {self.name} {self.asked} now, {self.present} is here"


class Locks:
    """The lock files at the root of the repository, as they were first seen and as they are."""

    def __init__(self, *, installed: Installed, read: Callable[[str], bytes]) -> None:
        self._installed = installed
        self._read = read
        self._seen: dict[str, tuple[str, _Pins]] = {}
        self._first: Mapping[str, _Pins] | None = None

    def see(self, files: Mapping[str, str]) -> None:
        """Look at the files of the newest commit: path -> blob."""
        found = {path: blob for path, blob in files.items() if "/" not in path and _NAMES.fullmatch(path)}
        self._seen = {path: self._pins(path, blob) for path, blob in found.items()}
        if self._first is None:
            self._first = {path: pins for path, (_, pins) in self._seen.items()}

    @property
    def changes(self) -> tuple[LockChange, ...]:
        """What the newest commit asks for beyond the first one, and is not here."""
        return tuple(change for path, (_, pins) in sorted(self._seen.items()) for change in self._compare(path, pins))

    def _compare(self, path: str, pins: _Pins) -> Iterator[LockChange]:
        first = (self._first or {}).get(path, {})
        for name, versions in sorted(pins.items()):
            present = self._installed.known(name) if versions != first.get(name) else None
            if present is not None and not any(_is_same(version, present) for version in versions):
                yield LockChange(path, name, " or ".join(sorted(versions)), present)

    def _pins(self, path: str, blob: str) -> tuple[str, _Pins]:
        known = self._seen.get(path)
        if known is not None and known[0] == blob:
            return known
        text = self._read(blob).decode("utf-8", "replace")
        found: dict[str, set[str]] = {}
        for name, version in (
            _pins_in_toml(text) if path.endswith((".toml", "uv.lock", "poetry.lock")) else _PIN.findall(text)
        ):
            found.setdefault(canonicalize_name(name), set()).add(version)
        return blob, {name: frozenset(versions) for name, versions in found.items()}


def _pins_in_toml(text: str) -> Iterator[tuple[str, str]]:
    """``[[package]]`` of uv and Poetry, ``[[packages]]`` of the standard; a damaged file has none."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        return
    for key in ("package", "packages"):
        entries = document.get(key, [])
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("version"), str):
                yield entry["name"], entry["version"]


def _is_same(asked: str, present: str) -> bool:
    try:
        return Version(asked) == Version(present)
    except InvalidVersion:
        return asked == present
