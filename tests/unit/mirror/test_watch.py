from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from livegraft.mirror.git import GitMirror
from livegraft.mirror.watch import Watcher, watch_branches
from livegraft.mirror.worktree import WorkTree
from tests.support import Repository, eventually


def until_watching(changed: threading.Event, touch: Callable[[], object]) -> None:
    """A watcher needs a moment to begin: change something until it is noticed, then forget that."""

    def noticed() -> bool:
        touch()
        return changed.wait(0.1)

    eventually(noticed, what="the watcher sees changes")
    eventually(lambda: not _noticed_again(changed), what="the last change is through")


def _noticed_again(changed: threading.Event) -> bool:
    changed.clear()
    return changed.wait(0.1)


def test_a_commit_is_noticed(repository: Repository, mirror: GitMirror) -> None:
    changed = threading.Event()
    repository.commit()
    mirror.watch(changed.set)
    until_watching(changed, repository.commit)

    repository.commit()

    assert changed.wait(60)


def test_a_branch_in_a_new_folder_is_noticed(repository: Repository, mirror: GitMirror) -> None:
    changed = threading.Event()
    repository.commit()
    mirror.watch(changed.set)
    until_watching(changed, repository.commit)

    repository.git("branch", "team/live")

    assert changed.wait(60)


def test_a_push_to_a_bare_repository_is_noticed(repository: Repository, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    repository.git("init", "-q", "--bare", str(bare))
    changed = threading.Event()
    watcher = watch_branches(bare, changed.set)
    assert watcher is not None
    repository.commit()
    until_watching(changed, lambda: (repository.commit(), repository.git("push", "-q", str(bare), "main")))

    repository.commit()
    repository.git("push", "-q", str(bare), "main")

    assert changed.wait(60)
    watcher.close()


def test_a_commit_in_a_linked_work_tree_is_noticed(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.git("worktree", "add", "-q", "-b", "live", str(tmp_path / "linked"))
    linked = Repository(tmp_path / "linked")
    changed = threading.Event()
    watcher = watch_branches(linked.path, changed.set)
    assert watcher is not None

    until_watching(changed, linked.commit)

    watcher.close()


def test_saving_a_file_is_no_commit(repository: Repository, mirror: GitMirror) -> None:
    changed = threading.Event()
    repository.commit()
    mirror.watch(changed.set)
    until_watching(changed, repository.commit)

    repository.write({"a.py": "1\n"})
    repository.git("add", "-A")
    (repository.path / ".git" / "refs" / "heads" / "main.lock").write_text("")

    assert not changed.wait(0.3)


def test_closing_ends_the_thread_quickly_and_twice_is_once(repository: Repository, mirror: GitMirror) -> None:
    repository.commit()
    mirror.watch(lambda: None)

    mirror.close()
    mirror.close()

    assert not [thread for thread in threading.enumerate() if thread.name == "livegraft-watch"]


def test_a_callback_may_close_its_watcher(tmp_path: Path) -> None:
    closed = threading.Event()

    def close() -> None:
        watcher.close()
        closed.set()

    watcher = Watcher([tmp_path], concerns=lambda file: True, changed=close)

    eventually(lambda: (tmp_path / "file").write_text("x") and closed.wait(0.1))
    watcher.close()


def test_a_folder_that_cannot_be_watched_is_left_to_polling(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watcher = Watcher([tmp_path / "nothing"], concerns=lambda file: True, changed=lambda: None)

    eventually(lambda: "found by polling" in caplog.text)
    watcher.close()


def test_a_path_without_a_repository_is_not_watched(tmp_path: Path) -> None:
    assert watch_branches(tmp_path, lambda: None) is None


def test_a_remote_is_not_watched(tmp_path: Path) -> None:
    mirror = GitMirror("https://example.com/scripts", folder=tmp_path / "mirror")

    mirror.watch(lambda: None)

    assert not [thread for thread in threading.enumerate() if thread.name == "livegraft-watch"]
    mirror.close()


def test_saving_a_file_of_a_work_tree_is_noticed(tmp_path: Path) -> None:
    changed = threading.Event()
    tree = WorkTree(tmp_path)
    tree.watch(changed.set)

    until_watching(changed, lambda: (tmp_path / "a.py").write_text("1\n"))

    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert not changed.wait(0.3)
    tree.close()
