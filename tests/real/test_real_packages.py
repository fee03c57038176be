"""Real packages go live, pass their own tests, and leave: see docs/reference/real-packages.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real.packages import PACKAGES, RealPackage
from tests.real.registry import OutOfReachError, fetch, fetch_requirements

_CHOSEN = [package for package in PACKAGES if package.quick or "LIVEGRAFT_REAL" in os.environ]
_JOURNEY_SECONDS = 3000
ROOT = Path(__file__).parents[2]


def journey(package: RealPackage, folder: Path) -> list[dict[str, Any]]:
    try:
        for version in package.versions:
            fetch(package.name, version, "wheel")
            if package.tests:
                fetch(package.name, version, "sdist")
        fetch_requirements(package.requires)
    except OutOfReachError as error:
        pytest.skip(f"THE PACKAGE REGISTRY IS OUT OF REACH, {package.name} was not tested: {error}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.real.journey", package.name, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_JOURNEY_SECONDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    stages: list[dict[str, Any]] = json.loads((folder / "journey.json").read_text(encoding="utf-8"))
    return stages


@pytest.mark.real
@pytest.mark.timeout(_JOURNEY_SECONDS + 60)
@pytest.mark.parametrize("package", _CHOSEN, ids=lambda package: package.name)
def test_a_real_package_goes_live_passes_its_tests_and_leaves(package: RealPackage, tmp_path: Path) -> None:
    for stage in journey(package, tmp_path):
        where = f"{package.name} {stage['version']}"
        assert stage["answered_beside"], where
        assert stage["worse"] == {}, where
        assert [pattern for pattern, count in stage["left_out"].items() if not count] == [] or stage["ends"], where
        nobody = [name for name, (_, *holders) in stage["stayed"].items() if not holders]
        assert nobody == [], f"{where}: these versions stay and nobody holds them"
