"""Environments made by the program ``uv``: resolved and locked once, built aside, put in place in one step.

In the folder are ``locks/KEY.txt``, which packages a need comes to; ``KEY`` for each environment, named by its lock
and shared by all that have the same; ``.building-...`` while one is made. What a process that died left half made is
removed at the next start.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from livegraft import process
from livegraft.environment import Environment, EnvironmentPolicy, Need, digest
from livegraft.errors import ConfigurationError
from livegraft.isolation.processes import MARK

BUILD_SECONDS: Final = 600.0
"""How long one step of making an environment may take: resolving, and installing."""

KEPT_SECONDS: Final = 7 * 24 * 3600.0
"""How long an environment stays after it was in use last."""

KEPT_UNUSED: Final = 50
"""How many stay beyond those in use, the ones used last."""

LOCK: Final = "livegraft.lock"

_BUILDING: Final = ".building-"
_MESSAGE_LIMIT: Final = 2_000
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_LOCKED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*(?:==\S+| @ \S+))", re.MULTILINE)
_USERINFO: Final = re.compile(r"(\w+://)[^/\s@]+@")
_CONSTRAINTS: Final = ("pydantic>=2.7", "packaging>=23")
_PASSED_ON: Final = re.compile(
    r"(PATH|HOME|LANG|LC_\w+|TMPDIR|NETRC|UV_\w+|SSL_CERT_\w+|XDG_\w+|(HTTPS?|ALL|NO)_PROXY|\w+_proxy)"
)
"""What ``uv`` sees of the host's environment: where things are and how the index is reached."""

_OF_THE_INDEX: Final = frozenset(
    {
        "UV_INDEX",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_NO_INDEX",
        "UV_CONFIG_FILE",
    }
)
"""What would have a say beside the index that the policy names."""


class BuildError(Exception):
    """An environment cannot be made, in the words of the resolver."""


class Stopped(Exception):
    """livegraft stops while an environment is made."""


