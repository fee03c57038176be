"""What a process of another environment needs of the host: livegraft itself, and what its code there imports."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from livegraft import process
from livegraft.environment import SHORT, Environment, digest

# A test tells when livegraft's code there begins to import something else.
NEEDED: Final = (
    "livegraft",
    "cronsim",
    "packaging",
    "psutil",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_extensions",
    "typing_inspection",
)


def link_needed(folder: Path, environment: Environment) -> Path:
    """A folder with links to what is needed and the environment does not have; a folder for each such set."""
    links = {place.name: place for name in NEEDED if not _is_in(environment, name) and (place := _place(name))}
    found = folder / digest({name: str(place) for name, place in links.items()})[: 2 * SHORT]
    if not found.is_dir():
        coming = folder / f"{found.name}.{process.identity().replace(':', '-')}.{threading.get_ident()}"
        coming.mkdir(parents=True)
        for name, place in links.items():
            os.symlink(place, coming / name)
        with suppress(OSError):  # another one was there first
            coming.rename(found)
        shutil.rmtree(coming, ignore_errors=True)
    return found


def _place(name: str) -> Path | None:
    """The folder of a package of the host, or the file of a module."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin)
    return file.parent if spec.submodule_search_locations else file


def _is_in(environment: Environment, name: str) -> bool:
    """Whether an environment brings a module; livegraft is never its own there."""
    if name == "livegraft":
        return False
    places = environment.folder.glob("lib/python*/site-packages")
    return any((place / name).is_dir() or (place / f"{name}.py").is_file() for place in places)
