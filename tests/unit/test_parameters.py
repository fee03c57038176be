"""What people may give a script, read from the signature of its ``run``."""

from __future__ import annotations

import gc
import json
import sys
import types
import typing
import weakref
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import create_model

from livegraft.errors import ArgumentsError, LoadError
from livegraft.parameters import Parameters, ParametersError, Resources


class Pool:
    """A live object of the host."""


class Cache:
    """Another one."""


MODULE = "script_under_test"

PRELUDE = """
from __future__ import annotations
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional
from pydantic import BaseModel, BeforeValidator, Field

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

class Line(BaseModel):
    sku: str
    count: int = 1

class Order(BaseModel):
    id: int
    lines: list[Line] = []

@dataclass
class Window:
    start: date
    days: int = 7
"""


def run_of(signature: str, **names: object) -> Callable[..., Any]:
    """The ``run`` of a script with this signature; ``names`` are what it imported."""
    module = sys.modules[MODULE] = types.ModuleType(MODULE)
    vars(module).update(Pool=Pool, Cache=Cache, **names)
    exec(PRELUDE + f"\ndef run({signature}):\n    ...\n", vars(module))
    return typing.cast(Callable[..., Any], module.run)


@pytest.fixture(autouse=True)
def _forget_the_script() -> Iterator[None]:
    yield
    sys.modules.pop(MODULE, None)


def parameters(signature: str, provide: Mapping[str, object] | None = None) -> Parameters:
    return Parameters(run_of(signature), script="reports/daily", resources=Resources(provide))


def problems(signature: str, **arguments: object) -> dict[str, str]:
    with pytest.raises(ArgumentsError) as raised:
        parameters(signature).bind(arguments)
    return raised.value.problems


class TestSchema:
    def test_lists_parameters_with_types_defaults_and_what_is_required(self) -> None:
        schema = parameters("name: str, limit: int = 10, dry_run: bool = True").schema

        assert schema["type"] == "object"
        assert schema["required"] == ["name"]
        assert schema["properties"]["name"] == {"type": "string"}
        assert schema["properties"]["limit"] == {"type": "integer", "default": 10}
        assert schema["properties"]["dry_run"] == {"type": "boolean", "default": True}

    def test_is_json_for_every_kind_of_default(self) -> None:
        schema = parameters(
            "a: timedelta = timedelta(hours=2), b: Colour = Colour.RED, c: date = date(2024, 2, 29),"
            "d: Order = Order(id=1), e: Window = Window(date(2024, 1, 1)), f: Decimal = Decimal('1.5'),"
            "g: float = float('inf'), h: Any = object(), i: set[int] = {1}"
        ).schema

        shown = json.loads(json.dumps(schema, allow_nan=False))["properties"]
        assert shown["a"]["default"] == "PT2H"
        assert shown["b"]["default"] == "red"
        assert shown["d"]["default"] == {"id": 1, "lines": []}
        assert "default" not in shown["h"]
        assert schema["required"] == []

    def test_keeps_apart_two_models_of_one_name(self) -> None:
        function = run_of("mine: Order, theirs: Other", Other=create_model("Order", total=(int, ...)))

        schema = Parameters(function, script="s", resources=Resources()).schema

        assert schema["properties"]["mine"]["$ref"] != schema["properties"]["theirs"]["$ref"]
        assert {ref["$ref"].rpartition("/")[2] for ref in schema["properties"].values()} <= set(schema["$defs"])

    def test_carries_constraints_and_descriptions_of_fields(self) -> None:
        schema = parameters('limit: Annotated[int, Field(ge=1, description="how many")] = 3').schema

        assert schema["properties"]["limit"] == {
            "type": "integer",
            "minimum": 1,
            "description": "how many",
            "default": 3,
        }

    def test_takes_descriptions_from_lines_of_the_docstring(self) -> None:
        def run(limit: int = 1) -> None:
            """Do it.

            limit: how many at once
            """

        schema = Parameters(run, script="s", resources=Resources()).schema

        assert schema["properties"]["limit"]["description"] == "how many at once"

    def test_gives_an_unannotated_parameter_the_type_of_its_default(self) -> None:
        properties = parameters("anything, limit=10, day=date(2024, 1, 1), missing=None").schema["properties"]

        assert properties["limit"]["type"] == "integer"
        assert properties["day"]["format"] == "date"
        assert properties["anything"] == {}
        assert properties["missing"] == {"default": None}

    @pytest.mark.parametrize("name", ["schema", "copy", "json", "model_config", "_private", "self"])
    def test_allows_any_name(self, name: str) -> None:
        described = parameters(f"{name}: int = 1")

        assert name in described.schema["properties"]
        assert described.bind({name: 2}) == {name: 2}


