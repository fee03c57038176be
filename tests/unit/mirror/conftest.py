from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.mirror.git import GitMirror
from tests.support import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture
def mirror(repository: Repository, tmp_path: Path) -> Iterator[GitMirror]:
    mirror = GitMirror(str(repository.path), folder=tmp_path / "data" / "mirror")
    yield mirror
    mirror.close()
