"""Modules of the host for a test: what version code imports from the process around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def module_with(name: str, **attributes: object) -> Iterator[ModuleType]:
    """A module of the host by this name, while the block lasts."""
    module = ModuleType(name)
    module.__dict__.update(attributes)
    sys.modules[name] = module
    try:
        yield module
    finally:
        del sys.modules[name]
