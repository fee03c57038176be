"""What stands at the top of a script: its schedules, limits and dependencies, read without running it.

The short form is comment lines before the first statement, ``# cron: */15 6-22 * * 1-5  Europe/Berlin``;
everything else goes into an inline script metadata block (PEP 723) under ``[tool.livegraft]``.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from livegraft.errors import HeaderError
from livegraft.header_values import (
    one_or_more,
    read_age,
    read_choice,
    read_dependencies,
    read_duration,
    read_factor,
    read_flag,
    read_globs,
    read_memory,
    read_number,
    read_positive_duration,
    read_requires_python,
    read_table,
    read_text,
    read_texts,
    read_word,
    read_words,
    shown,
)
from livegraft.metadata_block import MetadataBlock, find_blocks, starts_block
from livegraft.schedule import Schedule, ScheduleError, is_drawn
from livegraft.source import head_of


class Overlap(StrEnum):
    """What becomes of a slot while a run of the same script is still going."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    PARALLEL = "parallel"


class Missed(StrEnum):
    """Which missed slots are caught up: none, the newest, or all (up to a bound)."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Isolation(StrEnum):
    """Where a run executes: in the host's process or in one of its own."""

    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed run is started again.

    The first retry waits ``delay``, each further one ``backoff`` times as long, at most ``max_delay``.
    """

    times: int = 0
    delay: timedelta = timedelta(seconds=10)
    backoff: float = 2.0
    max_delay: timedelta = timedelta(hours=1)

    def wait_before(self, attempt: int) -> timedelta:
        """How long the second, third, ... attempt waits."""
        try:
            return min(self.delay * self.backoff ** (attempt - 2), self.max_delay)
        except OverflowError:
            return self.max_delay


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most ``limit`` runs at once; with ``key``, the name of a parameter, for each of its values."""

    limit: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What each process of an isolated run may take, and how many there may be; None for no bound.

    ``memory_bytes`` come on top of what Python takes; ``cpu_seconds`` are whole ones.
    """

    memory_bytes: int | None = None
    cpu_seconds: int | None = None
    open_files: int | None = None
    processes: int | None = None

    def within(self, policy: ProcessLimits) -> ProcessLimits:
        """These, or the policy's where it allows less."""
        return ProcessLimits(
            **{
                each.name: min((limit for limit in self._both(policy, each.name) if limit is not None), default=None)
                for each in fields(self)
            }
        )

    def wider_than(self, policy: ProcessLimits) -> Sequence[str]:
        """The keys of a header that ask for more than a policy allows."""
        found: list[str] = []
        if self == _NO_LIMITS:  # as most
            return found
        for key, name in _LIMITS.items():
            asked, allowed = self._both(policy, name)
            if asked is not None and allowed is not None and asked > allowed:
                found.append(key)
        return found

    def _both(self, policy: ProcessLimits, name: str) -> tuple[int | None, int | None]:
        return getattr(self, name), getattr(policy, name)


_NO_LIMITS: Final = ProcessLimits()


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of a script's history is kept: runs and slots that are no older than ``age``, at most so many ``runs``.

    ``size`` bounds, in bytes, what those runs wrote, returned and left as files. None for no bound.
    """

    age: timedelta | None = None
    runs: int | None = None
    size: int | None = None

    def within(self, policy: Keep) -> Keep:
        """This, or the policy's where that keeps less."""
        return Keep(
            min((age for age in (self.age, policy.age) if age is not None), default=None),
            min((runs for runs in (self.runs, policy.runs) if runs is not None), default=None),
            min((size for size in (self.size, policy.size) if size is not None), default=None),
        )


_LIMITS: Final[Mapping[str, str]] = {
    "memory": "memory_bytes",
    "cpu": "cpu_seconds",
    "open-files": "open_files",
    "processes": "processes",
}
"""Keys of a header, and the limits that they set."""


