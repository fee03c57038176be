"""What a version leaves in tables of the interpreter that grow for ever, and how each is undone."""

from __future__ import annotations

import linecache
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from livegraft.version import Version


def forget_lines(version: Version, file: str) -> None:
    """Source lines that tracebacks read."""
    linecache.cache.pop(file, None)


def forget_loggers(version: Version, file: str) -> None:
    """``logging.getLogger(__name__)``: the manager keeps each logger, and the parent's placeholder too."""
    manager = logging.Logger.manager
    name = version.module_name
    gone = [known for known in manager.loggerDict if known == name or known.startswith(name + ".")]
    loggers = {manager.loggerDict.pop(known) for known in gone}
    for other in list(manager.loggerDict.values()):
        if isinstance(other, logging.PlaceHolder):
            for logger in [known for known in other.loggerMap if known in loggers]:
                del other.loggerMap[logger]


def forget_type_expressions(version: Version, file: str) -> None:
    """``Optional[C]``, ``Annotated[...]``: ``typing`` caches them, classes of the version within."""
    typing: Any = sys.modules.get("typing")
    for clear in getattr(typing, "_cleanups", ()):
        clear()


UNDOERS: Final[tuple[Callable[[Version, str], None], ...]] = (
    forget_lines,
    forget_loggers,
    forget_type_expressions,
)
"""Run in this order for each version that leaves, with the file of its source."""
