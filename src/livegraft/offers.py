"""Choices that a script's own function gives when its form is shown: ``Annotated[str, choices("warehouses")]``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:  # it is much of what a command would wait for, and pydantic is there when it asks for the schema
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

SECONDS: Final = 2.0
"""How long a function may take; whoever looks at the form waits for it."""

KEPT_SECONDS: Final = 10.0
"""How long its answer is given again: a page that is open asks often."""

CHOICES_LIMIT: Final = 1_000
LABEL_LIMIT: Final = 200
_KEPT_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Choices:
    """In the annotation of a parameter: where its choices come from. ``source`` is a function, or the name of one."""

    source: str | Callable[..., Any]

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core_schema), "x-choices": True}


def choices(source: str | Callable[..., Any]) -> Choices:
    """Offer what a function of the script returns: ``Annotated[str, choices("warehouses")]``.

    The function is called when somebody looks at the form, and may take what the host provides, as ``run`` does. It
    returns values, or a mapping of values to what people read. They are offers: whether one fits is for ``run`` to say.
    """
    return Choices(source)


@dataclass(frozen=True, slots=True)
class Choice:
    value: str | int | float | bool
    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be chosen for one parameter at the moment, or the ``problem`` with finding out."""

    choices: tuple[Choice, ...] = ()
    problem: str = ""


class Asked(Protocol):
    """Parameters with choices: what to call for each."""

    @property
    def sources(self) -> Mapping[str, Callable[[], Any]]: ...


class _Asking:
    """One call of a function under way or answered."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.answered = threading.Event()
        self.offer = Offer(problem=f"its choices are not there after {SECONDS:g} s")

    def ask(self, source: Callable[[], Any]) -> None:
        try:
            self.offer = Offer(tuple(_choice(each) for each in _items(source())))
        except BaseException as error:  # noqa: BLE001 - it is the script's code, and may raise anything
            self.offer = Offer(problem=f"its choices cannot be read: {_words(error)}")
        self.answered.set()


class Offers:
    """Asks functions of scripts, each on a thread of its own; one that does not answer is not asked again meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[str, str], _Asking] = {}

    def of(self, key: str, asked: Asked) -> dict[str, Offer]:
        """The offers of a version, by parameter, within about SECONDS."""
        found = {name: self._asking(key, name, source) for name, source in asked.sources.items()}
        deadline = time.monotonic() + SECONDS
        for asking in found.values():
            asking.answered.wait(max(0.0, deadline - time.monotonic()))
        return {name: asking.offer for name, asking in found.items()}

    def _asking(self, key: str, name: str, source: Callable[[], Any]) -> _Asking:
        with self._lock:
            asking = self._asked.get((key, name))
            if asking is not None and not _is_over(asking):
                return asking
            self._forget_old()
            asking = self._asked[key, name] = _Asking()
        threading.Thread(target=asking.ask, args=(source,), name="livegraft-choices", daemon=True).start()
        return asking

    def _forget_old(self) -> None:
        if len(self._asked) >= _KEPT_LIMIT:
            self._asked = {place: asking for place, asking in self._asked.items() if not _is_over(asking)}


def _is_over(asking: _Asking) -> bool:
    return asking.answered.is_set() and time.monotonic() - asking.begun > KEPT_SECONDS


def _items(made: object) -> Iterable[Any]:
    if isinstance(made, (str, bytes)) or not isinstance(made, Iterable):
        raise TypeError(f"expected values or a mapping, got: {type(made).__qualname__}")
    return islice(made.items() if isinstance(made, Mapping) else ((each, each) for each in made), CHOICES_LIMIT)


def _choice(item: tuple[Any, Any]) -> Choice:
    value, label = item
    if not isinstance(value, (str, int, float, bool)):
        raise TypeError(f"expected texts or numbers, got: {type(value).__qualname__}")
    plain = (
        value if isinstance(value, bool) else next(kind(value) for kind in (str, int, float) if isinstance(value, kind))
    )
    return Choice(plain, str(label)[:LABEL_LIMIT])


def _words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:LABEL_LIMIT]
    except BaseException:  # noqa: BLE001 - as above
        return type(error).__name__
