"""Change code in a running Python service: commit a script, and it is live a second later."""

from livegraft.context import cancelled, progress
from livegraft.errors import LivegraftError
from livegraft.supervisor import Supervisor

__all__ = ["LivegraftError", "Supervisor", "cancelled", "progress"]
