"""What ``import livegraft`` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

import livegraft

OF_A_SERVER = {"alembic", "asyncio", "fastapi", "httpx", "pydantic", "rich", "sqlalchemy", "uvicorn"}


@pytest.mark.parametrize("name", [*livegraft.__all__, "__version__"])
def test_the_package_has_what_it_names(name: str) -> None:
    assert getattr(livegraft, name)


def test_what_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'livegraft' has no attribute 'nothing'"):
        livegraft.nothing  # type: ignore[attr-defined] # noqa: B018


def test_the_command_line_starts_without_the_libraries_of_a_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, livegraft.cli; print(*{name.partition('.')[0] for name in sys.modules})"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.split()) & OF_A_SERVER == set()
