"""How directories become the files of a snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livegraft.errors import NotFoundError
from livegraft.mirror.git import GitMirror
from livegraft.mirror.limits import Limits
from livegraft.mirror.objects import Objects
from livegraft.snapshot import Snapshot
from tests.support import Repository
from tests.support.raw_objects import commit_tree, write_object, write_tree

Limited = Callable[[Limits], GitMirror]


@pytest.fixture
def limited(repository: Repository, tmp_path: Path) -> Iterator[Limited]:
    mirrors: list[GitMirror] = []

    def mirror(limits: Limits) -> GitMirror:
        folder = tmp_path / f"mirror-{len(mirrors)}"
        mirrors.append(GitMirror(str(repository.path), folder=folder, limits=limits))
        return mirrors[-1]

    yield mirror
    for each in mirrors:
        each.close()


@pytest.fixture
def trees_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    tree = Objects.tree

    def recording(self: Objects, id: str) -> bytes:
        read.append(id)
        return tree(self, id)

    monkeypatch.setattr(Objects, "tree", recording)
    return read


def snapshot_of(mirror: GitMirror) -> Snapshot:
    return mirror.snapshot(mirror.fetch())


def reasons(snapshot: Snapshot) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in snapshot.skipped}


def test_files_are_named_by_their_whole_path_and_blob(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "1\n", "reports/daily.py": "2\n", "reports/deep/er.py": "3\n"})

    files = snapshot_of(mirror).files

    assert files == {path: repository.git("rev-parse", f"main:{path}") for path in repository.git("ls-files").split()}


def test_only_directories_that_changed_are_read_again(
    repository: Repository, mirror: GitMirror, trees_read: list[str]
) -> None:
    repository.commit_files({"a.py": "1\n", "same/b.py": "2\n", "same/c/d.py": "3\n", "changing/e.py": "4\n"})
    snapshot_of(mirror)
    trees_read.clear()
    repository.commit_files({"changing/e.py": "5\n"})

    snapshot = snapshot_of(mirror)

    assert snapshot.files["changing/e.py"] == repository.git("rev-parse", "main:changing/e.py")
    assert snapshot.files["same/c/d.py"] == repository.git("rev-parse", "main:same/c/d.py")
    assert trees_read == [repository.git("rev-parse", name) for name in ("main^{tree}", "main:changing")]


def test_a_revision_read_lately_is_not_read_again(
    repository: Repository, mirror: GitMirror, trees_read: list[str]
) -> None:
    repository.commit_files({"a.py": "1\n"})
    old = mirror.fetch()
    mirror.snapshot(old)
    repository.commit_files({"a.py": "2\n"})
    snapshot_of(mirror)
    trees_read.clear()

    mirror.snapshot(old)

    assert trees_read == []


def test_a_directory_that_was_a_file_before_is_read(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a": "1\n"})
    snapshot_of(mirror)
    repository.delete("a")
    repository.commit_files({"a/b.py": "2\n"})

    assert set(snapshot_of(mirror).files) == {"a/b.py"}


def test_a_symlink_is_left_out_with_a_reason(repository: Repository, mirror: GitMirror) -> None:
    (repository.path / "link.py").symlink_to("/etc/passwd")
    repository.commit_files({"a.py": "1\n"})

    snapshot = snapshot_of(mirror)

    assert set(snapshot.files) == {"a.py"}
    assert "symbolic links" in reasons(snapshot)["link.py"]


def test_a_submodule_is_left_out_with_a_reason(repository: Repository, mirror: GitMirror) -> None:
    commit = repository.commit_files({"a.py": "1\n"})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},library")
    repository.git("commit", "-q", "-m", "submodule")

    snapshot = snapshot_of(mirror)

    assert set(snapshot.files) == {"a.py"}
    assert "submodules" in reasons(snapshot)["library"]


def test_a_name_that_deceives_is_left_out_and_shown_harmlessly(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "1\n", "b\nc.py": "2\n", "\u202egpj.py": "3\n"})

    snapshot = snapshot_of(mirror)

    assert set(snapshot.files) == {"a.py"}
    assert set(reasons(snapshot)) == {"b\\nc.py", "\\u202egpj.py"}


def test_a_name_that_is_no_utf8_is_left_out(repository: Repository, mirror: GitMirror) -> None:
    blob = write_object(repository, "blob", b"1\n")
    commit_tree(repository, write_tree(repository, [("100644", b"a.py", blob), ("100644", b"b\xff.py", blob)]))

    snapshot = snapshot_of(mirror)

    assert set(snapshot.files) == {"a.py"}
    assert "UTF-8" in reasons(snapshot)["b\\xff.py"]


def test_of_names_that_differ_by_case_alone_the_later_one_is_left_out(
    repository: Repository, mirror: GitMirror
) -> None:
    repository.commit_files({"Daily.py": "1\n", "daily.py": "2\n", "größe.py": "3\n", "gro\u0308ße.py": "4\n"})

    snapshot = snapshot_of(mirror)

    assert set(snapshot.files) == {"Daily.py", "gro\u0308ße.py"}
    assert set(reasons(snapshot)) == {"daily.py", "größe.py"}


def test_a_big_file_far_below_is_left_out_too_then_and_later(repository: Repository, limited: Limited) -> None:
    repository.commit_files({"a/b/c/big.csv": "x" * 101, "a/b/small.py": "1\n"})
    mirror = limited(Limits(blob_bytes=100))

    first = snapshot_of(mirror)
    repository.commit_files({"a/b/small.py": "2\n", "a/b/c/other.py": "3\n", "a/also.csv": "x" * 101})
    later = snapshot_of(mirror)

    assert (list(first.files), list(reasons(first))) == (["a/b/small.py"], ["a/b/c/big.csv"])
    assert sorted(later.files) == ["a/b/c/other.py", "a/b/small.py"]
    assert sorted(reasons(later)) == ["a/also.csv", "a/b/c/big.csv"]


def test_a_big_file_is_left_out_until_it_is_small(repository: Repository, limited: Limited) -> None:
    mirror = limited(Limits(blob_bytes=100))
    repository.commit_files({"a.py": "1\n", "b.py": "x" * 101})
    before = snapshot_of(mirror)
    repository.commit_files({"b.py": "x" * 100})
    after = snapshot_of(mirror)

    assert set(before.files) == {"a.py"}
    assert "at most 100 bytes" in reasons(before)["b.py"]
    assert set(after.files) == {"a.py", "b.py"}


def test_a_big_file_is_not_read_by_its_id_either(repository: Repository, limited: Limited) -> None:
    mirror = limited(Limits(blob_bytes=100))
    repository.commit_files({"b.py": "x" * 101})
    mirror.fetch()

    with pytest.raises(NotFoundError, match="at most 100 bytes"):
        mirror.read(repository.git("rev-parse", "main:b.py"))


def test_a_path_that_is_too_long_is_left_out(repository: Repository, limited: Limited) -> None:
    repository.commit_files({"folder/a.py": "1\n", "folder/bb.py": "2\n"})

    snapshot = snapshot_of(limited(Limits(path_length=len("folder/a.py"))))

    assert set(snapshot.files) == {"folder/a.py"}
    assert "path" in reasons(snapshot)["folder/bb.py"]


def test_directories_are_read_to_a_depth(repository: Repository, limited: Limited) -> None:
    repository.commit_files({"1/2/a.py": "1\n", "1/2/3/b.py": "2\n"})

    snapshot = snapshot_of(limited(Limits(depth=2)))

    assert set(snapshot.files) == {"1/2/a.py"}
    assert set(reasons(snapshot)) == {"1/2/3"}


def test_a_crowded_directory_is_left_out(repository: Repository, limited: Limited) -> None:
    repository.commit_files({"a.py": "1\n", **{f"crowd/{number}.py": "2\n" for number in range(4)}})

    snapshot = snapshot_of(limited(Limits(tree_entries=3)))

    assert set(snapshot.files) == {"a.py"}
    assert "at most 3 entries" in reasons(snapshot)["crowd"]


def test_files_beyond_the_limit_are_left_out_each_time(repository: Repository, limited: Limited) -> None:
    mirror = limited(Limits(files=3))
    repository.commit_files({f"{number}.py": "1\n" for number in range(5)})

    for _ in range(2):
        snapshot = snapshot_of(mirror)

        assert len(snapshot.files) == 3
        assert "at most 3 files" in reasons(snapshot)["."]


def test_a_directory_that_was_cut_by_the_limit_is_read_whole_when_it_fits(
    repository: Repository, limited: Limited
) -> None:
    mirror = limited(Limits(files=4))
    repository.commit_files({"a/1.py": "1\n", "a/2.py": "2\n", "b/3.py": "3\n", "b/4.py": "4\n"})
    assert set(snapshot_of(mirror).files) == {"a/1.py", "a/2.py"}
    repository.delete("a/1.py", "a/2.py")
    repository.commit()

    assert set(snapshot_of(mirror).files) == {"b/3.py", "b/4.py"}


def test_a_tree_that_holds_itself_a_billion_times_is_cut(repository: Repository, limited: Limited) -> None:
    tree = write_tree(repository, [("100644", b"a.py", write_object(repository, "blob", b"1\n"))])
    for _ in range(9):
        tree = write_tree(repository, [("40000", f"{number}".encode(), tree) for number in range(10)])
    commit_tree(repository, tree)
    mirror = limited(Limits(files=5000))

    started = time.monotonic()
    snapshot = snapshot_of(mirror)

    assert len(snapshot.files) + len(snapshot.skipped) < 6000
    assert time.monotonic() - started < 60


def test_a_malformed_tree_object_is_left_out(
    repository: Repository, mirror: GitMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit_files({"a.py": "1\n"})
    monkeypatch.setattr(Objects, "tree", lambda self, id: b"100644 a.py\0short")

    assert "well-formed" in reasons(snapshot_of(mirror))["."]
