"""Style sheet, scripts and pictures of the pages, named by their content so that browsers may keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER: Final = Path(__file__).with_name("static")
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


@cache
def content_hash(path: str) -> str:
    """What ``?v=`` says in links to this file: a new content is a new address."""
    return hashlib.sha256((FOLDER / path).read_bytes()).hexdigest()[:12]


class StaticFilesByContent(StaticFiles):
    """Files of the package: kept for a year when asked for by content hash, else checked on each use."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        by_content = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = _FOREVER if by_content else _ASK_FIRST
        return response
