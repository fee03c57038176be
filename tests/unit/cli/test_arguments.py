"""Options of the command line as arguments of a script."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, TypeAdapter

from livegraft import Upload
from livegraft.cli.arguments import read_arguments, usage
from livegraft.errors import ArgumentsError
from livegraft.parameters import Parameters, Resources


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(BaseModel):
    width: int
    height: int = 1


def run(
    text: str,
    count: int = 1,
    share: float | None = None,
    price: Decimal = Decimal(0),
    loud: bool = False,
    day: date | None = None,
    within: timedelta = timedelta(hours=2),
    kind: Literal["a", "b"] = "a",
    level: Literal[1, 2] = 1,
    colour: Colour = Colour.RED,
    names: list[str] | None = None,
    numbers: list[int] | None = None,
    size: Size | None = None,
    anything: Any = None,
) -> None: ...


PARAMETERS = Parameters(run, script="job", resources=Resources({}))


def read(*options: str) -> dict[str, Any]:
    return read_arguments("job", options, PARAMETERS.schema)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ([], {}),
        (["--text", "hello"], {"text": "hello"}),
        (["--text=a=b"], {"text": "a=b"}),
        (["--text="], {"text": ""}),
        (["--text", "12"], {"text": "12"}),
        (["--text", "--count"], {"text": "--count"}),
        (["--count", "-3"], {"count": -3}),
        (["--share", "0.5"], {"share": 0.5}),
        (["--share", "null"], {"share": None}),
        (["--loud"], {"loud": True}),
        (["--loud", "--count", "2"], {"loud": True, "count": 2}),
        (["--no-loud"], {"loud": False}),
        (["--loud", "false"], {"loud": False}),
        (["--loud=true"], {"loud": True}),
        (["--names", "a", "--names", "b"], {"names": ["a", "b"]}),
        (["--names", '["a", "b"]'], {"names": ["a", "b"]}),
        (["--numbers", "1", "--numbers", "2"], {"numbers": [1, 2]}),
        (["--numbers", "null"], {"numbers": None}),
        (["--size", '{"width": 2}'], {"size": {"width": 2}}),
    ],
)
def test_options_are_read_by_the_schema(options: list[str], arguments: dict[str, Any]) -> None:
    assert read(*options) == arguments


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (["--price", "1.10"], "price", Decimal("1.10")),
        (["--day", "2026-01-31"], "day", date(2026, 1, 31)),
        (["--within", "PT3H"], "within", timedelta(hours=3)),
        (["--kind", "b"], "kind", "b"),
        (["--level", "2"], "level", 2),
        (["--colour", "blue"], "colour", Colour.BLUE),
        (["--names", "12"], "names", ["12"]),
        (["--size", '{"width": 2}'], "size", Size(width=2)),
        (["--anything", '{"a": [1]}'], "anything", {"a": [1]}),
        (["--anything", "word"], "anything", "word"),
    ],
)
def test_what_is_read_is_what_the_parameter_takes(options: list[str], name: str, value: object) -> None:
    assert PARAMETERS.bind(read("--text", "x", *options))[name] == value


@pytest.mark.parametrize(
    ("options", "name", "problem"),
    [
        (["--cuont", "1"], "cuont", "did you mean 'count'?"),
        (["--zzz", "1"], "zzz", "expected the name of a parameter"),
        (["hello"], "hello", "expected an option"),
        (["-count", "1"], "-count", "expected an option"),
        (["--count"], "count", "expected a value"),
    ],
)
def test_an_option_that_is_none_is_named(options: list[str], name: str, problem: str) -> None:
    with pytest.raises(ArgumentsError) as refused:
        read(*options)
    assert problem in refused.value.problems[name]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_stays_a_word(word: str) -> None:
    assert read("--share", word) == {"share": word}


def test_a_parameter_that_begins_with_no_is_not_taken_for_a_refusal() -> None:
    schema = {"properties": {"no_mail": {"type": "boolean"}, "mail": {"type": "boolean"}}}

    assert read_arguments("job", ["--no-mail"], schema) == {"no_mail": True}


def test_usage_names_each_option_its_type_and_its_default() -> None:
    lines = dict(usage(PARAMETERS.schema))

    assert lines["--text string"] == "(required)"
    assert lines["--count integer"] == "(default 1)"
    assert lines["--loud boolean"] == "(default false)"
    assert lines["--kind a|b"] == '(default "a")'
    assert lines["--colour red|blue"] == '(default "red")'
    assert lines["--level 1|2"] == "(default 1)"


def schema_of(annotation: Any, **more: Any) -> dict[str, Any]:
    return {"properties": {"value": TypeAdapter(annotation).json_schema() | more}}


class TestFiles:
    def test_are_read_here(self, tmp_path: Path) -> None:
        (tmp_path / "orders.csv").write_bytes(b"a,b")

        found = read_arguments("s", ["--value", str(tmp_path / "orders.csv")], schema_of(Upload))

        assert found == {"value": {"name": "orders.csv", "content": "YSxi"}}

    def test_that_cannot_be_read_are_told(self) -> None:
        with pytest.raises(ArgumentsError, match="expected a file that can be read, got: '/none': No such file"):
            read_arguments("s", ["--value", "/none"], schema_of(Upload))


def test_a_secret_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegraft.cli.arguments.getpass", lambda prompt: "hunter2")

    assert read_arguments("s", ["--value", "-"], schema_of(SecretStr)) == {"value": "hunter2"}
    assert read_arguments("s", ["--value", "-"], schema_of(str)) == {"value": "-"}


@pytest.mark.parametrize(
    ("annotation", "option", "about"),
    [
        (Annotated[int, Field(ge=1, lt=10)], "--value integer", "(at least 1; less than 10)"),
        (date, "--value string", "(like 2026-01-31)"),
        (timedelta | None, "--value null|string", "(like 2h30m)"),
        (list[Literal["S", "M"]], "--value S|M", "(may be repeated)"),
        (SecretStr, "--value SECRET", "(- asks for it)"),
        (Upload, "--value FILE", ""),
        (str, "--value string", ""),
    ],
)
def test_help_tells_what_a_value_looks_like(annotation: Any, option: str, about: str) -> None:
    assert usage(schema_of(annotation)) == [(option, about)]


def test_help_tells_durations_as_they_are_written() -> None:
    assert usage(schema_of(timedelta, default="PT2H30M")) == [("--value string", "(like 2h30m; default 2h30m)")]


def test_help_tells_what_can_be_chosen_now() -> None:
    offer = {"values": [{"value": "ber", "label": "Berlin"}, {"value": 3, "label": "3"}], "problem": ""}

    assert usage(schema_of(str), {"value": offer}) == [("--value string", "(now one of ber, 3)")]
    assert usage(schema_of(str), {"value": {"values": [], "problem": "no stock"}}) == [("--value string", "(no stock)")]
