"""What people read when a script fails."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livegraft.context import progress
from livegraft.run import RunFailure
from livegraft.runner.failure import MESSAGE_LIMIT, TEXT_LIMIT, describe

SCRIPT = """
import json

class Refused(Exception):
    pass

def run():
    return helper(3)

def helper(depth):
    if depth:
        return helper(depth - 1)
    raise Refused("no such order")

def through_library():
    json.loads("{")

def chained():
    try:
        run()
    except Refused as error:
        raise ValueError("cannot price") from error

def grouped():
    raise ExceptionGroup("three", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")]), TypeError("c")])

def deep():
    deep()

def noted():
    error = ValueError("a")
    error.add_note("look at the orders")
    raise error
"""


class Script:
    """A script that stands in a file, as a version does."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "9f2c1a.py"
        self.file.write_text(SCRIPT)
        self.module: dict[str, Any] = {"__name__": "livegraft.live.reports/daily@9f2c1a", "__file__": str(self.file)}
        exec(compile(SCRIPT, str(self.file), "exec"), self.module)

    def locate(self, file: str) -> tuple[str, str] | None:
        return ("reports/daily.py", "1a2b3c4d") if file == str(self.file) else None

    def failure(self, function: str) -> RunFailure:
        return self.failure_of(self.module[function])

    def failure_of(self, code: Callable[[], object]) -> RunFailure:
        try:
            code()
        except BaseException as error:  # noqa: BLE001 - as the runners do
            return describe(error, self.locate)
        raise AssertionError("did not fail")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def raising(error: BaseException) -> Callable[[], None]:
    def code() -> None:
        raise error

    return code


def test_shows_repository_paths_lines_revision_and_source(script: Script) -> None:
    failure = script.failure("run")

    assert (failure.type, failure.message) == ("Refused", "no such order")
    assert (failure.path, failure.line) == ("reports/daily.py", 13)
    assert '  File "reports/daily.py", line 8, in run at 1a2b3c4d\n    return helper(3)\n' in failure.traceback
    assert failure.traceback.endswith("Refused: no such order\n")
    assert str(script.file) not in failure.traceback


def test_points_into_the_repository_when_a_library_raised(script: Script) -> None:
    failure = script.failure("through_library")

    assert failure.type == "json.decoder.JSONDecodeError"
    assert (failure.path, failure.line) == ("reports/daily.py", 16)
    assert "json/decoder.py" in failure.traceback


def test_leaves_out_the_machinery_of_livegraft(script: Script) -> None:
    failure = script.failure_of(lambda: list(progress(iter(lambda: script.module["run"](), None))))

    assert "livegraft/context.py" not in failure.traceback
    assert "reports/daily.py" in failure.traceback


def test_shows_what_led_to_it(script: Script) -> None:
    failure = script.failure("chained")

    assert failure.message == "cannot price"
    first, _, second = failure.traceback.partition("The above exception was the direct cause")
    assert "Refused: no such order" in first
    assert "ValueError: cannot price" in second


def test_shows_the_members_of_groups(script: Script) -> None:
    failure = script.failure("grouped")

    for member in ("1 of 3", "ValueError: a", "1 of 1", "KeyError: 'b'", "3 of 3", "TypeError: c"):
        assert member in failure.traceback


def test_shows_notes(script: Script) -> None:
    assert script.failure("noted").traceback.endswith("ValueError: a\nlook at the orders\n")


def test_shortens_a_deep_stack(script: Script) -> None:
    failure = script.failure("deep")

    assert failure.type == "RecursionError"
    assert " frames left out …" in failure.traceback
    assert failure.traceback.count("in deep") == 39


def test_points_at_the_place_of_a_syntax_error(script: Script) -> None:
    script.file.write_text("x = 1\ny = = 2\n")

    failure = script.failure_of(lambda: compile(script.file.read_text(), str(script.file), "exec"))

    assert (failure.path, failure.line, failure.message) == ("reports/daily.py", 2, "invalid syntax")
    assert failure.traceback.endswith(
        '  File "reports/daily.py", line 2\n    y = = 2\n        ^\nSyntaxError: invalid syntax\n'
    )


class Rude(Exception):
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __str__(self) -> str:
        return self.answer()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: 1 / 0, "<no message: __str__ raised ZeroDivisionError>"),
        (lambda: sys.exit(3), "<no message: __str__ raised SystemExit>"),
        (lambda: 7, "<no message: __str__ raised TypeError>"),
        (lambda: "x" * 100_000_000, "x" * MESSAGE_LIMIT + "…"),
        (lambda: "lone \udc80", "lone ?"),
    ],
)
def test_survives_any_str(script: Script, answer: Callable[[], Any], message: str) -> None:
    failure = script.failure_of(raising(Rude(answer)))

    assert failure.message == message
    assert len(failure.traceback) < TEXT_LIMIT + 100


def test_survives_a_chain_of_ten_thousand(script: Script) -> None:
    error: BaseException = ValueError("first")
    for number in range(10_000):
        later = ValueError(number)
        later.__cause__ = error
        error = later

    failure = script.failure_of(raising(error))

    assert failure.message == "9999"
    assert "only the last 10 exceptions are shown" in failure.traceback


def test_survives_a_chain_that_is_a_ring(script: Script) -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one

    assert script.failure_of(raising(one)).traceback.count("Error: one") == 1


def test_survives_groups_in_groups(script: Script) -> None:
    error: Exception = ValueError("x" * MESSAGE_LIMIT)
    for _ in range(200):
        error = ExceptionGroup("g" * MESSAGE_LIMIT, [error] * 50)

    assert len(script.failure_of(raising(error)).traceback) < TEXT_LIMIT + 100


def test_keeps_neither_the_exception_nor_its_frames(script: Script) -> None:
    class Local:
        pass

    watched: list[weakref.ref[Any]] = []

    def code() -> None:
        local = Local()
        watched.append(weakref.ref(local))
        raise remembered(Rude(lambda: f"about {local}"))

    def remembered(error: Rude) -> Rude:
        watched.append(weakref.ref(error))
        return error

    gc.disable()
    try:
        failure = script.failure_of(code)
        assert failure.type.endswith("Rude")
        assert [ref() for ref in watched] == [None, None]
    finally:
        gc.enable()
