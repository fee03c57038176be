"""The files that a run left, on its page: pictures are seen at once, the begin of a text when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from livegraft.supervisor import Supervisor

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".gif", ".webp")
"""Those in which no script can stand."""

_TEXTS: Final = (
    ".txt", ".log", ".csv", ".tsv", ".json", ".jsonl", ".md", ".rst", ".yaml", ".yml", ".toml", ".ini", ".xml", ".html",
    ".svg", ".sql", ".py", ".diff", ".patch",
)  # fmt: skip

LARGEST_PICTURE: Final = 5_000_000
SHOWN_BYTES: Final = 64_000
"""A longer text is shown by its begin."""


@dataclass(frozen=True, slots=True)
class ShownFile:
    """``text`` is the begin of the one that was asked for, None of all others."""

    name: str
    byte_count: int
    is_picture: bool
    is_text: bool
    text: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it is shown."""
        return self.byte_count <= SHOWN_BYTES


def shown_files(supervisor: Supervisor, run_id: str, asked: str) -> Sequence[ShownFile]:
    """``asked`` is the name of the text to show. Raises NotFoundError when it went away meanwhile."""
    shown = []
    for each in supervisor.artifacts.find(run_id):
        name, count = each.name.lower(), each.byte_count
        is_picture, is_text = name.endswith(_PICTURES) and count <= LARGEST_PICTURE, name.endswith(_TEXTS)
        text = _begin(supervisor, run_id, each.name) if is_text and each.name == asked else None
        shown.append(ShownFile(each.name, count, is_picture, is_text, text))
    return shown


def _begin(supervisor: Supervisor, run_id: str, name: str) -> str:
    with supervisor.artifacts.open(run_id, name) as file:
        return file.read(SHOWN_BYTES).decode("utf-8", "replace")
