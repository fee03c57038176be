"""What a change of a script's parameters breaks: told from the schemas of both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from livegraft.difference import _broken_parameters
from livegraft.parameters import Parameters, Resources


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    number: int


class LargerOrder(BaseModel):
    number: int
    name: str


def breaks(before: Callable[..., Any], after: Callable[..., Any]) -> list[str]:
    read = [Parameters(each, script="s", resources=Resources()).schema for each in (before, after)]
    return list(_broken_parameters(*read))


def takes(annotation: Any) -> Callable[..., Any]:
    def run(value: Any) -> None: ...

    run.__annotations__["value"] = annotation
    return run


def test_a_new_parameter_breaks_calls_only_if_it_is_required() -> None:
    def before(a: int) -> None: ...
    def optional(a: int, b: int = 1) -> None: ...
    def required(a: int, b: int) -> None: ...

    assert breaks(before, optional) == []
    assert breaks(before, required) == ["parameter b: is new and required"]


def test_one_that_is_gone_or_lost_its_default_breaks_calls() -> None:
    def before(a: int, b: int = 1) -> None: ...
    def less(a: int) -> None: ...
    def stricter(a: int, b: int) -> None: ...

    assert breaks(before, less) == ["parameter b: is gone"]
    assert breaks(before, stricter) == ["parameter b: had a default, is required now"]
    assert breaks(stricter, before) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (int, int | None),
        (int, float),
        (int, Any),
        (Literal["a"], Literal["a", "b"]),
        (Annotated[int, Field(ge=1)], int),
        (Annotated[int, Field(description="how many")], Annotated[int, Field(description="how many of them")]),
        (Order, Order | int),
        (list[int], list[int]),
    ],
)
def test_a_type_that_takes_all_that_was_taken_breaks_nothing(before: Any, after: Any) -> None:
    assert breaks(takes(before), takes(after)) == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (int | None, int, "was integer or null, is integer"),
        (float, int, "was number, is integer"),
        (str, date, "was string, is string (date)"),
        (Colour, Literal["red"], 'was one of "blue", "red", is one of "red"'),
        (int, Annotated[int, Field(ge=1)], "was integer, is integer (minimum 1)"),
        (Order, LargerOrder, "was object, is object"),
        (list[int], list[str], "was array, is array"),
    ],
)
def test_a_type_that_takes_less_is_told_with_both(before: Any, after: Any, told: str) -> None:
    assert breaks(takes(before), takes(after)) == [f"parameter value: {told}"]
