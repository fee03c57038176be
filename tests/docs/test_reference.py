"""The reference has a place for everything that the code has: found by looking at the code."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.main import get_command

from livegraft import Supervisor, run, version
from livegraft.api.app import router
from livegraft.api.errors import STATUS_OF_CODE
from livegraft.cli.main import app
from livegraft.header import Header
from livegraft.store import SlotState
from tests.support import guests

DOCS = Path(__file__).parents[2] / "docs"
KEY_OF_FIELD = {"schedules": "cron", "memory_bytes": "memory"}


def page(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def test_every_key_of_the_header_has_a_row() -> None:
    names = [KEY_OF_FIELD.get(field.name, field.name.replace("_", "-")) for field in fields(Header)]

    assert [name for name in names if name != "given" and f"| `{name}` |" not in page("header")] == []


@pytest.mark.parametrize("transitions", [run.TRANSITIONS, version.TRANSITIONS], ids=["run", "version"])
def test_the_tables_of_states_are_those_of_the_code(transitions: dict[str, frozenset[str]]) -> None:
    for state, after in transitions.items():
        row = f"| {state} | {', '.join(sorted(after)) or '(an end)'} |"
        assert row in page("states")


def test_every_state_of_a_slot_is_told() -> None:
    assert [state for state in SlotState if f"*{state}*" not in page("states")] == []


def test_every_command_has_a_row() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]

    assert [name for name in commands if f"| `{name}` |" not in page("cli")] == []


def test_every_route_has_a_row() -> None:
    told = page("api")
    routes = [f"{method} {route.path.replace(':path', '')}" for route in router.routes for method in route.methods]  # type: ignore[attr-defined]

    assert [route for route in routes if f"| `{route}` |" not in told] == []


def test_every_error_code_has_a_row() -> None:
    assert [code for code in STATUS_OF_CODE if f"| `{code}` |" not in page("errors")] == []


def test_every_argument_of_the_supervisor_has_a_row() -> None:
    arguments = list(inspect.signature(Supervisor).parameters)

    assert [name for name in arguments if f"| `{name}` |" not in page("settings")] == []


def test_every_loading_case_that_is_tested_has_a_row_and_the_reverse() -> None:
    tests = DOCS.parent / "tests" / "conformance" / "loading"
    tested = {
        int(case) for file in tests.glob("test_*.py") for case in re.findall(r"def test_case_(\d+)_", file.read_text())
    }
    told = {int(case) for case in re.findall(r"^\| (\d+) \|", page("loading-cases"), re.MULTILINE)}

    assert tested == told


def test_the_bad_scripts_are_those_that_are_tried() -> None:
    assert page("bad-scripts") == guests.page()


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]
    links = [
        (file, link) for file in pages for link in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8"))
    ]

    assert [f"{file.name}: {link}" for file, link in links if not (file.parent / link).exists()] == []
