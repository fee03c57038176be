"""A commit of a local repository is read where it is, before it is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from livegraft.errors import NotFoundError
from livegraft.mirror.git import GitMirror
from tests.support import Repository


def id_in_the_mirror(mirror_folder: Path) -> str:
    return (mirror_folder / "refs" / "livegraft" / "main").read_text().strip()


def test_the_first_commit_has_to_be_fetched(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "1\n"})

    assert mirror.glance() is None


def test_a_commit_is_read_before_it_is_fetched(repository: Repository, mirror: GitMirror, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mirror"
    before = repository.commit_files({"a.py": "1\n"})
    mirror.fetch()
    id = repository.commit_files({"a.py": "2\n"})

    seen = mirror.glance()

    assert seen is not None
    assert seen.id == id
    assert mirror.read(mirror.snapshot(seen).files["a.py"]) == b"2\n"
    assert id_in_the_mirror(folder) == before
    assert mirror.fetch().id == id
    assert id_in_the_mirror(folder) == id


def test_what_was_fetched_stays_when_the_repository_is_gone(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror.fetch()
    repository.commit_files({"a.py": "2\n"})
    fetched = mirror.fetch()
    repository.path.rename(repository.path.with_name("away"))

    assert mirror.glance() is None
    assert mirror.read(mirror.snapshot(fetched).files["a.py"]) == b"2\n"


@pytest.mark.parametrize("name", ["plain", 'quo"te', "co:lon", "back\\slash", "größe"])
def test_a_repository_may_have_any_name(repository: Repository, tmp_path: Path, name: str) -> None:
    repository.commit_files({"a.py": "1\n"})
    moved = Repository(repository.path.rename(repository.path.with_name(name)))
    mirror = GitMirror(str(moved.path), folder=tmp_path / "mirror of it")
    mirror.fetch()
    id = moved.commit_files({"a.py": "2\n"})

    seen = mirror.glance()

    assert seen is not None
    assert seen.id == id
    mirror.close()


def test_a_branch_that_names_what_is_not_there_has_to_be_fetched(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror.fetch()
    (repository.path / ".git" / "refs" / "heads" / "main").write_text("1" * 40 + "\n")

    assert mirror.glance() is None
    with pytest.raises(NotFoundError):
        mirror.revision("1" * 40)


def test_the_parents_of_a_commit_are_its_ancestors(repository: Repository, mirror: GitMirror) -> None:
    first = repository.commit_files({"a.py": "1\n"})
    second = repository.commit_files({"a.py": "2\n"})
    repository.git("checkout", "-q", "-b", "side", first)
    side = repository.commit_files({"b.py": "1\n"})
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-edit", "side")
    merged = mirror.fetch().id

    assert all(mirror.is_ancestor(older, merged) for older in (first, second, side))
    assert not mirror.is_ancestor(merged, second)
    assert not mirror.is_ancestor(side, second)
