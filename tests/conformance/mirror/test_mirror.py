"""What every mirror does, told once and checked for each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livegraft.errors import NotFoundError
from livegraft.mirror import Mirror
from livegraft.mirror.git import GitMirror
from livegraft.mirror.limits import Limits
from livegraft.mirror.worktree import WorkTree
from tests.support import Repository, eventually

LIMITS = Limits(blob_bytes=1000)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture(params=["git", "worktree"])
def mirror(request: pytest.FixtureRequest, repository: Repository, tmp_path: Path) -> Iterator[Mirror]:
    made: dict[str, Callable[[], Mirror]] = {
        "git": lambda: GitMirror(str(repository.path), folder=tmp_path / "mirror", limits=LIMITS),
        "worktree": lambda: WorkTree(repository.path, limits=LIMITS),
    }
    mirror = made[request.param]()
    yield mirror
    mirror.close()


def test_people_are_shown_the_path(mirror: Mirror, repository: Repository) -> None:
    assert mirror.address == str(repository.path)
    assert mirror.branch


def test_what_was_fetched_is_the_tip(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})

    revision = mirror.fetch()

    tip = mirror.tip()
    assert tip is not None
    assert tip.id == revision.id == mirror.revision(revision.id).id


def test_files_have_the_ids_and_contents_that_git_knows(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "print('ä')\n", "reports/daily.py": "2\n", "empty.py": ""})

    snapshot = mirror.snapshot(mirror.fetch())

    names = ("a.py", "reports/daily.py", "empty.py")
    assert snapshot.files == {name: repository.git("rev-parse", f"main:{name}") for name in names}
    assert snapshot.skipped == ()
    for name in names:
        assert mirror.read(snapshot.files[name]) == (repository.path / name).read_bytes()


def test_a_change_is_in_the_next_snapshot_and_not_in_the_last(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n", "b.py": "1\n"})
    before = mirror.snapshot(mirror.fetch())
    repository.delete("b.py")
    repository.commit_files({"a.py": "2\n"})
    after = mirror.snapshot(mirror.fetch())

    assert set(before.files) == {"a.py", "b.py"}
    assert set(after.files) == {"a.py"}
    assert before.files["a.py"] != after.files["a.py"]


def test_a_snapshot_names_its_revision(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})
    revision = mirror.fetch()

    assert mirror.snapshot(revision).revision == revision


def test_a_blob_that_is_nowhere_is_not_found(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror.snapshot(mirror.fetch())

    for unknown in ("0" * 40, "main", "../a.py", "", "a.py\n"):
        with pytest.raises(NotFoundError):
            mirror.read(unknown)


def test_a_revision_that_is_nowhere_is_not_found(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror.fetch()

    with pytest.raises(NotFoundError):
        mirror.revision("0" * 40)


def test_a_revision_is_its_own_ancestor(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})
    revision = mirror.fetch()

    assert mirror.is_ancestor(revision.id, revision.id)


def test_links_deceiving_names_and_big_files_are_left_out_with_a_reason(mirror: Mirror, repository: Repository) -> None:
    (repository.path / "link.py").symlink_to("a.py")
    repository.commit_files({"a.py": "1\n", "b\tc.py": "2\n", "big.py": "x" * 1001})

    snapshot = mirror.snapshot(mirror.fetch())

    assert set(snapshot.files) == {"a.py"}
    assert len(snapshot.skipped) == 3
    assert all(skipped.reason and skipped.path.isprintable() for skipped in snapshot.skipped)


def test_of_names_that_differ_by_case_alone_the_first_is_kept(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"Daily.py": "1\n", "daily.py": "2\n"})

    snapshot = mirror.snapshot(mirror.fetch())

    assert set(snapshot.files) == {"Daily.py"}
    assert [skipped.path for skipped in snapshot.skipped] == ["daily.py"]


def test_threads_may_read_at_the_same_time(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({f"{number}.py": f"{number}\n" for number in range(50)})
    revision = mirror.fetch()
    wrong: list[str] = []

    def read_all() -> None:
        for path, blob in mirror.snapshot(revision).files.items():
            if mirror.read(blob) != (repository.path / path).read_bytes():
                wrong.append(path)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_change_is_noticed(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "0\n"})
    changed = threading.Event()
    mirror.watch(changed.set)

    def noticed() -> bool:
        repository.commit_files({"a.py": "1\n"})
        return changed.wait(0.1)

    assert eventually(noticed)


def test_closing_twice_is_closing_once(mirror: Mirror, repository: Repository) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror.fetch()
    mirror.watch(lambda: None)

    mirror.close()
    mirror.close()
