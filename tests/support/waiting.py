"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
"""How long a test waits for what must happen: far longer than it takes on a busy machine, because it costs nothing."""


def eventually(condition: Callable[[], T], timeout: float = PATIENCE_SECONDS, what: str = "") -> T:
    """Poll until the condition is truthy and return its value; fail with ``what`` after the timeout."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}; last value: {value!r}")
        time.sleep(INTERVAL_SECONDS)
    return value
