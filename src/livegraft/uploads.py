"""Files as arguments of runs: ``def run(orders: Upload)``.

A file is kept once by its content, beside the history; an argument names it, so that a run can be repeated with it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # it is much of what a command would wait for, and pydantic is there when it asks for the schema
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
    from pydantic_core import CoreSchema

SIZE_LIMIT: Final = 32 << 20
"""Bytes of one file that is given as an argument."""

KEPT_SECONDS: Final = 30 * 24 * 3600.0
"""How long a file is kept after a run was given it last."""

NAME_LIMIT: Final = 200
FILE_FORMAT: Final = "file"
"""``format`` in the schema of a parameter that is a file."""

_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody gave as an argument.

    ``name`` is what it was called there, ``path`` where it is here. It is not to be changed: other runs have it too.
    """

    name: str
    path: Path

    def read_bytes(self) -> bytes:
        return self.path.read_bytes()

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.path.read_text(encoding)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(_read)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        text = {"type": "string"}
        return {
            "type": "object",
            "format": FILE_FORMAT,
            "properties": {"name": text, "content": {**text, "contentEncoding": "base64"}},
            "required": ["name", "content"],
        }


def _read(value: Any, info: ValidationInfo) -> Upload:
    """A file by its name in the folder of uploads, which the context gives."""
    if isinstance(value, Upload):
        return value
    folder = (info.context or {}).get("uploads")
    match value:
        case {"name": str(name), "upload": str(digest)} if folder is not None and _DIGEST.fullmatch(digest):
            file = Path(folder) / digest
            if not file.is_file():
                raise ValueError("the file is not kept any more, please give it again")
            return Upload(name, file)
    raise ValueError("expected a file: its name, and its content in base64")


class Uploads:
    """The folder of files that were given as arguments, by the SHA-256 of their content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def keep(self, value: Any) -> Any:
        """An argument with the files in it kept, and named where their content was.

        What cannot be kept stays as it is: then it does not fit the parameter.
        """
        match value:
            case Upload():
                return self._kept(value.name, value.read_bytes())
            case {"name": str(name), "content": str(content), **rest} if not rest:
                return self._kept(name, content)
            case {"name": str(), "upload": str(digest)} if _DIGEST.fullmatch(digest):
                _touch(self.folder / digest)
                return value
            case list():
                return [self.keep(each) for each in value]
            case Mapping():
                return {name: self.keep(each) for name, each in value.items()}
        return value

    def prune(self) -> int:
        """Remove what no run was given for long; how many files."""
        oldest, count = time.time() - KEPT_SECONDS, 0
        if self.folder.is_dir():
            for file in self.folder.iterdir():
                if file.stat().st_mtime < oldest:
                    file.unlink(missing_ok=True)
                    count += 1
        return count

    def _kept(self, name: str, content: bytes | str) -> Any:
        try:
            data = content if isinstance(content, bytes) else base64.b64decode(content, validate=True)
        except ValueError:
            return {"name": name, "content": "no base64"}
        if len(data) > SIZE_LIMIT:
            return {"name": name, "content": f"larger than {SIZE_LIMIT} bytes"}
        digest = hashlib.sha256(data).hexdigest()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.folder / digest
        if not _touch(file):
            fresh = self.folder / f".{digest}.{os.getpid()}.{time.monotonic_ns()}"
            fresh.write_bytes(data)
            fresh.chmod(0o400)
            fresh.replace(file)
        plain = "".join(letter for letter in name.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
        return {"name": plain[:NAME_LIMIT] or "file", "upload": digest, "bytes": len(data)}


def _touch(file: Path) -> bool:
    try:
        os.utime(file)
    except OSError:
        return False
    return True
