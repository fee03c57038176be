"""A builder of real Git repositories, with the real ``git``."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Dana Author",
    "GIT_AUTHOR_EMAIL": "dana@example.com",
    "GIT_COMMITTER_NAME": "Dana Author",
    "GIT_COMMITTER_EMAIL": "dana@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    # Else each commit starts a process more, and one of many tidies up while a test goes on.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "maintenance.auto",
    "GIT_CONFIG_VALUE_0": "false",
}


class Repository:
    """A work tree with a ``main`` branch, changed and committed by the test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> Repository:
        path.mkdir(parents=True, exist_ok=True)
        repository = cls(path)
        repository.git("init", "-q", "-b", "main", "--template=")
        return repository

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env={**os.environ, **IDENTITY},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            file = self.path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text), encoding="utf-8")

    def delete(self, *paths: str) -> None:
        self.git("rm", "-q", "--", *paths)

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_files(self, files: Mapping[str, str], message: str = "change") -> str:
        self.write(files)
        return self.commit(message)

    def prepare_commits(self, changes: Sequence[Mapping[str, str]]) -> list[str]:
        """Commits on top of ``main``, one a change, made at once; ``publish`` moves the branch to one of them."""
        stream = []
        for n, files in enumerate(changes):
            parent = "from refs/heads/main^0\n" if n == 0 else ""
            stream.append(
                f"commit refs/heads/coming\ncommitter Dana <dana@example.com> {n} +0000\ndata 6\nchange\n{parent}"
            )
            for path, text in files.items():
                data = textwrap.dedent(text)
                stream.append(f"M 100644 inline {path}\ndata {len(data.encode())}\n{data}\n")
        done = ["git", "fast-import", "--quiet", "--force"]
        subprocess.run(done, cwd=self.path, input="".join(stream).encode(), check=True, env={**os.environ, **IDENTITY})
        return self.git("rev-list", "--reverse", "main..coming").split()

    def publish(self, commit: str) -> None:
        """Move ``main`` to a prepared commit."""
        self.git("update-ref", "refs/heads/main", commit)
