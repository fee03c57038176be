"""How the code of a run came to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from livegraft.run import RunFailure, RunResult
from livegraft.runner.failure import Locate, describe, message
from livegraft.runner.interrupt import RunCancelledError
from livegraft.runner.result import keep


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the code returned, or why it did not: one of both is set. Holds nothing of the version."""

    result: RunResult | None = None
    failure: RunFailure | None = None


INTERRUPTED = Outcome(failure=RunFailure(RunCancelledError.__qualname__, "interrupted"))
"""The exception struck when the code had already come to its end."""


def outcome_of(call: Callable[[], Any], locate: Locate) -> Outcome:
    """Call, and describe what came of it. Raises RunCancelledError when that strikes while describing."""
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001 - whatever a script raises ends its run and nothing else
        return failed(error, locate)
    return returned(value)


def returned(value: object) -> Outcome:
    return Outcome(keep(value))


def failed(error: BaseException, locate: Locate) -> Outcome:
    """The outcome for an exception; ``sys.exit()`` and ``sys.exit(0)`` are a way to return."""
    if not isinstance(error, SystemExit):
        return Outcome(failure=describe(error, locate))
    if error.code is None or error.code == 0:
        return Outcome(RunResult("json", None, "exited with code 0"))
    if isinstance(error.code, int):
        text = f"exited with code {int(error.code)}"
    else:  # as Python does: the text is an error message, the code is 1
        text = f"exited with code 1: {message(error)}"
    return Outcome(failure=replace(describe(error, locate), message=text))
