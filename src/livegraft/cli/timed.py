"""The output of a run with the time and the level of each line, from the marks that come with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

_LEVEL_WIDTH: Final = 8


class TimedLines:
    """Begins each line with when and at which level it was written, as in ``12:30:00.250 warning  low disk``."""

    def __init__(self) -> None:
        self._at_line_start = True

    def write(self, text: str, marks: Sequence[tuple[int, int, str]]) -> str:
        """A piece of output as it is to be shown. Marks are (place in UTF-16 units, milliseconds since 1970, level)."""
        return "".join(self._lines(text, marks))

    def _lines(self, text: str, marks: Sequence[tuple[int, int, str]]) -> Iterator[str]:
        units = text.encode("utf-16-le", "surrogatepass")
        ends = [place * 2 for place, _, _ in marks[1:]]
        for (place, at_ms, level), end in zip(marks, [*ends, len(units)], strict=True):
            for line in units[place * 2 : end].decode("utf-16-le", "replace").splitlines(keepends=True):
                if self._at_line_start:
                    at = datetime.fromtimestamp(at_ms / 1000, UTC)
                    yield f"{at:%H:%M:%S}.{at.microsecond // 1000:03} {level:<{_LEVEL_WIDTH}} "
                yield line
                self._at_line_start = line.endswith("\n")
