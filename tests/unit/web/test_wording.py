"""What pages say of what goes on."""

from __future__ import annotations

import pytest

from livegraft.web.wording import left


@pytest.mark.parametrize(
    ("seconds", "fraction", "said"),
    [
        (10, 0.2, ", about 40 s left"),
        (600, 0.5, ", about 10 min left"),
        (2, 0.5, ""),
        (60, 0.01, ""),
        (60, 1, ""),
    ],
)
def test_what_is_left_is_told_once_that_says_something(seconds: float, fraction: float, said: str) -> None:
    assert left(seconds, fraction) == said
