"""How a command ends: one line on standard error, and an exit status from one table."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from livegraft.errors import LivegraftError

STATUS_OF_CODE: Final = {
    "configuration": 2,
    "arguments": 2,
    "invalid_request": 2,
    "not_found": 3,
    "unauthorized": 4,
    "forbidden": 4,
    "unreachable": 5,
    "mirror": 5,
    "store": 6,
}
"""Exit statuses by error code; every other error is 1. A run that failed and a tree with faults are 1 too."""


class RefusedError(LivegraftError):
    """A server said no: its error, with its code."""

    def __init__(self, code: str, message: str) -> None:
        self.kind = code
        super().__init__(message)


def fail(error: LivegraftError) -> NoReturn:
    """Tell an error, in one line, and leave."""
    code = error.kind if isinstance(error, RefusedError) else error.code
    print("livegraft:", " ".join(str(error).split()), file=sys.stderr)
    raise SystemExit(STATUS_OF_CODE.get(code, 1))
