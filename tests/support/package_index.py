"""A package index on loopback over a folder of wheels, which can keep who asks for something waiting."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WAIT_SECONDS = 60.0


class PackageIndex(ThreadingHTTPServer):
    """Serves ``/simple/NAME/`` and the wheels; who asks for a path that ends with ``stalled`` waits for ``go_on``."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.stalled = "nothing"
        self.is_asked = threading.Event()
        self.go_on = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple/"


class _Handler(BaseHTTPRequestHandler):
    server: PackageIndex

    def do_GET(self) -> None:
        if self.path.endswith(self.server.stalled):
            self.server.is_asked.set()
            self.server.go_on.wait(WAIT_SECONDS)
        body = self._body()
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked was killed
            self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None: ...

    def _body(self) -> bytes | None:
        if self.path.startswith("/simple/"):
            wheels = self.server.folder.glob(f"{self.path.split('/')[2].replace('-', '_')}-*.whl")
            links = [
                f'<a href="/{wheel.name}#sha256={_hash(wheel)}" data-core-metadata="true">{wheel.name}</a>'
                for wheel in wheels
            ]
            return "\n".join(links).encode() if links else None
        wheel = self.server.folder / self.path.strip("/").removesuffix(".metadata")
        if not wheel.is_file():
            return None
        if not self.path.endswith(".metadata"):
            return wheel.read_bytes()
        with zipfile.ZipFile(wheel) as archive:
            [described] = [name for name in archive.namelist() if name.endswith("/METADATA")]
            return archive.read(described)


def _hash(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@contextmanager
def a_package_index(folder: Path) -> Iterator[PackageIndex]:
    with PackageIndex(folder) as index:
        thread = threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield index
        finally:
            index.go_on.set()
            index.shutdown()
            thread.join()
