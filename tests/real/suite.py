"""Runs a package's own tests: its test modules are version code, as everything that they import."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from livegraft import Supervisor
from livegraft.errors import LoadError
from livegraft.graph import module_name
from tests.real.outcomes import OPTIONS, Outcomes

_SKIPPED = re.compile(r"^Skipped: (.*)", re.DOTALL)


class LiveModule(pytest.Module):
    """A test module that livegraft has loaded."""

    supervisor: Supervisor
    tree: Path

    def _getobj(self) -> ModuleType:
        name = module_name(self.path.relative_to(self.tree).as_posix())
        assert name is not None
        module: ModuleType = live_module(self.supervisor, name)
        return module


class LiveCode:
    """The pytest plugin that takes test modules and the conftest from a supervisor instead of from files."""

    def __init__(self, supervisor: Supervisor, tree: Path, conftests: Sequence[str]) -> None:
        self._supervisor, self._tree, self._conftests = supervisor, tree, conftests
        self._keepers: set[Any] = set()

    def pytest_configure(self, config: pytest.Config) -> None:
        self._keepers.update((config, config.pluginmanager))
        for name in self._conftests:
            config.pluginmanager.register(live_module(self._supervisor, name), f"live {name}")

    def pytest_pycollect_makemodule(self, module_path: Path, parent: Any) -> LiveModule:
        module: LiveModule = LiveModule.from_parent(parent, path=module_path)
        module.supervisor, module.tree = self._supervisor, self._tree
        return module

    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector:
        """Never a ``pytest.Package``: that one would import the folder's ``__init__`` in the plain way."""
        folder: pytest.Dir = pytest.Dir.from_parent(parent, path=path)
        return folder

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._keepers.update(node for item in session.items for node in item.listchain())
        self._keepers.add(session._fixturemanager)

    def let_go(self) -> None:
        """Let go of the test modules: pytest keeps its nodes, fixtures and plugins as long as the process lives."""
        for keeper in self._keepers:
            vars(keeper).clear()
        self._keepers.clear()
        _empty_caches("hypothesis", "_hypothesis")


def _empty_caches(*packages: str) -> None:
    """Empty the caches of some packages of the host: Hypothesis keeps test modules and classes by them."""
    for name, module in list(sys.modules.items()):
        if name.startswith(packages):
            for place, value in list(vars(module).items()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()
                elif place.endswith("_CACHE") and hasattr(value, "clear"):
                    value.clear()


def live_module(supervisor: Supervisor, name: str) -> Any:
    """A module of the live release; what skips itself while it is imported is skipped."""
    found: Any = supervisor.live
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except LoadError as error:
        skipped = _SKIPPED.match(error.reason)
        if skipped is None:
            raise AssertionError(f"{error}\n{error.text}") from None
        pytest.skip(skipped[1], allow_module_level=True)
    return found


def run_suite(supervisor: Supervisor, tree: Path, suite: Sequence[str], outcomes: Outcomes) -> None:
    """Run the tests of some folders of the repository in this process."""
    conftests = [
        module_name(file.relative_to(tree).as_posix()) or ""
        for folder in suite
        for file in sorted((tree / folder).rglob("conftest.py"))
    ]
    live_code = LiveCode(supervisor, tree, conftests)
    pytest.main(["--noconftest", *arguments(tree, suite)], plugins=[live_code, outcomes])
    live_code.let_go()


def arguments(tree: Path, suite: Sequence[str]) -> list[str]:
    """How both runs of a suite call pytest, without the package's own settings."""
    settings = tree.parent / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    return [*OPTIONS, f"--rootdir={tree}", "-c", str(settings), *(str(tree / folder) for folder in suite)]