def read_limits(written: Mapping[str, object]) -> ProcessLimits:
    """Limits by the keys and with the values that headers have. Raises ValueError, which names the key."""
    values: dict[str, Any] = {}
    for key, value in written.items():
        if key not in _LIMITS:
            raise ValueError(f"expected one of {', '.join(_LIMITS)}, got: {shown(key)}")
        name, read = _OWN[key]
        try:
            values[name] = read(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return Header(**values).limits


@dataclass(frozen=True, slots=True)
class Header:
    """All keys of a header; a file without one has these defaults.

    ``overlap_limit`` bounds the slots that wait under ``overlap = "queue"``; missed slots are caught up that are not
    older than ``missed_window``, and with ``missed = "all"`` at most ``missed_limit``; None: as the host has it.
    ``where`` is ``one``, ``all`` or a label of replicas; ``memory_bytes``, ``cpu``, ``open_files``, ``processes``,
    ``timeout`` and ``queue_timeout`` are None for no limit; ``files`` are glob patterns; ``given`` holds the keys as
    they were written, as JSON values.
    """

    schedules: tuple[Schedule, ...] = ()
    timezone: str = Schedule.UTC
    jitter: timedelta = timedelta(0)
    overlap: Overlap = Overlap.SKIP
    overlap_limit: int | None = None
    missed: Missed = Missed.LATEST
    missed_window: timedelta | None = None
    missed_limit: int | None = None
    timeout: timedelta | None = None
    queue_timeout: timedelta | None = None
    retries: Retries = Retries()
    retry_on_crash: bool = False
    isolation: Isolation = Isolation.THREAD
    concurrency: Concurrency | None = None
    priority: int = 0
    on: tuple[str, ...] = ()
    where: str = "one"
    owner: str = ""
    tags: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    memory_bytes: int | None = None
    cpu: timedelta | None = None
    open_files: int | None = None
    processes: int | None = None
    files: tuple[str, ...] = ()
    keep: Keep = Keep()
    description: str = ""
    dependencies: tuple[str, ...] = ()
    requires_python: str | None = None
    given: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def limits(self) -> ProcessLimits:
        """What it allows the processes of a run."""
        cpu_seconds = math.ceil(self.cpu.total_seconds()) if self.cpu is not None else None
        return ProcessLimits(self.memory_bytes, cpu_seconds, self.open_files, self.processes)


DEFAULT: Final = Header()
"""That of a script without one."""

_BLOCK_TYPE: Final = "script"
_CRON_LINE: Final = re.compile(r"#\s*cron:(.*)")


def read_header(path: str, text: str) -> Header:
    """Read the header of a source file; ``path`` is named in errors. Raises HeaderError."""
    text = head_of(text)
    if not text:
        return DEFAULT
    lines = text.replace("\r\n", "\n").split("\n")
    has_block = "# ///" in text  # most scripts have cron lines alone: then no line need be looked at for blocks
    blocks = list(find_blocks(lines)) if has_block else []
    cron_lines = list(_cron_lines(lines, blocks))
    if not has_block and not any(is_drawn(text) for _, text in cron_lines):
        with suppress(HeaderError):  # raised below, with its place
            return _of_lines(tuple(text for _, text in cron_lines))
    keys = _Keys(path, _script_block(path, lines, blocks) if has_block else None)
    return keys.header(cron_lines)


@lru_cache(maxsize=10_000)
def _of_lines(texts: tuple[str, ...]) -> Header:
    """The header of scripts that have these cron lines and nothing else: of thousands many have the same."""
    return _Keys("", None).header([(0, text) for text in texts])


def line_in_block(path: str, text: str, written: str) -> int:
    """The line of a script's block in which something is written, for errors about it; the block's first if in none."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    block = _script_block(path, lines, list(find_blocks(lines)))
    if block is None:
        return 0
    inside = range(block.first_line, block.last_line)
    return next((number + 1 for number in inside if written in lines[number]), block.first_line)


def _script_block(path: str, lines: Sequence[str], blocks: Sequence[MetadataBlock]) -> MetadataBlock | None:
    ours = [block for block in blocks if block.type == _BLOCK_TYPE]
    if len(ours) > 1:
        raise HeaderError(path, ours[1].first_line, f"expected one block '# /// {_BLOCK_TYPE}', got a second one")
    inside = _lines_of(blocks)
    for number, line in enumerate(lines, start=1):
        if starts_block(line, _BLOCK_TYPE) and number not in inside:
            expected = "expected lines that begin with '# ' and a closing line '# ///', all without spaces at the end"
            raise HeaderError(path, number, f"{expected}, got a block '# /// {_BLOCK_TYPE}' that is not closed")
    return ours[0] if ours else None


def _cron_lines(lines: Sequence[str], blocks: Sequence[MetadataBlock]) -> Iterator[tuple[int, str]]:
    """The ``# cron:`` lines above the first statement, with their numbers."""
    inside = _lines_of(blocks)
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            return
        found = _CRON_LINE.fullmatch(text)
        if found and number not in inside:
            yield number, found[1].strip()


def _lines_of(blocks: Sequence[MetadataBlock]) -> set[int]:
    return {number for block in blocks for number in range(block.first_line, block.last_line + 1)}


class _Keys:
    """The keys of one header on their way to values."""

    def __init__(self, path: str, block: MetadataBlock | None) -> None:
        self._path = path
        self._block = block
        self._written = self._read_block() if block is not None else {}

    def header(self, cron_lines: Sequence[tuple[int, str]]) -> Header:
        values = {_READERS[key][0]: self._value(key) for key in self._written if key != "cron"}
        schedules = self._schedules(cron_lines, values.get("timezone", Schedule.UTC))
        given = dict(self._written)
        if cron_lines:
            given["cron"] = [text for _, text in cron_lines] + list(one_or_more(given.get("cron", [])))
        return Header(**values, schedules=schedules, given=given)

    def _read_block(self) -> dict[str, Any]:
        """The keys of PEP 723 and those of ``[tool.livegraft]``, side by side: no name is in both."""
        document = self._read_toml()
        own = self._table(self._table(document, "tool"), "livegraft")
        standard = {key: value for key, value in document.items() if key != "tool"}
        for key in standard:
            if key not in _STANDARD:
                expected = f"expected one of {', '.join(_STANDARD)}, [tool.livegraft] at the top of the block"
                hint = "; it belongs under [tool.livegraft]" if key in _OWN else ""
                raise self._error(key, f"{expected}, got: {shown(key)}{hint}")
        for key in own:
            if key not in _OWN:
                nearest = difflib.get_close_matches(key, _OWN, n=1, cutoff=0.0)[0]
                raise self._error(key, f"expected a key of livegraft, got: {shown(key)}; the nearest is {nearest!r}")
        return standard | own

    def _read_toml(self) -> dict[str, Any]:
        if self._block is None:
            return {}
        try:
            return tomllib.loads(self._block.text)
        except (ValueError, RecursionError) as error:
            found = re.search(r"at line (\d+)", str(error))
            line = self._block.first_line + (int(found[1]) if found else 0)
            reason = "tables or lists nested too deep" if isinstance(error, RecursionError) else str(error)
            raise HeaderError(self._path, line, f"expected the block to be TOML, got: {reason}") from None

    def _table(self, parent: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self._error(key, f"expected {key} to be a table, got: {shown(value)}")
        return value

    def _value(self, key: str) -> Any:
        try:
            return _READERS[key][1](self._written[key])
        except (ValueError, ScheduleError) as error:
            raise self._error(key, f"{key}: {error}") from None

    def _schedules(self, cron_lines: Sequence[tuple[int, str]], timezone: str) -> tuple[Schedule, ...]:
        entries = list(cron_lines)
        if "cron" in self._written:
            entries += [(self._line_of("cron"), text) for text in self._value("cron")]
        schedules: list[Schedule] = []
        for line, text in entries:
            try:
                schedule = Schedule.parse(text, timezone, seed=self._path.removesuffix(".py"))
            except ScheduleError as error:
                raise HeaderError(self._path, line, f"cron: {error}") from None
            if schedule in schedules:
                raise HeaderError(self._path, line, f"cron: expected each schedule once, got: {shown(text)} again")
            schedules.append(schedule)
        return tuple(schedules)

    def _error(self, key: str, reason: str) -> HeaderError:
        return HeaderError(self._path, self._line_of(key), reason)

    def _line_of(self, key: str) -> int:
        """The line that sets a key, as well as it can be told: TOML values come without places."""
        if self._block is None:
            return 0
        lines = self._block.text.split("\n")
        sets_key = re.compile(rf"\s*\[*[\w\s.\"'-]*?\b{re.escape(key)}\b[\"']?\s*[=.\]]")
        table = next((number for number, line in enumerate(lines) if "livegraft" in line), 0)
        first = table if key in _OWN else 0
        places = (number for number in range(first, len(lines)) if sets_key.match(lines[number]))
        return self._block.first_line + 1 + next(places, first)


def _read_timezone(value: object) -> str:
    return Schedule("0 0 * * *", read_word(value)).timezone


def _read_retries(value: object) -> Retries:
    """A number of times, or a table with ``times``, ``delay``, ``backoff``, ``max-delay``."""
    times = read_number(0, 100)
    if not isinstance(value, dict):
        return Retries(times(value))
    readers: dict[str, Callable[[Any], Any]] = {
        "times": times,
        "delay": read_duration,
        "backoff": read_factor,
        "max-delay": read_duration,
    }
    return Retries(**read_table(value, readers, needed="times"))


def _read_concurrency(value: object) -> Concurrency:
    """A number of runs, or a table with ``limit`` and ``key``."""
    limit = read_number(1, 10_000)
    if not isinstance(value, dict):
        return Concurrency(limit(value))
    return Concurrency(**read_table(value, {"limit": limit, "key": read_word}, needed="limit"))


def read_keep(value: object) -> Keep:
    """A table with some of ``age``, ``runs``, ``size``. Raises ValueError, which names the key."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected a table with some of {', '.join(_KEEP)}, got: {shown(value)}")
    found: dict[str, Any] = {}
    for key, each in value.items():
        if key not in _KEEP:
            raise ValueError(f"expected a table with some of {', '.join(_KEEP)}, got: {key!r}")
        try:
            found[key] = _KEEP[key](each)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return Keep(**found)


_KEEP: Final[Mapping[str, Callable[[Any], Any]]] = {
    "age": read_age,
    "runs": read_number(1, 100_000_000),
    "size": read_memory,
}

_STANDARD: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "dependencies": ("dependencies", read_dependencies),
    "requires-python": ("requires_python", read_requires_python),
}
"""Keys that PEP 723 defines, at the top of the block: the field of Header and how the value is read."""

_OWN: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "cron": ("schedules", read_texts),  # the texts; they become schedules when the time zone is known
    "timezone": ("timezone", _read_timezone),
    "jitter": ("jitter", read_duration),
    "overlap": ("overlap", read_choice(Overlap)),
    "overlap-limit": ("overlap_limit", read_number(1, 1_000)),
    "missed": ("missed", read_choice(Missed)),
    "missed-window": ("missed_window", read_positive_duration),
    "missed-limit": ("missed_limit", read_number(1, 1_000)),
    "timeout": ("timeout", read_positive_duration),
    "queue-timeout": ("queue_timeout", read_positive_duration),
    "retries": ("retries", _read_retries),
    "retry-on-crash": ("retry_on_crash", read_flag),
    "isolation": ("isolation", read_choice(Isolation)),
    "concurrency": ("concurrency", _read_concurrency),
    "priority": ("priority", read_number(-100, 100)),
    "on": ("on", read_words),
    "where": ("where", read_word),
    "owner": ("owner", read_text),
    "tags": ("tags", read_texts),
    "notify": ("notify", read_texts),
    "memory": ("memory_bytes", read_memory),
    "cpu": ("cpu", read_positive_duration),
    "open-files": ("open_files", read_number(16, 1_000_000)),
    "processes": ("processes", read_number(1, 100_000)),
    "files": ("files", read_globs),
    "keep": ("keep", read_keep),
    "description": ("description", read_text),
}
"""Keys of ``[tool.livegraft]``: the field of Header and how the value is read."""

_READERS: Final = {**_STANDARD, **_OWN}
