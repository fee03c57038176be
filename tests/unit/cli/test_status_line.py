"""Progress on the last line of a terminal."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from livegraft.cli.status_line import StatusLine

BARS: list[dict[str, Any]] = [{"fraction": 0.25, "text": "days"}, {"fraction": None, "text": "or\x1bders"}]
CLEAR = "\r\x1b[K"


def test_it_stands_below_the_output_with_the_inner_bars_to_the_right(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = StatusLine()
    line.show(BARS)
    line.write("out\n")
    line.close()

    said = capsys.readouterr()
    shown = f"{CLEAR}25% days > or ders"
    assert (said.out, said.err) == ("out\n", f"{shown}{CLEAR}{shown}{CLEAR}")


def test_it_leaves_a_line_alone_that_is_not_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    line = StatusLine()
    line.write("working ...")
    line.show(BARS)
    assert capsys.readouterr().err == ""

    line.write(" done\n")
    assert "25% days" in capsys.readouterr().err


def test_where_there_is_no_terminal_there_is_only_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    line = StatusLine()
    line.show(BARS)
    line.write("out\n")
    line.close()

    assert capsys.readouterr() == ("out\n", "")
