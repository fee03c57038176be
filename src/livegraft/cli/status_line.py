"""The progress of a run on the last line of a terminal, below its output."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_CLEAR = "\r\x1b[K"


class StatusLine:
    """Prints output, and below it how far the run is, where standard error is a terminal."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._text = ""
        self._at_line_start = True

    def write(self, output: str) -> None:
        if not output:
            return
        self._put(_CLEAR if self._text else "")
        sys.stdout.write(output)
        sys.stdout.flush()
        self._at_line_start = output.endswith("\n")
        self._draw()

    def show(self, bars: Iterable[Mapping[str, Any]]) -> None:
        """``bars`` as the API tells them, the outermost first."""
        before, self._text = self._text, " > ".join(filter(None, map(_words, bars)))
        if self._text != before:
            self._put(_CLEAR if before else "")
            self._draw()

    def close(self) -> None:
        self.show(())

    def _draw(self) -> None:
        if self._text and self._at_line_start:  # the end of a line that is not over would be overwritten
            self._put(_CLEAR + self._text[: shutil.get_terminal_size().columns - 1])

    def _put(self, text: str) -> None:
        if self._shows and text and self._at_line_start:
            sys.stderr.write(text)
            sys.stderr.flush()


def _words(bar: Mapping[str, Any]) -> str:
    percent = "" if bar["fraction"] is None else f"{bar['fraction']:.0%} "
    return (percent + "".join(letter if letter.isprintable() else " " for letter in bar["text"])).strip()
