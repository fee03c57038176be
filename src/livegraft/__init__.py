"""Change code in a running Python service: commit a script, and it is live a second later."""

from importlib.metadata import version as _version

from livegraft.context import cancelled, progress
from livegraft.errors import LivegraftError
from livegraft.supervisor import Supervisor

__version__ = _version("livegraft")
__all__ = ["LivegraftError", "Supervisor", "cancelled", "progress"]
