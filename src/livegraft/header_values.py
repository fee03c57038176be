"""Reading single values of a header: what each kind takes, and what is said when it is something else.

Every reader takes a TOML value, returns the Python value and raises ValueError with
``expected ..., got: ...``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

Choice = TypeVar("Choice", bound=StrEnum)

_DURATION: Final = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_UNIT_SECONDS: Final = (86_400, 3_600, 60, 1)
_LONGEST: Final = timedelta(days=366)
_YOUNGEST: Final = timedelta(minutes=1)
_OLDEST: Final = timedelta(days=36_500)
_BYTES: Final = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_MEMORY: Final = re.compile(rf"([0-9]{{1,9}}) ?({'|'.join(_BYTES)})")


def shown(value: object) -> str:
    """A value as it stands in a message: bounded."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def one_or_more(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def read_text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"expected a string with something in it, got: {shown(value)}")
    return value.strip()


def read_texts(value: object) -> tuple[str, ...]:
    """One string or a list of them, each once."""
    texts = tuple(read_text(each) for each in one_or_more(value))
    if len(set(texts)) < len(texts):
        raise ValueError(f"expected each entry once, got: {shown(value)}")
    return texts


def read_word(value: object) -> str:
    text = read_text(value)
    if len(text.split()) != 1:
        raise ValueError(f"expected one word without spaces, got: {shown(value)}")
    return text


def read_words(value: object) -> tuple[str, ...]:
    return tuple(read_word(text) for text in read_texts(value))


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got: {shown(value)}")
    return value


def read_factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise ValueError(f"expected a factor from 1 to 100, got: {shown(value)}")
    return float(value)


def read_number(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"expected a whole number from {least} to {most}, got: {shown(value)}")
        return value

    return read


def read_choice(choices: type[Choice]) -> Callable[[object], Choice]:
    def read(value: object) -> Choice:
        for choice in choices:
            if choice.value == value:
                return choice
        raise ValueError(f"expected one of {', '.join(choices)}, got: {shown(value)}")

    return read


def read_duration(value: object, longest: timedelta = _LONGEST) -> timedelta:
    """``90s``, ``1h30m``, ``2d`` or a number of seconds; at most ``longest``, which is 366 days."""
    seconds: float
    parts = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if parts and value:
        seconds = sum(int(part or 0) * unit for part, unit in zip(parts.groups(), _UNIT_SECONDS, strict=True))
    else:
        seconds = -1 if isinstance(value, bool) or not isinstance(value, int | float) else value
    if not 0 <= seconds <= longest.total_seconds():
        expected = f"expected a duration like '90s', '10m', '1h30m' or a number of seconds, at most {longest.days}d"
        raise ValueError(f"{expected}, got: {shown(value)}")
    return timedelta(seconds=seconds)


def read_positive_duration(value: object) -> timedelta:
    if not (duration := read_duration(value)):
        raise ValueError(f"expected a duration above zero, got: {shown(value)}; leave the key out for no limit")
    return duration


def read_age(value: object) -> timedelta:
    """How long something is kept: a minute to a hundred years."""
    age = read_duration(value, _OLDEST)
    if age < _YOUNGEST:
        raise ValueError(f"expected an age of a minute or more, got: {shown(value)}")
    return age


def read_memory(value: object) -> int:
    found = _MEMORY.fullmatch(value) if isinstance(value, str) else None
    if not found or not int(found[1]):
        raise ValueError(f"expected an amount of memory like '512MiB' ({', '.join(_BYTES)}), got: {shown(value)}")
    return int(found[1]) * _BYTES[found[2]]


def read_table(value: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]], needed: str) -> dict[str, Any]:
    """The keys of a table as arguments; the key ``needed`` must be there."""
    if needed not in value:
        raise ValueError(f"expected the table to have {needed}, got: {shown(value)}")
    for key in value:
        if key not in readers:
            raise ValueError(f"expected a table with some of {', '.join(readers)}, got: {key!r}")
    return {key.replace("-", "_"): readers[key](each) for key, each in value.items()}


def read_globs(value: object) -> tuple[str, ...]:
    patterns = read_texts(value)
    for pattern in patterns:
        if pattern.startswith("/") or "\\" in pattern or ".." in pattern.split("/"):
            raise ValueError(f"expected patterns of files beside or below the script, got: {shown(pattern)}")
    return patterns


def read_dependencies(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list of requirements like 'polars>=1', got: {shown(value)}")
    for requirement in read_texts(value):
        try:
            Requirement(requirement)
        except ValueError as error:
            why = str(error).partition("\n")[0]
            raise ValueError(f"expected a requirement like 'polars>=1', got: {shown(requirement)}; {why}") from None
    return read_texts(value)


def read_requires_python(value: object) -> str:
    text = read_text(value)
    try:
        SpecifierSet(text)
    except ValueError:
        raise ValueError(f"expected a version specifier like '>=3.11', got: {shown(value)}") from None
    return text


def short_duration(text: str) -> str:
    """``PT2H30M`` as people write it, ``2h30m``; what is neither positive nor simple stays as it is."""
    found = _ISO_DURATION.fullmatch(text)
    return "".join(filter(None, found.groups())).lower() or text if found else text


_ISO_DURATION: Final = re.compile(r"P(\d+D)?(?:T(\d+H)?(\d+M)?([\d.]+S)?)?")
