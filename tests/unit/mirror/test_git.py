from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from livegraft.errors import ConfigurationError, MirrorError, NotFoundError
from livegraft.mirror.command import Git
from livegraft.mirror.git import NEWS_BETWEEN_TIDYING, GitMirror
from tests.support import Repository


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that were run to their end, by their first word."""
    started: list[str] = []
    run = Git.run

    def recording(self: Git, *arguments: str, deadline_seconds: float) -> object:
        started.append(next(word for word in arguments if word.isalpha() or "-" in word[1:]))
        return run(self, *arguments, deadline_seconds=deadline_seconds)

    monkeypatch.setattr(Git, "run", recording)
    return started


def test_before_the_first_fetch_nothing_is_here(repository: Repository, mirror: GitMirror) -> None:
    repository.commit()

    assert mirror.tip() is None


def test_fetching_brings_the_tip_of_the_branch(repository: Repository, mirror: GitMirror) -> None:
    id = repository.commit_files({"a.py": "1\n"})

    assert mirror.fetch().id == id
    assert mirror.tip() == mirror.fetch()


def test_fetching_again_brings_news(repository: Repository, mirror: GitMirror) -> None:
    repository.commit()
    mirror.fetch()
    id = repository.commit_files({"a.py": "1\n"})

    assert mirror.fetch().id == id


def test_a_local_branch_that_did_not_move_is_not_fetched(
    repository: Repository, mirror: GitMirror, commands: list[str]
) -> None:
    repository.commit()
    mirror.fetch()
    mirror.fetch()
    commands.clear()

    mirror.fetch()

    assert commands == []


@pytest.mark.parametrize("packing", [["pack-refs", "--all"], ["gc", "-q"]])
def test_a_branch_that_was_packed_is_still_followed(
    repository: Repository, mirror: GitMirror, packing: list[str]
) -> None:
    repository.commit()
    repository.git(*packing)
    first = mirror.fetch()
    repository.commit()
    repository.git(*packing)

    assert mirror.fetch().id == repository.git("rev-parse", "main") != first.id


def test_only_the_named_branch_is_fetched(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.git("branch", "other")
    repository.git("checkout", "-q", "-b", "team/live")
    repository.git("tag", "team/live")
    repository.git("tag", "v1")
    id = repository.commit()
    mirror = GitMirror(str(repository.path), branch="team/live", folder=tmp_path / "mirror")

    assert mirror.fetch().id == id
    assert references(tmp_path / "mirror") == ["refs/livegraft/team/live"]
    mirror.close()


def test_a_tag_of_the_same_name_is_not_the_branch(repository: Repository, mirror: GitMirror) -> None:
    repository.commit()
    repository.git("tag", "main")
    id = repository.commit()

    assert mirror.fetch().id == id


def test_what_was_fetched_is_there_in_the_next_process(repository: Repository, tmp_path: Path) -> None:
    repository.commit_files({"a.py": "1\n"})
    before = GitMirror(str(repository.path), folder=tmp_path / "mirror")
    tip = before.fetch()
    before.close()
    shutil.rmtree(repository.path)

    after = GitMirror(str(repository.path), folder=tmp_path / "mirror")

    assert after.tip() == tip
    assert after.read(after.snapshot(tip).files["a.py"]) == b"1\n"
    after.close()


def test_a_mirror_of_a_repository_that_is_not_there_can_be_made(tmp_path: Path) -> None:
    mirror = GitMirror(str(tmp_path / "nothing"), folder=tmp_path / "mirror")

    assert mirror.tip() is None
    with pytest.raises(MirrorError, match="found none") as caught:
        mirror.fetch()
    assert caught.value.kind == "unreachable"
    mirror.close()


def test_an_empty_repository_has_no_branch_yet(repository: Repository, mirror: GitMirror) -> None:
    with pytest.raises(MirrorError, match="expected branch 'main'") as caught:
        mirror.fetch()

    assert caught.value.kind == "branch_gone"


def test_a_linked_work_tree_can_be_mirrored(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository.git("worktree", "add", "-q", "-b", "live", str(tmp_path / "linked"))
    mirror = GitMirror(str(tmp_path / "linked"), branch="live", folder=tmp_path / "mirror")
    mirror.fetch()

    id = Repository(tmp_path / "linked").commit_files({"a.py": "1\n"})

    assert mirror.fetch().id == id
    mirror.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
@pytest.mark.parametrize("kind", ["work tree", "bare"])
def test_a_local_repository_of_another_user_can_be_mirrored(repository: Repository, tmp_path: Path, kind: str) -> None:
    id = repository.commit()
    place = repository.path
    if kind == "bare":
        place = tmp_path / "bare.git"
        repository.git("clone", "-q", "--bare", ".", str(place))
    for file in (place, *place.rglob("*")):
        os.chown(file, 65534, 65534)
    mirror = GitMirror(str(place), folder=tmp_path / "mirror")

    assert mirror.fetch().id == id
    mirror.close()


def test_history_tells_who_comes_after_whom(repository: Repository, mirror: GitMirror) -> None:
    first = repository.commit()
    second = repository.commit()
    mirror.fetch()

    assert mirror.is_ancestor(first, second)
    assert mirror.is_ancestor(first, first)
    assert not mirror.is_ancestor(second, first)


def test_a_rewritten_branch_is_fetched_and_its_old_tip_stays_readable(
    repository: Repository, mirror: GitMirror
) -> None:
    repository.commit()
    old = repository.commit_files({"a.py": "1\n"})
    before = mirror.snapshot(mirror.fetch())
    repository.git("reset", "-q", "--hard", "HEAD~1")
    new = repository.commit_files({"b.py": "2\n"})

    after = mirror.fetch()

    assert after.id == new
    assert not mirror.is_ancestor(old, new)
    assert mirror.revision(old).id == old
    assert mirror.read(before.files["a.py"]) == b"1\n"


def test_a_revision_that_was_never_fetched_is_not_found(repository: Repository, mirror: GitMirror) -> None:
    repository.commit()
    mirror.fetch()

    for unknown in ("0" * 40, "main", "--all", "HEAD", ""):
        with pytest.raises(NotFoundError):
            mirror.revision(unknown)
    with pytest.raises(NotFoundError):
        mirror.is_ancestor("0" * 40, mirror.fetch().id)


def test_a_blob_is_no_revision_and_a_revision_no_blob(repository: Repository, mirror: GitMirror) -> None:
    commit = repository.commit_files({"a.py": "1\n"})
    mirror.fetch()

    with pytest.raises(NotFoundError):
        mirror.revision(repository.git("rev-parse", "main:a.py"))
    with pytest.raises(NotFoundError):
        mirror.read(commit)


def test_a_folder_that_mirrored_another_repository_forgets_its_branch(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    another = GitMirror(str(repository.path), folder=tmp_path / "mirror")
    another.fetch()
    another.close()

    mirror = GitMirror(str(tmp_path / "elsewhere"), folder=tmp_path / "mirror")

    assert mirror.tip() is None
    mirror.close()


def test_two_mirrors_may_share_a_folder(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    one, other = (GitMirror(str(repository.path), folder=tmp_path / "mirror") for _ in range(2))
    one.fetch()
    id = repository.commit()

    assert other.fetch().id == id
    tip = one.tip()
    assert tip is not None
    assert tip.id == id, "what one fetched, the other sees"
    one.close()
    other.close()


def test_small_packs_of_many_fetches_are_joined_when_nothing_else_is_to_do(
    repository: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    packs = tmp_path / "data" / "mirror" / "objects" / "pack"
    blobs: list[str] = []
    for number in range(NEWS_BETWEEN_TIDYING + 1):
        repository.commit_files({"a.py": f"{number}\n"})
        blobs.append(mirror.snapshot(mirror.fetch()).files["a.py"])
    assert len(list(packs.glob("*.pack"))) > 10

    mirror.fetch()

    assert len(list(packs.glob("*.pack"))) == 1
    assert [mirror.read(blob) for blob in blobs] == [f"{number}\n".encode() for number in range(len(blobs))]


@pytest.mark.parametrize("token", ["with space", "line\n"])
def test_a_token_that_cannot_be_sent_is_refused(tmp_path: Path, token: str) -> None:
    with pytest.raises(ConfigurationError, match="token"):
        GitMirror("https://example.com/scripts", folder=tmp_path / "mirror", token=token)


def references(folder: Path) -> list[str]:
    done = subprocess.run(
        ["git", "--git-dir", str(folder), "for-each-ref", "--format=%(refname)"], capture_output=True, check=True
    )
    return done.stdout.decode().split()
