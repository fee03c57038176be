"""The Pythons of this machine, found as ``tools/matrix.sh`` finds them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")


def python_of(version: str) -> Path | None:
    """A bare interpreter of a version such as ``3.12``, or None."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return Path(sys._base_executable)  # type: ignore[attr-defined]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(root.glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    if found:
        return found[-1]
    return Path(on_path) if on_path else None


def environment_of(version: str) -> Path | None:
    """An interpreter of a version with the packages that livegraft needs, or None.

    This one; what ``BENCH_PYTHON_3_12`` and the like name; or the environment that ``tools/matrix.sh`` made.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return Path(sys.executable)
    named = os.environ.get(f"BENCH_PYTHON_{version.replace('.', '_')}")
    file = Path(named) if named else Path(__file__).parents[1] / f".venv-{version}" / "bin" / "python"
    return file if file.exists() else None
