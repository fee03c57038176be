from __future__ import annotations

from pathlib import Path

import pytest

from livegraft.mirror.local import branch_tip, common_folder
from tests.support import Repository


def test_a_branch_of_a_work_tree_is_read_from_its_file(repository: Repository) -> None:
    tip = repository.commit()

    assert branch_tip(repository.path, "main") == tip


def test_a_branch_of_a_bare_repository_is_read_from_its_file(repository: Repository, tmp_path: Path) -> None:
    tip = repository.commit()
    repository.git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    repository.git("push", "-q", str(tmp_path / "bare.git"), "main")

    assert branch_tip(tmp_path / "bare.git", "main") == tip


def test_a_linked_work_tree_leads_to_the_branches_of_its_repository(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    linked = tmp_path / "linked"
    repository.git("worktree", "add", "-q", "-b", "team/live", str(linked))
    tip = Repository(linked).commit()

    assert common_folder(linked) == repository.path / ".git"
    assert branch_tip(linked, "team/live") == tip


def test_a_branch_that_is_packed_is_left_to_git(repository: Repository) -> None:
    repository.commit()
    repository.git("pack-refs", "--all")

    assert branch_tip(repository.path, "main") is None


def test_a_branch_that_is_another_name_of_one_is_left_to_git(repository: Repository) -> None:
    repository.commit()
    repository.git("symbolic-ref", "refs/heads/live", "refs/heads/main")

    assert branch_tip(repository.path, "live") is None


@pytest.mark.parametrize("name", ["nothing", "nothing/at/all"])
def test_a_branch_that_does_not_exist_is_left_to_git(repository: Repository, name: str) -> None:
    assert branch_tip(repository.path, name) is None


def test_a_directory_without_a_repository_has_no_branches(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("gitdir: \0")

    assert common_folder(tmp_path) is None
    assert common_folder(tmp_path / "nothing") is None
    assert common_folder(tmp_path / "file") is None
