from __future__ import annotations

import os
from pathlib import Path

import pytest

from livegraft.errors import ConfigurationError, NotFoundError
from livegraft.mirror.limits import Limits
from livegraft.mirror.worktree import WORKTREE, WorkTree
from livegraft.snapshot import Snapshot
from tests.support import Repository


def snapshot_of(tree: WorkTree) -> Snapshot:
    return tree.snapshot(tree.fetch())


def test_files_count_whether_they_are_committed_or_not(repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n", "b.py": "2\n"})
    repository.write({"b.py": "3\n", "new/c.py": "4\n"})
    tree = WorkTree(repository.path)

    files = snapshot_of(tree).files

    assert set(files) == {"a.py", "b.py", "new/c.py"}
    assert tree.read(files["b.py"]) == b"3\n"


def test_ignored_and_deleted_files_do_not_count(repository: Repository) -> None:
    repository.commit_files({".gitignore": "*.log\n", "a.py": "1\n", "b.py": "2\n"})
    repository.write({"c.log": "3\n"})
    (repository.path / "b.py").unlink()

    assert set(snapshot_of(WorkTree(repository.path)).files) == {".gitignore", "a.py"}


def test_a_directory_inside_a_work_tree_is_a_root_of_its_own(repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n", "scripts/b.py": "2\n"})

    assert set(snapshot_of(WorkTree(repository.path / "scripts")).files) == {"b.py"}


def test_outside_of_git_all_visible_files_count(tmp_path: Path) -> None:
    for name in ("a.py", "deep/er/b.py", ".hidden", ".venv/c.py", "__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")

    assert set(snapshot_of(WorkTree(tmp_path)).files) == {"a.py", "deep/er/b.py"}


def test_blobs_have_the_ids_that_git_would_give(repository: Repository) -> None:
    repository.write({"a.py": "größer\n", "empty.py": ""})

    files = snapshot_of(WorkTree(repository.path)).files

    assert files == {path: repository.git("hash-object", path) for path in ("a.py", "empty.py")}


@pytest.mark.parametrize("tracked", [True, False])
def test_links_pipes_and_folders_behind_links_are_left_out(
    repository: Repository, tmp_path: Path, tracked: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("1\n")
    place = repository.path if tracked else tmp_path / "plain"
    place.mkdir(exist_ok=True)
    (place / "link.py").symlink_to(outside / "secret.py")
    (place / "folder").symlink_to(outside)
    os.mkfifo(place / "pipe.py")

    snapshot = snapshot_of(WorkTree(place))

    assert snapshot.files == {}
    assert {"link.py", "folder"} <= {skipped.path for skipped in snapshot.skipped}


def test_a_submodule_is_left_out(repository: Repository) -> None:
    commit = repository.commit_files({"a.py": "1\n"})
    (repository.path / "library").mkdir()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},library")

    snapshot = snapshot_of(WorkTree(repository.path))

    assert set(snapshot.files) == {"a.py"}
    assert "submodules" in snapshot.skipped[0].reason


def test_limits_hold(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "big.py").write_text("x" * 100)

    few = snapshot_of(WorkTree(tmp_path, limits=Limits(files=2)))
    small = snapshot_of(WorkTree(tmp_path, limits=Limits(blob_bytes=10)))

    assert len(few.files) == 2
    assert "at most 2 files" in few.skipped[-1].reason
    assert set(small.files) == {"a.py", "b.py", "c.py"}


def test_a_file_that_changed_since_the_snapshot_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1\n")
    tree = WorkTree(tmp_path)
    blob = snapshot_of(tree).files["a.py"]
    (tmp_path / "a.py").write_text("2\n")

    with pytest.raises(NotFoundError):
        tree.read(blob)


def test_a_file_that_became_a_link_since_the_snapshot_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1\n")
    (tmp_path / "twin.py").write_text("1\n")
    tree = WorkTree(tmp_path)
    (tmp_path / "twin.py").rename(tmp_path / ".twin")
    blob = snapshot_of(tree).files["a.py"]
    (tmp_path / "a.py").unlink()
    (tmp_path / "a.py").symlink_to(tmp_path / ".twin")

    with pytest.raises(NotFoundError):
        tree.read(blob)


def test_settings_of_the_repository_run_nothing(repository: Repository, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    repository.commit_files({"a.py": "1\n"})
    repository.git("config", "core.fsmonitor", f"touch {witness}")

    snapshot_of(WorkTree(repository.path))

    assert not witness.exists()


def test_the_one_revision_is_called_worktree(tmp_path: Path) -> None:
    tree = WorkTree(tmp_path)

    assert tree.fetch().id == WORKTREE
    assert tree.is_ancestor(WORKTREE, WORKTREE)
    with pytest.raises(NotFoundError):
        tree.revision("0" * 40)


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="directory"):
        WorkTree(tmp_path / "nothing")
