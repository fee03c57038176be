"""The web pages: rendered on the server, live by server-sent events, no build step."""

from livegraft.web.app import build

__all__ = ["build"]
