"""The command line: a server, a work tree under the same loader, and a client of a running server."""

from livegraft.cli.main import main

__all__ = ["main"]
