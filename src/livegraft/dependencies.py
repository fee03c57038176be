"""What a script's block asks of the host's environment, compared with what is installed there.

A script without a block is not looked at. What was found out about a requirement is kept until a package
changes on disk, so that thousands of scripts that ask for the same cost one look-up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from livegraft.errors import LoadError
from livegraft.header import Header, line_in_block
from livegraft.installed import Installed


class DependenciesError(LoadError):
    """The host's environment does not have what a script's block asks for: the version does not load.

    ``problems`` are in the words of the message, one a requirement: ``polars>=1: not installed``.
    """

    code = "dependencies"

    def __init__(self, path: str, line: int, problems: tuple[str, ...], advice: str) -> None:
        self.problems = problems
        super().__init__(path, line, "; ".join(problems) + advice)

    def again(self) -> LoadError:
        return type(self)(self.path, self.line, self.problems, self.reason.removeprefix("; ".join(self.problems)))


class RestartNeededError(DependenciesError):
    """What a script's block asks for is on disk, another version of it is in the process already."""

    code = "restart_needed"


class Dependencies:
    """Checks blocks against the installed packages; used by the thread that builds releases.

    ``advice`` is what is said behind the problems, if one is that a package is missing or of another version.
    """

    def __init__(self, installed: Installed, advice: str) -> None:
        self._installed = installed
        self._advice = advice
        self._generation = -1
        self._known: dict[str, tuple[str, ...]] = {}

    def check(self, path: str, text: str, header: Header) -> None:
        """Raise DependenciesError, or RestartNeededError, if what a script's header asks for is not here.

        ``text`` is the script's source, for the line of what is missing.
        """
        if not header.dependencies and header.requires_python is None:
            return
        if not any(self._problems_of(header).values()):
            return
        self._installed.look(at_once=True)  # what was kept may be older than what was installed just now
        found = self._problems_of(header)
        problems = tuple(problem for each in found.values() for problem in each)
        if problems:
            line = line_in_block(path, text, next(asked for asked, each in found.items() if each))
            if all(problem.startswith(_RESTART) for problem in problems):
                raise RestartNeededError(path, line, problems, "")
            is_installable = any(lack in problem for problem in problems for lack in (_ABSENT, _OTHER))
            raise DependenciesError(path, line, problems, self._advice if is_installable else "")

    def _problems_of(self, header: Header) -> dict[str, tuple[str, ...]]:
        """What is wrong, by the text that asks for it."""
        if self._generation != self._installed.generation or self._installed.changes:
            # With changes about, an import that happened meanwhile may have changed the answer.
            self._generation, self._known = self._installed.generation, {}
        found = {}
        for asked in header.dependencies:
            if asked not in self._known:
                self._known[asked] = tuple(self._problems(Requirement(asked), "", frozenset()))
            found[asked] = self._known[asked]
        if header.requires_python is not None:
            found[header.requires_python] = _wrong_python(header.requires_python)
        return found

    def _problems(self, asked: Requirement, because: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        """What keeps a requirement from being met, those of its extras included; ``because`` tells whose it is."""
        if asked.marker is not None and not asked.marker.evaluate():
            return
        if asked.url is not None:
            yield (
                f"{_plain(asked)}: expected a version, got an address, which cannot be compared with what is installed"
            )
            return
        version = self._installed.version(asked.name)
        if version is None:
            yield f"{_plain(asked)}{because}{_ABSENT}"
        elif not _contains(asked.specifier, version):
            change = self._installed.change(asked.name)
            if change is not None and change.installed and _contains(asked.specifier, change.installed):
                yield f"{_RESTART}{change}"
            else:
                yield f"{_plain(asked)}{because}{_OTHER}{version}"
        else:
            yield from self._problems_of_extras(asked, because, seen)

    def _problems_of_extras(self, asked: Requirement, because: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        offered = self._installed.extras(asked.name) if asked.extras else frozenset()
        for extra in sorted(asked.extras):
            place = (canonicalize_name(asked.name), canonicalize_name(extra))
            if place[1] not in offered:
                yield f"{_plain(asked)}{because}: {asked.name} has no extra {extra!r}"
            elif place not in seen:  # extras may ask for each other
                for text in self._installed.requires(asked.name):
                    needed = Requirement(text)
                    if _belongs_to(needed, extra):
                        needed.marker = None
                        yield from self._problems(needed, f" (for {asked.name}[{extra}])", seen | {place})


_ABSENT = ": not installed"
_OTHER = ": installed is "
_RESTART = "restart needed: "


def _belongs_to(needed: Requirement, extra: str) -> bool:
    """Whether a requirement is there because of the extra, and not without it."""
    if needed.marker is None:
        return False
    return not needed.marker.evaluate({"extra": ""}) and needed.marker.evaluate({"extra": extra})


def _contains(specifier: SpecifierSet, version: str) -> bool:
    """Whether an installed version is asked for; a pre-release that somebody installed counts like any other."""
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return not specifier


def fits_python(header: Header) -> bool:
    """Whether this interpreter is one that a header's ``requires-python`` allows."""
    return header.requires_python is None or not _wrong_python(header.requires_python)


@cache
def _wrong_python(asked: str) -> tuple[str, ...]:
    present = ".".join(map(str, sys.version_info[:3]))
    return () if _contains(SpecifierSet(asked), present) else (f"needs Python {asked}, this is {present}",)


def _plain(asked: Requirement) -> str:
    """A requirement without its marker, which holds here or it would not be told."""
    extras = f"[{','.join(sorted(asked.extras))}]" if asked.extras else ""
    return f"{asked.name}{extras}{' @ ' + asked.url if asked.url else asked.specifier}"
