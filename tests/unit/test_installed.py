"""Installed packages, looked at on disk and in the process."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.installed import Installed
from tests.support.packages import Packages, a_package_folder


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Packages]:
    with a_package_folder(tmp_path) as packages:
        yield packages


def told(installed: Installed) -> list[str]:
    installed.look(at_once=True)
    return [str(change) for change in installed.changes]


def test_a_package_that_nothing_imported_changes_without_a_word(packages: Packages) -> None:
    packages.install("grape", "1.0")
    installed = Installed()

    packages.install("grape", "2.0")

    assert told(installed) == []
    assert installed.version("grape") == "2.0"
    assert installed.generation == 1


def test_one_that_was_imported_counts_at_the_version_that_is_in_the_process(packages: Packages) -> None:
    packages.install("grape", "1.0")
    installed = Installed()
    importlib.import_module("grape")

    packages.install("grape", "2.0")

    assert told(installed) == ["grape 1.0 is loaded, 2.0 is installed"]
    assert installed.version("Grape") == "1.0"


def test_the_module_may_have_another_name_than_the_package(packages: Packages) -> None:
    packages.install("py-grape", "1.0", modules={"fruit/grape/__init__.py": "", "fruit/grape/seed.py": ""})
    packages.install("py-plum", "1.0", modules={"fruit/plum/__init__.py": ""})
    installed = Installed()
    importlib.import_module("fruit.grape")

    packages.install("py-grape", "2.0", modules={"fruit/grape/__init__.py": ""})
    packages.install("py-plum", "2.0", modules={"fruit/plum/__init__.py": ""})

    assert told(installed) == ["py-grape 1.0 is loaded, 2.0 is installed"]


@pytest.mark.parametrize("module", ["grape", "other"])
def test_one_that_was_removed_is_told_whatever_its_modules_are_called(packages: Packages, module: str) -> None:
    packages.install("grape", "1.0", modules={f"{module}.py": ""})
    packages.install("plum", "1.0")
    installed = Installed()
    importlib.import_module(module)

    packages.remove("grape")

    assert told(installed) == ["grape 1.0 is loaded, it was removed"]


def test_the_same_version_installed_anew_may_have_other_code(packages: Packages) -> None:
    packages.install("grape", "1.0")
    installed = Installed()
    importlib.import_module("grape")

    packages.install("grape", "1.0", modules={"grape/__init__.py": "", "grape/seed.py": ""})

    assert told(installed) == ["grape 1.0 was installed anew since it was loaded"]


def test_what_is_on_disk_again_as_it_was_needs_no_restart(packages: Packages, tmp_path: Path) -> None:
    packages.install("grape", "1.0")
    installed = Installed()
    importlib.import_module("grape")
    described = tmp_path / "grape-1.0.dist-info"

    described.rename(tmp_path / "aside")
    assert told(installed) == []  # its files are there, and nothing else is
    (tmp_path / "aside").rename(described)

    assert told(installed) == []


def test_a_look_is_not_repeated_at_once_unless_somebody_waits_for_it(packages: Packages) -> None:
    installed = Installed(look_seconds=3600)
    packages.install("grape", "1.0")

    installed.look()
    assert installed.generation == 0
    installed.look(at_once=True)
    assert installed.generation == 1


def test_what_this_environment_has_is_found_as_python_finds_it(packages: Packages) -> None:
    installed = Installed()

    assert installed.version("PyTest") == pytest.__version__
    assert "dev" in installed.extras("pytest")
    assert any(text.startswith("pluggy") for text in installed.requires("pytest"))
    assert installed.version("there-is-no-such-package") is None
