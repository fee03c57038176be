"""Writing Git objects that no porcelain command would make."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from tests.support.repository import Repository


def write_object(repository: Repository, kind: str, data: bytes) -> str:
    """Store an object unchecked and return its id."""
    done = subprocess.run(
        ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"],
        cwd=repository.path,
        input=data,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def write_tree(repository: Repository, entries: Iterable[tuple[str, bytes, str]]) -> str:
    """Store a tree of (mode, name, id) in the given order, whatever the names are."""
    parts = (mode.encode() + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries)
    return write_object(repository, "tree", b"".join(parts))


def commit_tree(repository: Repository, tree: str, branch: str = "main") -> str:
    """Make a commit of a tree the tip of the branch."""
    commit = repository.git("commit-tree", tree, "-m", "raw")
    repository.git("update-ref", f"refs/heads/{branch}", commit)
    return commit
