"""Style sheet, scripts and pictures of the pages, at addresses that name their content: browsers may keep them."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).with_name("static")
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"
_HASH: Final = re.compile(r"([0-9a-f]{12})[/\\]")


def address(path: str) -> str:
    """Where a file is asked for: below the hash of all files, so that what scripts import has a new address with it."""
    return f"{content_hash()}/{path}"


@cache
def content_hash() -> str:
    files = sorted(each for each in FOLDER.rglob("*") if each.is_file())
    content = (f"{file.relative_to(FOLDER)}\0{file.stat().st_size}\0".encode() + file.read_bytes() for file in files)
    return hashlib.sha256(b"".join(content)).hexdigest()[:12]


class StaticFilesByContent(StaticFiles):
    """Files of the package: kept for a year below the hash of these, else checked on each use.

    Below another hash they are asked for by a page of another release, which is there or came from another process.
    """

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        found = _HASH.match(path)
        response = await super().get_response(path[found.end() :] if found else path, scope)
        is_ours = found is not None and found[1] == content_hash()
        response.headers["Cache-Control"] = _FOREVER if is_ours else _ASK_FIRST
        return response