class TestBind:
    def test_fills_in_defaults(self) -> None:
        assert parameters("a: int, b: str = 'x'").bind({"a": 1}) == {"a": 1, "b": "x"}

    def test_keeps_a_default_that_does_not_fit_its_annotation(self) -> None:
        assert parameters("a: int = None").bind({}) == {"a": None}

    @pytest.mark.parametrize(
        ("annotation", "given", "value"),
        [
            ("int", "3", 3),
            ("bool", "true", True),
            ("float", "1.5", 1.5),
            ("date", "2024-02-29", date(2024, 2, 29)),
            ("datetime", "2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC)),
            ("str | None", None, None),
            ("Optional[int]", "4", 4),
            ("Literal['a', 'b']", "b", "b"),
            ("list[int]", "[1, 2]", [1, 2]),
            ("dict[str, int]", '{"a": 1}', {"a": 1}),
            ("timedelta", "PT2H", timedelta(hours=2)),
            ("timedelta", "90s", timedelta(seconds=90)),
            ("timedelta", "2h30m", timedelta(hours=2, minutes=30)),
            ("timedelta | None", "1.5h", timedelta(minutes=90)),
            ("timedelta", 60, timedelta(minutes=1)),
        ],
    )
    def test_reads_json_values_and_strings_of_forms(self, annotation: str, given: object, value: object) -> None:
        assert parameters(f"a: {annotation}").bind({"a": given}) == {"a": value}

    def test_makes_models_dataclasses_and_enums(self) -> None:
        bound = parameters("order: Order, window: Window, colour: Colour").bind(
            {
                "order": {"id": "7", "lines": [{"sku": "x"}]},
                "window": '{"start": "2024-01-01"}',
                "colour": "blue",
            }
        )

        assert bound["order"].lines[0].count == 1
        assert bound["window"].days == 7
        assert bound["colour"].name == "BLUE"

    def test_takes_python_values_as_they_are(self) -> None:
        described = parameters("order: Order")
        order = described.bind({"order": {"id": 1}})["order"]

        assert described.bind({"order": order})["order"] is order

    def test_names_every_problem_at_once(self) -> None:
        found = problems("a: int, b: int, c: int = 1", a="x", c=[])

        assert list(found) == ["a", "b", "c"]
        assert "valid integer" in found["a"]
        assert found["a"].endswith("got: 'x'")
        assert found["b"] == "expected a value, got: none"

    def test_names_the_place_inside_a_nested_value(self) -> None:
        found = problems("order: Order", order={"id": 1, "lines": [{"sku": "a", "count": "many"}]})

        assert list(found) == ["order.lines.0.count"]

    def test_refuses_unknown_names_and_offers_the_nearest(self) -> None:
        found = problems("older_than: int = 1", oldr_than=2)

        assert found == {"oldr_than": "expected the name of a parameter; did you mean 'older_than'?"}

    def test_survives_a_validator_that_breaks(self) -> None:
        found = problems("a: Annotated[int, BeforeValidator(lambda value: {}[value])]", a=1)

        assert found == {"a": "KeyError: 1"}

    def test_shortens_a_huge_wrong_value(self) -> None:
        found = problems("a: int", a="x" * 1_000_000)

        assert len(found["a"]) < 300

    def test_says_which_script(self) -> None:
        with pytest.raises(ArgumentsError, match="arguments of reports/daily do not fit: a: expected a value"):
            parameters("a: int").bind({})


class TestResources:
    def test_are_found_by_name_before_type_and_stay_out_of_the_schema(self) -> None:
        one, other = Pool(), Pool()
        described = parameters("db, replica: Pool, n: int = 1", provide={"db": one, "replica": other})

        assert described.bind({}) == {"db": one, "replica": other, "n": 1}
        assert list(described.schema["properties"]) == ["n"]

    def test_are_found_by_type(self) -> None:
        pool = Pool()

        assert parameters("db: Pool", provide={"main_pool": pool, "cache": Cache()}).bind({}) == {"db": pool}

    def test_fill_an_optional_parameter(self) -> None:
        pool = Pool()

        assert parameters("db: Pool | None = None", provide={"p": pool}).bind({}) == {"db": pool}

    def test_never_fill_what_people_type(self) -> None:
        described = parameters("name: str, day: date", provide={"region": "eu", "epoch": date(1970, 1, 1)})

        assert list(described.schema["properties"]) == ["name", "day"]

    def test_of_one_type_are_told_apart_by_name(self) -> None:
        with pytest.raises(ParametersError, match=r"'db' fits more than one resource: a and b; name it after one"):
            parameters("db: Pool", provide={"a": Pool(), "b": Pool()})

    def test_may_not_be_given_by_people(self) -> None:
        with pytest.raises(ArgumentsError, match="db: is provided by the host"):
            parameters("db: Pool", provide={"db": Pool()}).bind({"db": "mine"})

    def test_that_are_missing_fail_the_load_with_what_is_there(self) -> None:
        with pytest.raises(ParametersError) as raised:
            parameters("db: Pool", provide={"cache": Cache()})

        assert isinstance(raised.value, LoadError)
        assert raised.value.path == "reports/daily.py"
        assert raised.value.line > 0
        assert "parameter 'db'" in str(raised.value)
        assert "got: Pool; provided: cache (Cache)" in str(raised.value)


class TestWhatCannotBeDescribed:
    @pytest.mark.parametrize(
        ("signature", "reason"),
        [
            ("*args", "expected to be passed by keyword, got: variadic positional"),
            ("**options", "expected to be passed by keyword, got: variadic keyword"),
            ("a, /", "expected to be passed by keyword, got: positional-only"),
            ("a: Nowhere", "NameError: name 'Nowhere' is not defined"),
            ("a: Pool", "expected a type that people can fill in"),
            ("a: int = Field(1, ge=1)", r"write Annotated\[TYPE, Field"),
        ],
    )
    def test_fails_the_load_and_names_the_parameter(self, signature: str, reason: str) -> None:
        with pytest.raises(ParametersError, match=rf"parameter '\w+' .*{reason}"):
            parameters(signature)


class TestUnloading:
    @pytest.mark.parametrize(
        "signature",
        [
            "order: Order, colour: Colour, window: Window, lines: list[Line] = [], o: Order | None = None",
            "order: Annotated[Order, BeforeValidator(lambda value: value)]",
            "order: Literal[Colour.RED]",
        ],
    )
    def test_nothing_keeps_the_code_of_a_version_alive(self, signature: str) -> None:
        function = run_of(signature)
        described = Parameters(function, script="s", resources=Resources())
        assert described.schema
        with pytest.raises(ArgumentsError):
            described.bind({"order": "x", "colour": 1})
        names = ("Order", "Colour", "Window", "Line")
        watched = [weakref.ref(function), *(weakref.ref(function.__globals__[name]) for name in names)]

        del function, described, sys.modules[MODULE]
        for clear in typing._cleanups:  # type: ignore[attr-defined] # what the drainer does
            clear()
        gc.collect()

        assert [ref() for ref in watched] == [None] * len(watched)

    def test_an_error_keeps_nothing_of_the_version(self) -> None:
        function = run_of("a: Opaque", Opaque=type("Opaque", (), {}))
        watched = weakref.ref(function)

        with pytest.raises(ParametersError) as raised:
            Parameters(function, script="s", resources=Resources())
        error = raised.value.with_traceback(None)
        del function, raised, sys.modules[MODULE]
        gc.collect()

        assert error.__context__ is None
        assert watched() is None
