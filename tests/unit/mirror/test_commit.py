from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest

from livegraft.mirror.commit import parse_commit
from livegraft.mirror.git import GitMirror
from livegraft.revision import Revision
from tests.support import Repository
from tests.support.raw_objects import write_object

TREE = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
PERSON = b"Dana Author <dana@example.com> 1700000000 +0100"


def as_git_says(repository: Repository, id: str) -> Revision:
    told = subprocess.run(
        ["git", "log", "-1", "--format=%H%x00%an%x00%ae%x00%ct%x00%s", id],
        cwd=repository.path,
        capture_output=True,
        check=True,
    )
    commit, author, email, seconds, subject = told.stdout.decode().rstrip("\n").split("\0")
    return Revision(commit, author, email, datetime.fromtimestamp(int(seconds), UTC), subject)


def raw(author: bytes = PERSON, committer: bytes = PERSON, extra: bytes = b"", message: bytes = b"change\n") -> bytes:
    return TREE + b"author " + author + b"\ncommitter " + committer + b"\n" + extra + b"\n" + message


@pytest.mark.parametrize(
    "data",
    [
        raw(),
        raw(message=b""),
        raw(message=b"\n\nfirst line  \nsecond line\n\nbody\n"),
        raw(author=b"D\xc3\xa4na <d@example.com> 1 -0930"),
        raw(author=b" <> 0 +0000"),
        raw(extra=b"encoding ISO-8859-1\n", author=b"D\xe4na <d@example.com> 1 +0000", message=b"gr\xf6\xdfer\n"),
        raw(extra=b"gpgsig -----BEGIN\n tree 0000\n author Mallory <m@example.com> 1 +0000\n -----END\n"),
        raw(extra=b"author Mallory <m@example.com> 1 +0000\n"),
        raw(extra=b"mergetag object 0\n type commit\n tag x\n"),
        raw(committer=b"C <c@example.com> 1800000000 +0000"),
    ],
)
def test_a_commit_is_read_as_git_reads_it(repository: Repository, mirror: GitMirror, data: bytes) -> None:
    id = write_object(repository, "commit", data)

    assert parse_commit(id, data).revision == as_git_says(repository, id)


def test_a_fetched_commit_is_read_as_git_reads_it(repository: Repository, mirror: GitMirror) -> None:
    id = repository.commit_files({"a.py": "1\n"}, "Räum auf\nin two lines\n\nand a body")

    assert mirror.fetch() == as_git_says(repository, id)


def test_bytes_that_are_no_text_are_replaced() -> None:
    revision = parse_commit("0" * 40, raw(author=b"D\xffna <d@example.com> 1 +0000", message=b"a\xffb")).revision

    assert (revision.author, revision.subject) == ("D\ufffdna", "a\ufffdb")


def test_characters_that_change_what_people_see_are_replaced() -> None:
    revision = parse_commit("0" * 40, raw(message="a\x1b[31mb\u202ec".encode())).revision

    assert revision.subject == "a\ufffd[31mb\ufffdc"


@pytest.mark.parametrize("encoding", [b"zlib", b"nonsense", b"\xff", b"hex"])
def test_an_encoding_that_is_none_counts_as_utf8(encoding: bytes) -> None:
    data = raw(extra=b"encoding " + encoding + b"\n", message="größer".encode())

    assert parse_commit("0" * 40, data).revision.subject == "größer"


@pytest.mark.parametrize("committer", [b"", b"C <c@example.com>", b"C <c@example.com> 999999999999999 +0000"])
def test_a_time_that_is_none_counts_as_the_epoch(committer: bytes) -> None:
    assert parse_commit("0" * 40, raw(committer=committer)).revision.committed_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_long_subject_is_cut() -> None:
    assert len(parse_commit("0" * 40, raw(message=b"x" * 100_000)).revision.subject) == 500


def test_of_two_trees_the_first_counts_as_for_git(repository: Repository) -> None:
    data = raw(extra=b"tree " + b"1" * 40 + b"\n")

    id = write_object(repository, "commit", data)

    assert parse_commit(id, data).tree == repository.git("log", "-1", "--format=%T", id)


def test_a_commit_without_a_tree_is_an_error() -> None:
    with pytest.raises(ValueError, match="tree"):
        parse_commit("0" * 40, b"author x\n\nmessage")
