"""What is told of a module that raised when it was imported."""

from __future__ import annotations

from livegraft.errors import LoadError
from livegraft.graph import NEVER_LOADED, Planner
from livegraft.runner.failure import Locate, describe
from livegraft.version import Version


def describe_import(error: BaseException, version: Version, locate: Locate, planner: Planner) -> LoadError:
    """The error in repository paths, with a hint where the repository has a module that cannot be loaded."""
    failure = describe(error, locate)
    reason = f"{failure.type}: {failure.message}{_extension_hint(error, version, planner)}"
    return LoadError(failure.path or version.path, failure.line, reason, failure.traceback)


def _extension_hint(error: BaseException, version: Version, planner: Planner) -> str:
    """What is said of an import that failed because the repository has a compiled module in that place."""
    if not isinstance(error, ImportError):
        return ""
    for name, path in planner.at(version.revision).extensions.items():
        if error.name == name or f"cannot import name {name.rpartition('.')[2]!r} " in str(error):
            return f"; {path} {NEVER_LOADED}"
    return ""
