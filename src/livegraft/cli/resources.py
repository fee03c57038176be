"""``--provide NAME=MODULE:ATTRIBUTE``: resources that the command line offers to scripts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from livegraft.errors import ConfigurationError


class Placeholder:
    """Stands for a resource where nothing runs."""


def resources(given: Sequence[str], *, placeholders: bool = False) -> dict[str, object]:
    """The objects by name. With ``placeholders`` a bare NAME will do. Raises ConfigurationError."""
    found: dict[str, object] = {}
    for text in given:
        name, _, place = text.partition("=")
        if not name.isidentifier() or not (place or placeholders):
            raise ConfigurationError(f"expected --provide NAME=MODULE:ATTRIBUTE, got: {text!r}")
        found[name] = _object(text, place) if place else Placeholder()
    return found


def _object(text: str, place: str) -> object:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: people name modules of the folder they are in
    module, _, attribute = place.partition(":")
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"expected --provide {text!r} to name an object, got: {error}") from error
    return found
