"""What ``run`` returned, made into what is kept of it: JSON if it can be, else a short text."""

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

from livegraft.run import RunResult
from livegraft.runner.interrupt import RunCancelledError

SIZE_LIMIT: Final = 1 << 20
"""Bytes of JSON, and roughly the values and characters looked at before giving up."""

DEPTH_LIMIT: Final = 50
TEXT_LIMIT: Final = 10_000
"""Characters of a result that is no JSON."""

_SAFE_INTEGER: Final = 1 << 63


class _NotJsonError(Exception):
    """Why a value is kept as text."""


def keep(value: object) -> RunResult:
    """The value as JSON, or as bounded text with a note that says why. Raises nothing but RunCancelledError."""
    try:
        plain = _Budget().plain(value, 0)
        size = len(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
        if size <= SIZE_LIMIT:
            return RunResult("json", plain)
        note = f"the result has {size} bytes as JSON, more than {SIZE_LIMIT}"
    except RunCancelledError:
        raise
    except _NotJsonError as error:
        note = str(error)
    except BaseException as error:  # noqa: BLE001 - methods of the value are the script's code and may raise anything
        note = f"the result cannot be made into JSON: {type(error).__qualname__}"
    return RunResult("text", _text(value), note)


class _Budget:
    """Copies a value into plain JSON values, as long as it is neither too large nor too deep."""

    def __init__(self) -> None:
        self._left = SIZE_LIMIT

    def plain(self, value: Any, depth: int) -> Any:
        self._spend(1)
        if depth > DEPTH_LIMIT:
            raise _NotJsonError(f"the result refers to itself or is nested more than {DEPTH_LIMIT} deep")
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
        return self._other(value)

    def _scalar(self, value: str | float) -> Any:
        if isinstance(value, str):
            self._spend(len(value))
            return str.__str__(value).encode("utf-8", "replace").decode()
        if isinstance(value, int):
            return int(value) if -_SAFE_INTEGER <= value < _SAFE_INTEGER else self._scalar(str(value))
        return float(value) if math.isfinite(value) else str(value)

    def _other(self, value: Any) -> Any:
        if isinstance(value, (date, time, timedelta, UUID, Decimal, PurePath)):
            return to_jsonable_python(value)
        if isinstance(value, (bytes, bytearray)):
            self._spend(len(value))
            return base64.b64encode(value).decode()
        raise _NotJsonError(f"the result has a value of type {type(value).__qualname__}, which is no JSON")

    def _name(self, name: object) -> str:
        plain = self.plain(name, DEPTH_LIMIT)
        return plain if isinstance(plain, str) else json.dumps(plain)

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _NotJsonError(f"the result is larger than {SIZE_LIMIT} bytes as JSON")


class _Repr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = 50
        self.maxstring = self.maxother = TEXT_LIMIT


def _text(value: object) -> str:
    try:
        text = _Repr().repr(value)[: TEXT_LIMIT + 1].encode("utf-8", "replace").decode()
    except RunCancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a __repr__ may raise anything, SystemExit too
        return f"<{type(value).__qualname__}: __repr__ raised {type(error).__qualname__}>"
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"
