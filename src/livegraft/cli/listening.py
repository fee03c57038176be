"""The address that a server listens on."""

from __future__ import annotations

import socket

from livegraft.errors import ConfigurationError

_LAST_PORT = 65535


def listen(text: str) -> socket.socket:
    """A socket that is bound to HOST:PORT, and does not listen yet. Raises ConfigurationError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ConfigurationError(f"expected --listen HOST:PORT, as 127.0.0.1:8787, got: {text!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on: a client that keeps its connection waits 40 ms each time.
    address = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    address.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        address.bind((host.strip("[]"), int(port)))
    except OSError as error:
        address.close()
        raise ConfigurationError(
            f"expected to listen on {text!r}, got: {error.strerror}; name another with --listen HOST:PORT, "
            "where port 0 takes a free one"
        ) from error
    return address


def url_of(address: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = address.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
