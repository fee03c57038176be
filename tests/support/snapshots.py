"""Snapshots made from literal files, for tests of the core that need no Git."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from livegraft.code_cache import CodeCache
from livegraft.graph import Plan, Planner
from livegraft.revision import Revision
from livegraft.snapshot import Snapshot


class Plans:
    """A planner over literal files: ``plan({"a.py": "..."})`` gives the plan of that tree."""

    def __init__(self, cache: CodeCache | None = None) -> None:
        self.reads: list[str] = []
        self._texts: dict[str, bytes] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self.planner = Planner(read=self._read, snapshot=self._snapshots.__getitem__, cache=cache)

    def plan(self, files: Mapping[str, str]) -> Plan:
        return self.planner.plan(self.snapshot(files))

    def snapshot(self, files: Mapping[str, str]) -> Snapshot:
        blobs = {}
        for path, text in files.items():
            blobs[path] = hashlib.sha1(text.encode()).hexdigest()
            self._texts[blobs[path]] = text.encode()
        id = f"{len(self._snapshots):040x}"
        revision = Revision(id, "Dana Author", "dana@example.com", datetime(2026, 1, 1, tzinfo=UTC), "change")
        self._snapshots[id] = Snapshot(revision, blobs)
        return self._snapshots[id]

    def _read(self, blob: str) -> bytes:
        self.reads.append(blob)
        return self._texts[blob]


def keys(plan: Plan) -> dict[str, str]:
    return {name: module.key for name, module in plan.modules.items()}
