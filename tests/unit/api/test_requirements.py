"""What the host requires of live code, told to others: ``livegraft check --against`` counts it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from livegraft.check import check_against
from livegraft.difference import Difference
from tests.support import Repository
from tests.support.api import Api, an_api

FILES = {
    "pricing.py": "def quote(order, /, *, currency='EUR'): return order",
    "daily.py": "import pricing\ndef run(): return 1",
    "shop/__init__.py": "",
    "shop/carts.py": "class Cart:\n    def total(self): return 1",
}


def quoted(order: object, /, *, currency: object = inspect) -> None:
    """What the host calls; its default has no text that could be read back."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("api"), FILES) as api:
        api.host.supervisor.require("pricing:quote", quoted)
        api.host.supervisor.require("pricing:quote", inspect.signature(quoted))
        api.host.supervisor.require("shop/carts:Cart.total")
        yield api


def compared(api: Api, folder: Path, files: Mapping[str, str]) -> Difference:
    tree = Repository.create(folder / "tree")
    tree.write(files)
    scripts, required = api.get("/scripts")["scripts"], api.get("/requirements")["requirements"]
    return check_against(tree.path, {}, scripts, required)[2]


def test_what_is_required_is_told_in_words_that_can_be_read(api: Api) -> None:
    told = api.get("/requirements")["requirements"]

    assert [(each["target"], each["signature"], each["is_async"]) for each in told] == [
        ("pricing:quote", "(order, /, *, currency=...)", False),
        ("pricing:quote", "(order, /, *, currency=...)", None),
        ("shop/carts:Cart.total", None, None),
    ]


def test_a_commit_that_keeps_to_it_breaks_nothing(api: Api, tmp_path: Path) -> None:
    files = {**FILES, "pricing.py": "def quote(it, /, tax=1, *, currency='USD'): return it"}

    assert compared(api, tmp_path, files).break_count == 0


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        (
            "pricing.py",
            "def quote2(order): ...",
            ("changed pricing", "pricing.py:1: expected pricing:quote to be (order"),
        ),
        ("pricing.py", None, ("removed pricing", "got: no such file")),
        ("shop/carts.py", "class Cart: ...", ("changed shop/carts", "expected shop/carts:Cart.total to be there")),
        ("shop/carts.py", "class Cart(", ("changed shop/carts", "SyntaxError")),
    ],
)
def test_a_commit_that_breaks_it_is_told_as_such(
    api: Api, tmp_path: Path, path: str, text: str | None, expected: tuple[str, str]
) -> None:
    files = {name: kept for name, kept in {**FILES, path: text}.items() if kept is not None}

    changes = {f"{each.change} {each.script}": each for each in compared(api, tmp_path, files).changes}

    [told] = changes[expected[0]].breaks
    assert expected[1] in told
    assert "worktree" not in told
