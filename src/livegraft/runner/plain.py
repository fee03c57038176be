"""Values of scripts as plain JSON values, within bounds, and as short text: whatever their methods do."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import reprlib
from collections.abc import Mapping, Set
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from livegraft.runner.interrupt import RunCancelledError

SIZE_LIMIT: Final = 1 << 20
"""Bytes of JSON, and roughly the values and characters looked at before giving up."""

DEPTH_LIMIT: Final = 50
TEXT_LIMIT: Final = 10_000
"""Characters of a result that is no JSON."""

_SAFE_INTEGER: Final = 1 << 63


class NotJsonError(Exception):
    """Why a value cannot be JSON, in words for people."""


def plain_or_text(value: object) -> Any:
    """The JSON value, or what short text says of it."""
    try:
        return plain(value)
    except RunCancelledError:
        raise
    except BaseException:  # noqa: BLE001 - methods of the value are the script's code and may raise anything
        return short_text(value)


def plain(value: object) -> Any:
    """A JSON value like this one. Raises NotJsonError, and whatever methods of the value raise."""
    made = _Budget().plain(value, 0)
    size = len(json.dumps(made, ensure_ascii=False, allow_nan=False).encode())
    if size > SIZE_LIMIT:
        raise NotJsonError(f"the result has {size} bytes as JSON, more than {SIZE_LIMIT}")
    return made


class _Budget:
    """Copies a value into plain JSON values, as long as it is neither too large nor too deep."""

    def __init__(self) -> None:
        self._left = SIZE_LIMIT

    def plain(self, value: Any, depth: int) -> Any:
        self._spend(1)
        if depth > DEPTH_LIMIT:
            raise NotJsonError(f"the result refers to itself or is nested more than {DEPTH_LIMIT} deep")
        if value is None or value is True or value is False:
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, depth + 1)
        if isinstance(value, (str, int, float)):
            return self._scalar(value)
        if isinstance(value, Mapping):
            return {self._name(name): self.plain(each, depth + 1) for name, each in value.items()}
        if isinstance(value, (list, tuple, Set)):
            return [self.plain(each, depth + 1) for each in value]
        if isinstance(value, BaseModel):
            return self.plain(value.model_dump(), depth + 1)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {each.name: self.plain(getattr(value, each.name), depth + 1) for each in dataclasses.fields(value)}
        return self._other(value, depth)

    def _scalar(self, value: str | float) -> Any:
        if isinstance(value, str):
            self._spend(len(value))
            return str.__str__(value).encode("utf-8", "replace").decode()
        if isinstance(value, int):
            return int(value) if -_SAFE_INTEGER <= value < _SAFE_INTEGER else self._scalar(str(value))
        return float(value) if math.isfinite(value) else str(value)

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, (date, time, timedelta, UUID, Decimal, PurePath)):
            return to_jsonable_python(value)
        if isinstance(value, (bytes, bytearray)):
            self._spend(len(value))
            return base64.b64encode(value).decode()
        if type(value).__module__ == "numpy" and callable(getattr(value, "tolist", None)):
            self._spend(getattr(value, "size", 1))
            return self.plain(value.tolist(), depth + 1)
        raise NotJsonError(f"the result has a value of type {type(value).__qualname__}, which is no JSON")

    def _name(self, name: object) -> str:
        plain = self.plain(name, DEPTH_LIMIT)
        return plain if isinstance(plain, str) else json.dumps(plain)

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise NotJsonError(f"the result is larger than {SIZE_LIMIT} bytes as JSON")


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 50
        self.maxstring = self.maxother = TEXT_LIMIT


def short_text(value: object) -> str:
    """At most TEXT_LIMIT characters of what ``repr`` makes of a value. Raises nothing but RunCancelledError."""
    try:
        text = _Repr().repr(value)[: TEXT_LIMIT + 1].encode("utf-8", "replace").decode()
    except RunCancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a __repr__ may raise anything, SystemExit too
        return f"<{type(value).__qualname__}: __repr__ raised {type(error).__qualname__}>"
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"
