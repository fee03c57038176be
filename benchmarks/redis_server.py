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

DOWNLOAD_SECONDS: Final = 120.0
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
        if _answers(server, port):
            yield f"redis://127.0.0.1:{port}"
        else:
            print(f"NOT MEASURED: what needs Redis: {program} does not answer at port {port}", file=sys.stderr)
            yield None
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
    with suppress(OSError, subprocess.SubprocessError):  # no Debian, no mirror: then there is none
        download = ["apt-get", "download", *PACKAGES]
        subprocess.run(download, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_SECONDS)
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True, capture_output=True)
        return str(folder / "usr/bin/redis-server")
    return None


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(16).startswith(b"+PONG"):
                return True
        time.sleep(0.02)
    return False
