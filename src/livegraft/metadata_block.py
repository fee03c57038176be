"""Inline script metadata (PEP 723): finding ``# /// TYPE`` ... ``# ///`` blocks in a source file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_START: Final = re.compile(r"# /// ([a-zA-Z0-9-]+)")
_END: Final = "# ///"


@dataclass(frozen=True, slots=True)
class MetadataBlock:
    """One block: its type, the lines of its markers (counted from 1) and the text between, uncommented."""

    type: str
    first_line: int
    last_line: int
    text: str


def find_blocks(lines: Sequence[str]) -> Iterator[MetadataBlock]:
    """The blocks that the regular expression of PEP 723 finds, in time linear in the file's length."""
    first = 0
    while first < len(lines):
        if not _is_content(lines[first]):
            first += 1
            continue
        after = first
        while after < len(lines) and _is_content(lines[after]):
            after += 1
        yield from _block_in_comment(lines, first, after)
        first = after


def starts_block(line: str, type: str) -> bool:
    """Whether a line is, or is meant to be, the first marker of a block of this type."""
    return line.rstrip() == f"# /// {type}"


def _block_in_comment(lines: Sequence[str], first: int, after: int) -> Iterator[MetadataBlock]:
    """The block in a comment of several lines. The last end marker counts, so there is at most one."""
    ends = [number for number in range(first, after) if lines[number] == _END]
    for number in range(first, after):
        start = _START.fullmatch(lines[number])
        # At least one line stands between the markers.
        if start and ends and ends[-1] >= number + 2:
            content = (line[2:] for line in lines[number + 1 : ends[-1]])
            yield MetadataBlock(start[1], number + 1, ends[-1] + 1, "\n".join(content))
            return


def _is_content(line: str) -> bool:
    return line == "#" or line.startswith("# ")
