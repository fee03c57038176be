"""A pytest plugin that writes down how each test of a package's own suite ended.

It imports nothing of livegraft and nothing of these tests, so that the plain run of a suite, without
livegraft, can load it by its bare name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


class Outcomes:
    """How tests ended, by node id: ``passed``, ``failed`` or ``skipped``; and the first lines of what failed."""

    def __init__(self, excluded: Mapping[str, str]) -> None:
        self.excluded = excluded
        self.ends: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.left_out: dict[str, int] = dict.fromkeys(excluded, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.ends.get(report.nodeid)
        if report.failed:
            self._fail(report.nodeid, report.longreprtext)
        elif report.skipped and before is None:
            self.ends[report.nodeid] = "skipped"
        elif report.when == "call" and before is None:
            self.ends[report.nodeid] = "passed"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._fail(report.nodeid, report.longreprtext)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = []
        for item in items:
            pattern = next((pattern for pattern in self.excluded if pattern in item.nodeid), None)
            if pattern is None:
                kept.append(item)
            else:
                self.left_out[pattern] += 1
        items[:] = kept

    def _fail(self, test: str, text: str) -> None:
        self.ends[test] = "failed"
        self.failures.setdefault(test, text[-4000:])


OPTIONS: Sequence[str] = (
    "-q",
    "--no-header",
    "--tb=short",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore",
)


def pytest_configure(config: pytest.Config) -> None:
    """The plain run: this module is the plugin, and OUTCOMES names the file that it writes."""
    file = os.environ.get("OUTCOMES")
    if file:
        outcomes = Outcomes({})
        config.pluginmanager.register(outcomes, "how tests ended")

        def write() -> None:
            Path(file).write_text(json.dumps(outcomes.ends), encoding="utf-8")

        config.add_cleanup(write)
