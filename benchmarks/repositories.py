"""Repositories of a given size, made by ``git fast-import`` so that making them takes no time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support import Repository

SCRIPT = '''# cron: 17 {hour} * * *
"""Script {n}: sums what its helper gives."""
import json
import os

from lib.h{helper} import rate


def total(rows: list[int]) -> int:
    found = 0
    for row in rows:
        if row % 2:
            found += row * rate()
        else:
            found -= row
    return found


def run(limit: int = 10, name: str = "x") -> dict[str, int]:
    rows = [row for row in range(limit)]
    return {{"n": {n}, "total": total(rows)}}
'''
HELPERS = 100


def script_path(n: int) -> str:
    return f"team{n // 100}/script{n}.py"


def script_text(n: int) -> str:
    return SCRIPT.format(n=n, helper=n % HELPERS, hour=n % 24)


def texts(count: int) -> dict[str, str]:
    helpers = {f"lib/h{n}.py": f"def rate() -> int:\n    return {n}\n" for n in range(HELPERS)}
    return {script_path(n): script_text(n) for n in range(count)} | helpers


def repository_of(folder: Path, count: int) -> Repository:
    """A repository with so many scripts in one commit, and a work tree without them."""
    repository = Repository.create(folder)
    stream = ["commit refs/heads/main\ncommitter Bench <bench@example.com> 1767225600 +0000\ndata 5\nfirst\n"]
    for path, text in texts(count).items():
        stream.append(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input="".join(stream).encode(), check=True)
    return repository


def commit_one(repository: Repository, path: str, text: str) -> None:
    """Commit one changed file with plumbing, so that what is timed is not the work tree."""
    commit_many(repository, {path: text})


def commit_many(repository: Repository, files: Mapping[str, str]) -> None:
    """Commit changed files in one commit, as ``commit_one``."""
    changes = "".join(f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items())
    stream = (
        "commit refs/heads/main\ncommitter Bench <bench@example.com> 1767225601 +0000\ndata 6\nchange\n"
        f"from refs/heads/main^0\n{changes}"
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository.path, input=stream.encode(), check=True)
