"""Every case starts with a host that has its own ``helpers`` module out of the way and an empty repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.host import Host, a_host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path) as host:
        yield host


@pytest.fixture
def probed_host(tmp_path: Path) -> Iterator[Host]:
    """Imports what is new in a child process first."""
    with a_host(tmp_path, probe=True) as host:
        yield host
