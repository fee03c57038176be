"""Many blobs from one git; what it does not tell is left to whoever asks for that alone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.mirror.bulk import Bulk
from livegraft.mirror.command import Git, hardened_environment
from livegraft.mirror.limits import Limits
from livegraft.mirror.objects import MANY_BLOBS, Objects
from tests.support import Repository
from tests.support.git_processes import git_processes

CONTENTS = [b"", b"one\n", b"no line end", b"a\nb\0c\n\n", b"x" * 300_000, *(b"%d\n" % n for n in range(1000))]


@pytest.fixture
def git(repository: Repository) -> Git:
    environment = hardened_environment("file", home="/nonexistent", global_settings=os.devnull)
    return Git(("--git-dir", str(repository.path / ".git")), environment)


@pytest.fixture
def blobs(repository: Repository) -> list[str]:
    repository.path.joinpath("texts").mkdir()
    paths = []
    for number, content in enumerate(CONTENTS):
        path = repository.path / "texts" / str(number)
        path.write_bytes(content)
        paths.append(str(path))
    return repository.git("hash-object", "-w", *paths).split()


def test_contents_come_whole_and_in_order(git: Git, blobs: list[str]) -> None:
    assert list(Bulk(git, deadline_seconds=60).contents(blobs, 1_000_000)) == CONTENTS
    assert git_processes() == []


def test_sizes_come_in_order(git: Git, blobs: list[str]) -> None:
    assert list(Bulk(git, deadline_seconds=60).sizes(blobs)) == [len(content) for content in CONTENTS]


def test_what_is_missing_or_no_blob_leaves_the_others(repository: Repository, git: Git, blobs: list[str]) -> None:
    repository.write({"a.py": ""})
    repository.commit("a tree")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    bulk = Bulk(git, deadline_seconds=60)

    asked = [blobs[1], "0" * 40, blobs[2], tree, blobs[3]]

    assert list(bulk.sizes(asked)) == [4, None, 11, None, 7]
    assert list(bulk.contents(asked[:3], 100)) == [CONTENTS[1], None, CONTENTS[2]]


def test_nothing_is_heard_after_what_nobody_wants_to_hold(repository: Repository, git: Git) -> None:
    """A content may look like answers: those that follow it in the stream would be taken for those of others."""
    repository.write({"big": "blob 3\nbad\n" * 100, "next": "two"})
    big, following = repository.git("hash-object", "-w", "big", "next").split()

    assert list(Bulk(git, deadline_seconds=60).contents([big, following, following], 3)) == [None] * 3


def test_without_room_for_a_file_nothing_is_told(
    git: Git, blobs: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nothing"))

    assert set(Bulk(git, deadline_seconds=60).sizes(blobs)) == {None}


def test_a_git_that_dies_in_between_tells_no_more(git: Git, blobs: list[str]) -> None:
    answers = Bulk(git, deadline_seconds=60).contents(blobs, 1_000_000)
    begun = [next(answers), next(answers)]
    (process,) = git_processes()
    process.kill()
    rest = list(answers)

    assert begun == CONTENTS[:2]
    assert len(rest) == len(CONTENTS) - 2
    assert rest[-1] is None


def test_a_git_that_falls_silent_is_ended(git: Git, blobs: list[str]) -> None:
    answers = Bulk(git, deadline_seconds=0.2).contents(blobs, 1_000_000)
    next(answers)
    (process,) = git_processes()
    process.send_signal(signal.SIGSTOP)

    assert list(answers)[-1] is None
    assert git_processes() == []


def test_a_content_that_is_cut_is_not_taken_for_answers(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(*command: str, stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["printf", r"blob 30\nblob 3\nbad\n"], stdout=subprocess.PIPE, start_new_session=True)

    monkeypatch.setattr(git, "start", dying)

    assert list(Bulk(git, deadline_seconds=60).contents(["1" * 40, "2" * 40], 100)) == [None, None]


def test_who_waits_is_let_go_when_the_mirror_is_closed(git: Git, blobs: list[str]) -> None:
    answers = Bulk(git, deadline_seconds=600).contents(blobs, 1_000_000)
    next(answers)
    (process,) = git_processes()
    process.send_signal(signal.SIGSTOP)
    git.close()

    assert list(answers)[-1] is None


def test_who_stops_listening_leaves_no_git_behind(git: Git, blobs: list[str]) -> None:
    answers = Bulk(git, deadline_seconds=60).contents(blobs, 1_000_000)
    next(answers)

    answers.close()

    assert git_processes() == []


@pytest.fixture
def objects(git: Git) -> Iterator[Objects]:
    objects = Objects(git, limits=Limits())
    yield objects
    objects.close()


def test_what_it_does_not_tell_is_asked_for_alone(
    objects: Objects, blobs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bulk, "contents", lambda self, asked, most: iter([None, b"not what was committed"] * 100))
    monkeypatch.setattr(Bulk, "sizes", lambda self, asked: iter([None, 7] * 100))
    asked = blobs[:200]
    assert len(asked) >= MANY_BLOBS

    assert list(objects.read_many(asked)) == CONTENTS[:200]
    assert objects.sizes(asked) == [len(CONTENTS[n]) if n % 2 == 0 else 7 for n in range(200)]
