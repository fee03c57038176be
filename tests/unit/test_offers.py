"""Choices that a function of the script gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livegraft.offers import CHOICES_LIMIT, Choice, Offer, Offers
from livegraft.store import Outcome
from tests.support.host import a_host

SHOP = """
    from typing import Annotated
    from livegraft import choices

    def warehouses(stock: dict): return stock
    def sizes(): return (size for size in (36, 38))
    def fails(): raise SystemExit("no stock")

    def run(
        warehouse: Annotated[str, choices("warehouses")],
        several: Annotated[list[int], choices(sizes)] = [],
        inner: list[Annotated[str, choices("warehouses")]] = [],
        maybe: Annotated[str, choices(fails)] | None = None,
    ):
        return warehouse
    """


class Source:
    """Parameters with one function to ask."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.sources = {"value": function}


@pytest.fixture
def offers() -> Offers:
    return Offers()


def test_a_script_is_asked_with_what_the_host_provides(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"shop.py": SHOP}, provide={"stock": {"ber": "Berlin", "ham": "Hamburg"}}) as host:
        offered = host.supervisor.offers("shop")

        assert offered["warehouse"] == Offer((Choice("ber", "Berlin"), Choice("ham", "Hamburg")))
        assert offered["several"] == Offer((Choice(36, "36"), Choice(38, "38")))
        assert offered["inner"] == offered["warehouse"]
        assert offered["maybe"] == Offer(problem="its choices cannot be read: SystemExit: no stock")
        assert host.supervisor.run("shop", warehouse="elsewhere").result == "elsewhere"
        assert host.supervisor.script("shop").parameters["properties"]["warehouse"]["x-choices"]
        assert host.supervisor.offers("nothing") == {}


def test_a_name_that_is_no_function_of_the_file_does_not_load(tmp_path: Path) -> None:
    body = (
        "from typing import Annotated as A\nfrom livegraft import choices\ndef run(a: A[str, choices('nope')]): ...\n"
    )
    with a_host(tmp_path) as host:
        outcome = host.take({"shop.py": body})["shop"]

        assert outcome.outcome is Outcome.FAILED
        assert outcome.failure is not None
        assert "expected choices() to name a function of this file, got: 'nope'" in outcome.failure.message


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda: 3, "expected values or a mapping, got: int"),
        (lambda: "text", "expected values or a mapping, got: str"),
        (lambda: [object()], "expected texts or numbers, got: object"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_list_of_choices_is_a_problem(offers: Offers, function: Callable[[], Any], problem: str) -> None:
    assert problem in offers.of("key", Source(function))["value"].problem


def test_an_error_that_cannot_be_told_is_a_problem_all_the_same(offers: Offers) -> None:
    class RudeError(Exception):
        def __str__(self) -> str:
            raise SystemExit

    def function() -> None:
        raise RudeError

    assert offers.of("key", Source(function))["value"].problem == "its choices cannot be read: RudeError"


def test_endless_and_huge_choices_are_cut(offers: Offers) -> None:
    found = offers.of("key", Source(lambda: iter(lambda: "x" * 10_000, None)))["value"]

    assert len(found.choices) == CHOICES_LIMIT
    assert len(found.choices[0].label) == 200


def test_one_that_hangs_is_told_and_not_asked_again_until_it_answers(
    offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegraft.offers.SECONDS", 0.05)
    gate, calls = threading.Event(), []

    def function() -> list[str]:
        calls.append(1)
        gate.wait(60)
        return ["a"]

    asked = Source(function)
    assert "not there after" in offers.of("key", asked)["value"].problem
    assert "not there after" in offers.of("key", asked)["value"].problem
    assert len(calls) == 1

    gate.set()
    monkeypatch.setattr("livegraft.offers.SECONDS", 20.0)
    assert offers.of("key", asked)["value"].choices == (Choice("a", "a"),)


def test_the_answer_is_given_again_for_a_while_and_asked_anew_later(
    offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def function() -> list[str]:
        calls.append(str(len(calls)))
        return calls

    asked = Source(function)
    assert offers.of("key", asked) == offers.of("key", asked)
    assert len(offers.of("other key", asked)["value"].choices) == 2

    monkeypatch.setattr("livegraft.offers.KEPT_SECONDS", 0.0)
    assert len(offers.of("key", asked)["value"].choices) == 3
