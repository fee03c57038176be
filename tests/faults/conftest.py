from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livegraft.mirror.git import GitMirror
from tests.support import Repository
from tests.support.guests import Party, late, party


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture
def mirror(repository: Repository, tmp_path: Path) -> Iterator[GitMirror]:
    mirror = GitMirror(str(repository.path), folder=tmp_path / "data" / "mirror")
    yield mirror
    mirror.close()


@pytest.fixture(scope="module")
def guests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    """The bad scripts, on a server, in the mode of the module that asks."""
    yield from party(request.module.MODE, tmp_path_factory.mktemp("guests"))


@pytest.fixture(scope="module")
def late_runs(request: pytest.FixtureRequest, guests: Party) -> dict[str, dict[str, Any]]:
    """Those that never end, at once: each takes seconds to be ended."""
    return guests.run_at_once(late(request.module.MODE))
