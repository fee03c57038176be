from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from livegraft.mirror.batch import Batch, BrokenAnswerError, TooBigError
from livegraft.mirror.command import Git, hardened_environment
from tests.support import Repository
from tests.support.git_processes import git_processes


@pytest.fixture
def git(repository: Repository) -> Git:
    environment = hardened_environment("file", home="/nonexistent", global_settings=os.devnull)
    return Git(("--git-dir", str(repository.path / ".git")), environment)


@pytest.fixture
def contents(git: Git) -> Iterator[Batch]:
    batch = Batch(git, "--batch", deadline_seconds=60)
    yield batch
    batch.close()


@pytest.fixture
def checks(git: Git) -> Iterator[Batch]:
    batch = Batch(git, "--batch-check", deadline_seconds=60)
    yield batch
    batch.close()


def blob_of(repository: Repository, text: str) -> str:
    repository.write({"a.txt": text})
    return repository.git("hash-object", "-w", "a.txt")


def test_objects_are_answered_by_one_process(repository: Repository, contents: Batch) -> None:
    blobs = [blob_of(repository, f"{number}\n") for number in range(3)]

    answers = [contents.content(blob, 100) for blob in blobs]

    assert [answer and answer[1] for answer in answers] == [b"0\n", b"1\n", b"2\n"]
    assert len(git_processes()) == 1


def test_an_object_that_is_not_there_is_none(contents: Batch) -> None:
    assert contents.content("0" * 40, 100) is None


def test_an_object_written_after_the_process_started_is_found(repository: Repository, contents: Batch) -> None:
    contents.content("0" * 40, 100)
    blob = blob_of(repository, "new\n")

    assert contents.content(blob, 100)


def test_an_object_that_is_too_big_is_not_read_and_the_next_one_is(repository: Repository, contents: Batch) -> None:
    big, small = blob_of(repository, "x" * 1_000_000), blob_of(repository, "x")

    with pytest.raises(TooBigError, match="1,000,000"):
        contents.content(big, 100)

    assert contents.content(small, 100)


def test_a_process_that_was_killed_is_replaced(repository: Repository, contents: Batch) -> None:
    blob = blob_of(repository, "x")
    contents.content(blob, 100)
    (process,) = git_processes()
    process.kill()

    assert contents.content(blob, 100)


def test_a_process_that_says_nothing_is_cut_at_the_deadline(repository: Repository, git: Git) -> None:
    contents = Batch(git, "--batch", deadline_seconds=1.0)
    blob = blob_of(repository, "x")
    contents.content(blob, 100)
    (process,) = git_processes()
    process.send_signal(signal.SIGSTOP)

    started = time.monotonic()
    answer = contents.content(blob, 100)

    assert answer is not None, "another process answers"
    assert time.monotonic() - started < 30
    assert not process.is_running()
    contents.close()


def test_threads_take_turns(repository: Repository, contents: Batch) -> None:
    blobs = {blob_of(repository, text): text.encode() for text in ("a" * 5000, "b" * 7000, "c" * 9000)}
    wrong: list[str] = []

    def read_all() -> None:
        for _ in range(30):
            for blob, text in blobs.items():
                answer = contents.content(blob, 100_000)
                if answer is None or answer[1] != text:
                    wrong.append(blob)

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_thousand_facts_are_answered_in_order(repository: Repository, checks: Batch) -> None:
    one, three = blob_of(repository, "1"), blob_of(repository, "333")

    facts = checks.facts([one, "0" * 40, three] * 400)

    assert [fact.size if fact else None for fact in facts] == [1, None, 3] * 400


def test_nothing_is_answered_after_close_and_no_process_is_left(repository: Repository, contents: Batch) -> None:
    blob = blob_of(repository, "x")
    contents.content(blob, 100)
    contents.close()
    contents.close()

    with pytest.raises(BrokenAnswerError, match="closed"):
        contents.content(blob, 100)
    assert git_processes() == []


def test_a_repository_that_is_gone_is_a_broken_answer(tmp_path: Path) -> None:
    environment = hardened_environment("file", home="/nonexistent", global_settings=os.devnull)
    contents = Batch(Git(("--git-dir", str(tmp_path / "nothing")), environment), "--batch")

    with pytest.raises(BrokenAnswerError):
        contents.content("0" * 40, 100)
    contents.close()
