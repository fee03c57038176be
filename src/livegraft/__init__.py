"""Change code in a running Python service: commit a script, and it is live a second later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livegraft.context import artifacts, cancelled, progress, slot_at
from livegraft.errors import LivegraftError
from livegraft.markdown import Markdown
from livegraft.offers import choices
from livegraft.shared_data import ABSENT, SharedData, shared
from livegraft.uploads import Upload

__all__ = [
    "ABSENT",
    "LivegraftError",
    "Markdown",
    "SharedData",
    "Supervisor",
    "Upload",
    "artifacts",
    "cancelled",
    "choices",
    "progress",
    "shared",
    "slot_at",
]

if TYPE_CHECKING:
    from livegraft.supervisor import Supervisor

    __version__: str
else:

    def __getattr__(name: str) -> Any:
        """Import the supervisor and look up the version when they are asked for.

        With its database it is most of what importing livegraft costs, and most commands do without it.
        """
        if name == "Supervisor":
            from livegraft.supervisor import Supervisor as found
        elif name == "__version__":
            from importlib.metadata import version

            found = version("livegraft")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found
