from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livegraft.mirror import names


@pytest.mark.parametrize(
    "name", ["daily.py", "a b.txt", "größe.py", "re\u0301sume\u0301", "日報.py", "a@b,c=~-+", ".env"]
)
def test_names_that_people_give_to_files_are_taken(name: str) -> None:
    assert names.fault(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".git", ".GIT", "git~1", "a/b", "a\nb", "a\tb", "a\0b", "\u202ea", "a\u200bb", "a\u2066b", "a;b",
     "a|b", "$(a)", "`a`", "a\\b", "a:b", "<a>", "a'b", 'a"b', "a*b", "\x7f", "x" * 256, "ä" * 128],
)  # fmt: skip
def test_names_that_could_deceive_or_lead_out_of_the_repository_are_refused(name: str) -> None:
    assert names.fault(name)


@given(st.text(max_size=30))
def test_a_refusal_is_one_printable_line(name: str) -> None:
    reason = names.fault(name)

    assert not reason or reason.isprintable()


def test_names_are_compared_as_a_machine_that_folds_them_would() -> None:
    assert names.fold("Größe.py") == names.fold("GRO\u0308SSE.PY")
