"""Environments: what a script's block asks for and the host does not have, in a place of its own. The port.

A script whose dependencies the host's environment does not meet is not executed in the host: its runs have processes
of the environment that is made for it, and so is its signature read. ``livegraft.isolation`` has the adapter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from livegraft.catalog import PENDING
from livegraft.errors import ArgumentsError, LoadError
from livegraft.graph import Plan, PlannedModule

SHORT: Final = 8


Ticket = tuple[str, str, int]
"""How far the preparation of a module was: its name, its key, and how often it came to an end."""


class EnvironmentProblem(LoadError):
    """A script cannot go live for want of its environment; ``ticket`` tells when that is worth another look."""

    ticket: Ticket | None = None

    def again(self) -> EnvironmentProblem:
        return type(self)(self.path, self.line, self.reason, self.text)


class EnvironmentFailedError(EnvironmentProblem):
    """The environment of a script cannot be made: the version does not load."""

    code = "environment"


class EnvironmentPendingError(EnvironmentProblem):
    """The environment of a script is being made: the version goes live when it is there."""

    code = PENDING


@dataclass(frozen=True, slots=True)
class EnvironmentPolicy:
    """Where packages come from, and what is asked of them.

    ``index`` is the address of a package index, or a folder of wheels; "" is the one that ``uv`` is set to use. With
    ``wheels_only`` nothing is built here: that would execute code of the packages. With ``hashes`` what is installed
    has the hashes of what was locked.
    """

    index: str = ""
    wheels_only: bool = True
    hashes: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """What a script's block asks for, in a form that is equal for all that ask for the same."""

    dependencies: tuple[str, ...]

    _OWN: ClassVar[str] = "livegraft"

    @classmethod
    def of(cls, dependencies: Collection[str]) -> Need:
        asked = [Requirement(text) for text in dependencies]
        # livegraft itself is the host's, in every environment.
        return cls(tuple(sorted({str(each) for each in asked if canonicalize_name(each.name) != cls._OWN})))

    def key(self, *more: object) -> str:
        """Its identity, together with what else decides which packages it comes to."""
        return digest([self.dependencies, *more])


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder with an interpreter and packages. ``packages`` are ``name==version``, sorted."""

    key: str
    folder: Path
    packages: tuple[str, ...]

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def short(self) -> str:
        return self.key[:SHORT]


class DescribedParameters:
    """Parameters of a ``run`` that this process cannot import: as they were ``told`` where it can be.

    Values are checked where the run executes; here it is only seen that the names are right.
    """

    sources: ClassVar[Mapping[str, Callable[[], Any]]] = {}
    """None: what gives the choices of a parameter is code of the script."""

    def __init__(self, script: str, told: Mapping[str, Any]) -> None:
        self._script = script
        self.schema: dict[str, Any] = dict(told["schema"])
        self.provided = tuple(map(str, told["provided"]))
        self.secrets: Collection[str] = set(map(str, told["secrets"]))
        self.files = frozenset(map(str, told["files"]))
        self.names: Collection[str] = {*self.schema.get("properties", ()), *self.provided}

    def bind(self, arguments: Mapping[str, Any], *, uploads: Path | None = None) -> dict[str, Any]:
        """The arguments as they were given, with the defaults. Raises ArgumentsError."""
        asked: Mapping[str, Any] = self.schema.get("properties", {})
        problems = {name: _unknown(name, asked) for name in arguments if name not in asked}
        missing = (name for name in self.schema.get("required", ()) if name not in arguments)
        problems.update(dict.fromkeys(missing, "expected a value, got: none"))
        if problems:
            raise ArgumentsError(self._script, problems)
        defaults = {name: each["default"] for name, each in asked.items() if "default" in each}
        return {**defaults, **arguments}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A script's environment, and what its module looks like there."""

    environment: Environment
    parameters: DescribedParameters


class Environments(Protocol):
    """Port: makes environments beside everything else. Called by the thread that builds releases.

    ``advice`` is what stands behind the reason why the host's environment does not do.
    """

    advice: str

    def start(self) -> None:
        """Make ready."""

    def stop(self) -> None:
        """End what is under way. Idempotent."""

    def wait(self, timeout: float | None) -> bool:
        """Wait until nothing is being prepared; False when that takes longer."""

    def prune(self, in_use: Collection[str]) -> Collection[str]:
        """Remove environments that were not in use for long; the keys of those that went. Called from any thread."""

    def prepare(
        self, module: PlannedModule, plan: Plan, need: Need, missing: LoadError, *, memory_bytes: int | None
    ) -> Prepared:
        """The environment of a script and its parameters, if they are there; else they are being made from now on.

        ``missing`` is why the host's own environment does not do; ``memory_bytes`` bounds its import. Raises
        EnvironmentPendingError, EnvironmentFailedError, and LoadError when the module cannot be imported there.
        """

    def has_news(self, ticket: Ticket) -> bool:
        """Whether a preparation came to another end than the one that ``ticket`` stands for."""

    def forget_failed(self, plan: Plan) -> None:
        """Drop what failed at keys that a plan does not have."""


class NoEnvironments:
    """Makes none: scripts have what the host has. ``advice`` is what is said of those that need more."""

    def __init__(self, advice: str = "") -> None:
        self.advice = f"; install it into the environment of the host{advice}"

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait(self, timeout: float | None) -> bool:
        return True

    def prune(self, in_use: Collection[str]) -> Collection[str]:
        return ()

    def prepare(
        self, module: PlannedModule, plan: Plan, need: Need, missing: LoadError, *, memory_bytes: int | None
    ) -> Prepared:
        raise missing

    def has_news(self, ticket: Ticket) -> bool:
        return False

    def forget_failed(self, plan: Plan) -> None: ...


def digest(facts: object) -> str:
    """A name for facts that are JSON, or are text otherwise."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _unknown(name: str, asked: Mapping[str, Any]) -> str:
    near = get_close_matches(name, asked, n=1)
    return "expected the name of a parameter" + (f"; did you mean {near[0]!r}?" if near else "")
