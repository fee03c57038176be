"""Released packages from the package registry, fetched once by pip and kept in ``build/real``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

KEPT = Path(__file__).parents[2] / "build" / "real"
_DOWNLOAD_SECONDS = 900.0
_OPTIONS = ("--disable-pip-version-check", "--quiet", "--retries", "1", "--timeout", "10")
_KINDS = {"wheel": "--only-binary", "sdist": "--no-binary"}


class OutOfReachError(Exception):
    """The registry did not give a package; the message is pip's own."""


def fetch(name: str, version: str, kind: str) -> Path:
    """The ``wheel`` or the ``sdist`` of a release, as a file. Raises OutOfReachError."""
    folder = KEPT / kind / f"{name}-{version}"
    if not (folder.is_dir() and any(folder.iterdir())):
        coming = folder.with_name(f"{folder.name}.coming")
        shutil.rmtree(coming, ignore_errors=True)
        _pip("download", "--no-deps", _KINDS[kind], ":all:", "--dest", str(coming), f"{name}=={version}")
        coming.rename(folder)
    return next(folder.iterdir())


def fetch_requirements(requirements: tuple[str, ...]) -> Path:
    """A folder, for PYTHONPATH, with what a test suite needs and this environment lacks. Raises OutOfReachError."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = KEPT / f"requirements-{python}" / "-".join(requirements or ("none",))
    if not folder.is_dir():
        coming = folder.with_name(f"{folder.name}.coming")
        shutil.rmtree(coming, ignore_errors=True)
        coming.mkdir(parents=True)
        if requirements:
            _pip("install", "--no-deps", "--target", str(coming), *requirements)
        coming.rename(folder)
    return folder


def contents(archive: Path) -> dict[str, bytes]:
    """The regular files of a wheel or sdist by path; the first folder of an sdist is left away."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}
    found = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            data = opened.extractfile(member) if member.isfile() else None
            if data is not None:
                found["/".join(PurePosixPath(member.name).parts[1:])] = data.read()
    return found


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *_OPTIONS, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise OutOfReachError(f"expected pip to end within {_DOWNLOAD_SECONDS:g} s: {' '.join(arguments)}") from None
    if done.returncode:
        raise OutOfReachError(f"pip {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
