"""How values are written on pages: times, durations, sizes, short ids. Filters of the templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from livegraft.revision import SHORT

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR

_TELLING_SECONDS: Final = 3
_TELLING_FRACTION: Final = 0.05


def short(id: str) -> str:
    """The part of a revision or key that people are shown."""
    return id[:SHORT]


def exact(at: datetime) -> str:
    """``2026-01-31 07:00:00 UTC``."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine(at: datetime) -> str:
    """The same instant for the ``datetime`` attribute: ``2026-01-31T07:00:00Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def relative(at: datetime, now: datetime) -> str:
    """``2 min ago``, ``in 4 h``; ``static/times.js`` goes on counting with the same words."""
    seconds = (at - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    span = _span(abs(seconds))
    return f"in {span}" if seconds > 0 else f"{span} ago"


def _span(seconds: float) -> str:
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def duration(seconds: float) -> str:
    """``8 ms``, ``2.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def span(seconds: float) -> str:
    """A round duration, short: ``10 ms``, ``1 s``, ``10 min``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else _span(seconds)


def left(seconds: float, fraction: float) -> str:
    """``, about 40 s left`` of what took so long for a part of it; nothing while that says too little."""
    if seconds < _TELLING_SECONDS or not _TELLING_FRACTION <= fraction < 1:
        return ""
    return f", about {_span(seconds * (1 - fraction) / fraction)} left"


def size(count: int) -> str:
    """Bytes: ``512 B``, ``1.4 KB``, ``3.0 MB``."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def pretty(value: Any) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def plain(value: Any) -> str:
    """A JSON value on one line; a text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def argument(value: Any) -> str:
    """An argument on one line; a file by its name."""
    match value:
        case {"name": str(name), "upload": str()}:
            return name
    return plain(value)


def slug(state: str) -> str:
    """A state as a class of the style sheet: ``timed out`` -> ``timed-out``."""
    return state.replace(" ", "-")
