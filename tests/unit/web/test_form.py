"""What the run form shows of a parameter."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter

from livegraft.web.form import Form


def field(annotation: Any, **more: Any) -> Any:
    schema = {"properties": {"value": TypeAdapter(annotation).json_schema() | more}}
    return Form.of(schema).fields[0]


def test_bounds_are_written_as_people_write_them() -> None:
    whole = field(Annotated[int, Field(ge=1, lt=501)])
    broken = field(Annotated[float, Field(ge=0, le=0.5)])

    assert (str(whole.minimum), str(whole.maximum)) == ("1", "500")
    assert (str(broken.minimum), str(broken.maximum)) == ("0", "0.5")


@pytest.mark.parametrize(
    ("default", "shown"),
    [("PT2H", "2h"), ("PT2H30M", "2h30m"), ("P1DT0.5S", "1d0.5s"), ("-PT2H", "-PT2H"), ("P1Y", "P1Y"), ("P", "P")],
)
def test_a_duration_is_shown_in_the_short_form_that_is_taken_too(default: str, shown: str) -> None:
    assert field(timedelta, default=default).shown == shown