class UvBuilder:
    """Makes environments in a folder, by a policy. Called from several threads; two never make the same one.

    Raises ConfigurationError when the policy cannot be read.
    """

    def __init__(self, *, folder: Path, policy: EnvironmentPolicy, uv: str) -> None:
        self.folder = folder.absolute()
        self._policy = policy
        self._uv = uv
        self._from = _source(policy.index)
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._going: set[subprocess.Popen[str]] = set()
        self._stopping = False

    def start(self) -> None:
        """Make ready, without what dead processes left half made."""
        self._stopping = False
        (self.folder / "locks").mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.folder.glob(f"{_BUILDING}*"):
            if not process.is_alive(left.name.removeprefix(_BUILDING).rpartition("-")[0].replace("-", ":")):
                shutil.rmtree(left, ignore_errors=True)

    def stop(self) -> None:
        """End what is being made; it leaves nothing behind."""
        with self._lock:
            self._stopping = True
            for going in self._going:
                _kill(going)

    def find(self, need: Need) -> Environment | None:
        """The environment of a need, if it is there."""
        try:
            lock = self._lock_file(need).read_text(encoding="utf-8")
        except OSError:
            return None
        environment = self._environment(lock)
        return environment if environment.folder.is_dir() else None

    def build(self, need: Need) -> Environment:
        """The environment of a need, made if it is not there. Raises BuildError and Stopped."""
        for asked in map(Requirement, need.dependencies):
            if asked.url is not None:
                raise BuildError(
                    f"{asked.name}: expected a version, got an address: packages come from the index alone"
                )
        with self._turns[need.key()]:
            lock = self._locked(need)
        environment = self._environment(lock)
        with self._turns[environment.key]:
            if not environment.folder.is_dir():
                self._install(lock, environment)
        self.touch([environment.key])
        return environment

    def touch(self, keys: Collection[str]) -> None:
        """These are in use now."""
        for key in keys:
            with suppress(FileNotFoundError):
                os.utime(self.folder / key)

    def prune(self, in_use: Collection[str]) -> list[str]:
        """Remove environments that were not in use for long, and the oldest of too many; their keys."""
        self.touch(in_use)
        found = [each for each in self.folder.iterdir() if _KEY.fullmatch(each.name) and each.name not in in_use]
        found.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        oldest = time.time() - KEPT_SECONDS
        gone = [each for place, each in enumerate(found) if place >= KEPT_UNUSED or each.stat().st_mtime < oldest]
        for each in gone:
            with self._aside() as aside, suppress(OSError):  # in one step: nobody finds half of it
                each.rename(aside / "gone")
        return [each.name for each in gone]

    # -- locking ---------------------------------------------------------------------------

    def _locked(self, need: Need) -> str:
        """Which packages a need comes to: what was found out once holds for as long as the file is there."""
        file = self._lock_file(need)
        if not file.exists():
            with self._aside() as aside:
                (aside / "constraints.txt").write_text("\n".join(_constraints()), encoding="utf-8")
                (aside / "asked.txt").write_text("\n".join(need.dependencies), encoding="utf-8")
                options = ["--no-header", "--no-annotate", "--quiet", "--constraint", "constraints.txt"]
                options += ["--generate-hashes"] if self._policy.hashes else []
                self._run(aside, "pip", "compile", "asked.txt", "--output-file", "lock.txt", *options, *self._choice())
                (aside / "lock.txt").replace(file)
        return file.read_text(encoding="utf-8")

    def _lock_file(self, need: Need) -> Path:
        key = need.key(
            _interpreter(), _constraints(), self._policy.index, self._policy.wheels_only, self._policy.hashes
        )
        return self.folder / "locks" / f"{key}.txt"

    def _environment(self, lock: str) -> Environment:
        # Without hashes a lock does not say what the packages are: it depends on where they come from.
        place = "" if self._policy.hashes else self._policy.index
        key = digest([lock, _interpreter(), place])
        return Environment(key, self.folder / key, tuple(sorted(_LOCKED.findall(lock))))

    # -- building --------------------------------------------------------------------------

    def _install(self, lock: str, environment: Environment) -> None:
        with self._aside() as aside:
            self._run(aside, "venv", "built", "--relocatable", "--quiet", "--python", sys.executable)
            (aside / "built" / LOCK).write_text(lock, encoding="utf-8")
            options = ["--no-deps", "--compile-bytecode", "--quiet", "--python", "built/bin/python"]
            options += ["--require-hashes"] if self._policy.hashes else []
            self._run(aside, "pip", "install", "--requirements", f"built/{LOCK}", *options, *self._choice(False))
            try:
                (aside / "built").rename(environment.folder)
            except OSError:
                if not environment.folder.is_dir():  # else another process was there first
                    raise

    def _choice(self, with_python: bool = True) -> Sequence[str]:
        options = ["--no-index", "--find-links", self._from["folder"]] if "folder" in self._from else []
        options += ["--only-binary", ":all:"] if self._policy.wheels_only else []
        return [*options, "--python", sys.executable] if with_python else options

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder of this process in which something is made or goes; removed at the end with what is in it."""
        mine = process.identity().replace(":", "-")
        aside = self.folder / f"{_BUILDING}{mine}-{threading.get_ident()}"
        aside.mkdir(mode=0o700)
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _run(self, folder: Path, *arguments: str) -> None:
        """Run ``uv``. Raises BuildError with what it says, and Stopped."""
        command = [self._uv, *arguments, "--no-progress", "--color", "never", "--no-python-downloads"]
        with self._lock:
            if self._stopping:
                raise Stopped
            try:
                going = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=self._surroundings(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                raise BuildError(f"{self._uv!r} cannot be started: {error}") from error
            self._going.add(going)
        try:
            _, said = going.communicate(timeout=BUILD_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(going)
            going.communicate()
            raise BuildError(f"uv {arguments[0]} did not end within {BUILD_SECONDS:g} s") from None
        finally:
            with self._lock:
                self._going.discard(going)
        if self._stopping:
            raise Stopped
        if going.returncode != 0:
            raise BuildError(_said(said) or f"uv {arguments[0]} ended with status {going.returncode}")

    def _surroundings(self) -> Mapping[str, str]:
        found = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        if self._policy.index:
            found = {name: value for name, value in found.items() if name not in _OF_THE_INDEX}
            found["UV_NO_CONFIG"] = "1"
        if "address" in self._from:
            found["UV_DEFAULT_INDEX"] = self._from["address"]  # not as an argument: it may have a password in it
        if not {"HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"} & found.keys():
            found["UV_CACHE_DIR"] = str(self.folder / "cache")
        return {**found, MARK: process.identity()}  # what outlives this process is found by it and ended


def find_uv() -> str | None:
    """The program ``uv``: of the package of that name, else on the PATH."""
    if util.find_spec("uv") is not None:
        import uv

        with suppress(FileNotFoundError):
            return str(uv.find_uv_bin())
    return shutil.which("uv")


def _source(index: str) -> Mapping[str, str]:
    """Where packages come from. Raises ConfigurationError."""
    if not index:
        return {}
    if urlsplit(index).scheme in ("http", "https"):
        return {"address": index}
    folder = Path(index.removeprefix("file://")).expanduser()
    if not folder.is_dir():
        shown = _USERINFO.sub(r"\1***@", index)
        raise ConfigurationError(
            f"expected package_index to be an address https://... or a folder of wheels, got: {shown!r}"
        )
    return {"folder": str(folder.absolute())}


def _constraints() -> Sequence[str]:
    """What livegraft's own code in a process of an environment asks of packages that the environment brings."""
    asked = [Requirement(text) for text in metadata.requires("pydantic") or ()]
    of_pydantic = [f"{each.name}{each.specifier}" for each in asked if each.marker is None and each.name != _CORE]
    return [*_CONSTRAINTS, *of_pydantic]


_ORNAMENTS: Final = " \t\u2570\u2500\u25b6\u2502\u00d7\u251c\u00b7"
_CORE: Final = "pydantic-core"
"""Whoever brings it brings the pydantic that it belongs to."""


def _interpreter() -> str:
    version = ".".join(map(str, sys.version_info))
    return f"{sys.implementation.cache_tag} {version} {sysconfig.get_platform()} {sys.base_prefix}"


def _said(text: str) -> str:
    """What ``uv`` says of an error, on one line and without its ornaments, without secrets of addresses."""
    lines = (line.strip(_ORNAMENTS) for line in text.splitlines())
    words = " ".join(line for line in lines if line)
    return _USERINFO.sub(r"\1***@", words.removeprefix("error: ").replace(" cause: ", ": ", 1))[:_MESSAGE_LIMIT]


def _kill(going: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(going.pid, signal.SIGKILL)
