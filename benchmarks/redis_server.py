"""A Redis of our own: the one of this machine, else Debian's package unpacked into a folder and not installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PACKAGES: Final = ("redis-server", "redis-tools", "liblzf1", "libjemalloc2", "libatomic1")
"""The program and those of its libraries that a small Debian lacks."""

START_SECONDS: Final = 20.0


@contextmanager
def redis(folder: Path) -> Iterator[str | None]:
    """The address of a server on loopback that ends with the block; None, said loudly, where there is none.

    It runs with its own defaults: results are in its memory, and a snapshot is written now and then.
    """
    folder.mkdir(parents=True)
    program = _program(folder / "package")
    if program is None:
        print("NOT MEASURED: what needs Redis: redis-server is not installed and cannot be downloaded", file=sys.stderr)
        yield None
        return
    port = free_port()
    libraries = os.pathsep.join(sorted({str(file.parent) for file in (folder / "package").rglob("*.so.*")}))
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--logfile", "redis.log"],
        cwd=folder,
        env={**os.environ, "LD_LIBRARY_PATH": libraries} if libraries else None,
    )
    try:
        _wait_until_it_answers(port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(START_SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _program(folder: Path) -> str | None:
    if installed := shutil.which("redis-server"):
        return installed
    folder.mkdir()
    with suppress(OSError, subprocess.CalledProcessError):  # no Debian, no mirror: then there is none
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=True, capture_output=True)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True, capture_output=True)
        return str(folder / "usr/bin/redis-server")
    return None


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"redis-server did not answer at port {port} within {START_SECONDS:.0f} s")
        time.sleep(0.02)
