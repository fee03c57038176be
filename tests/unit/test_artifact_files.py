"""Files that runs leave: what is kept of them, and what is refused."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from livegraft.artifact_files import Artifact, ArtifactLimits, Artifacts
from livegraft.errors import NotFoundError

RUN = "1m8ae46wwyke7wke"


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts", ArtifactLimits(files=5, bytes=1_000, depth=2, name_length=20))


@pytest.fixture
def folder(artifacts: Artifacts) -> Path:
    folder = artifacts.folder_of(RUN)
    folder.mkdir(parents=True)
    return folder


def names(artifacts: Artifacts) -> list[str]:
    return [each.name for each in artifacts.find(RUN)]


def test_files_are_found_by_name_in_folders_too(artifacts: Artifacts, folder: Path) -> None:
    (folder / "report.txt").write_text("hello")
    (folder / "more").mkdir()
    (folder / "more" / "Übersicht 1.csv").write_text("a,b")

    assert artifacts.settle(RUN) == []
    assert artifacts.find(RUN) == [Artifact("report.txt", 5), Artifact("more/Übersicht 1.csv", 3)]
    with artifacts.open(RUN, "more/Übersicht 1.csv") as file:
        assert file.read() == b"a,b"


def test_a_run_that_leaves_nothing_has_none(artifacts: Artifacts) -> None:
    assert artifacts.settle(RUN) == []
    assert names(artifacts) == []


def test_links_devices_and_the_like_are_removed_and_told(artifacts: Artifacts, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    (folder / "link").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    os.link(secret, folder / "hard")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))

    assert names(artifacts) == []
    assert artifacts.settle(RUN) == [
        "the artifact 'folder' is not kept: it is a symbolic link",
        "the artifact 'hard' is not kept: it is linked from elsewhere",
        "the artifact 'link' is not kept: it is a symbolic link",
        "the artifact 'pipe' is not kept: it is no regular file",
        "the artifact 'socket' is not kept: it is no regular file",
    ]
    assert list(folder.iterdir()) == []
    assert secret.read_text() == "s"


@pytest.mark.parametrize("name", ["x" * 21, "new\nline", "bell\x07", os.fsdecode(b"\xff\xfe")])
def test_names_that_cannot_be_shown_are_refused(artifacts: Artifacts, folder: Path, name: str) -> None:
    (folder / name).write_text("x")

    [note] = artifacts.settle(RUN)
    assert note.isprintable()
    assert "expected a printable name of at most 20 characters" in note
    assert not (folder / name).exists()


def test_what_is_too_much_is_removed_without_reading_it(artifacts: Artifacts, folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 600)
    with (folder / "b").open("wb") as huge:
        huge.truncate(1 << 40)
    (folder / "c").write_bytes(b"x" * 400)
    (folder / "d").write_bytes(b"x")

    assert artifacts.settle(RUN) == [
        "the artifact 'b' is not kept: it has 1099511627776 bytes, and all together may have 1000",
        "the artifact 'd' is not kept: it has 1 bytes, and all together may have 1000",
    ]
    assert names(artifacts) == ["a", "c"]


def test_too_many_files_and_folders_too_deep_are_told_in_few_lines(artifacts: Artifacts, folder: Path) -> None:
    (folder / "a/b/c/d").mkdir(parents=True)
    for number in range(200):
        (folder / f"f{number:03}").touch()

    notes = artifacts.settle(RUN)

    assert len(notes) == 11
    assert notes[0] == "the artifact 'f005' is not kept: there are more than 5"
    assert notes[-1] == "186 more artifacts are not kept"
    assert names(artifacts) == [f"f{number:03}" for number in range(5)]
    assert not (folder / "a/b/c").exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "/etc/passwd", "more/../../secret", "report.txt/", "none"]
)
def test_a_name_that_is_none_of_its_files_opens_nothing(artifacts: Artifacts, folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("s")
    (folder / "report.txt").write_text("hello")

    with pytest.raises(NotFoundError):
        artifacts.open(RUN, name)


def test_a_file_that_becomes_a_link_between_look_and_opening_is_not_given_out(
    artifacts: Artifacts, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("s")
    (folder / "more").mkdir()
    (folder / "more/file").symlink_to(tmp_path / "secret")
    (folder / "link").symlink_to(tmp_path)
    monkeypatch.setattr(Artifacts, "find", lambda self, run: [Artifact("more/file", 1), Artifact("link/secret", 1)])

    for name in ("more/file", "link/secret"):
        with pytest.raises(NotFoundError):
            artifacts.open(RUN, name)


def test_a_folder_that_is_itself_a_link_has_nothing(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("s")
    artifacts.folder_of(RUN).symlink_to(tmp_path / "elsewhere")

    assert artifacts.settle(RUN) == []
    assert names(artifacts) == []
    assert (tmp_path / "elsewhere/file").exists()


def test_they_go_with_the_run(artifacts: Artifacts, folder: Path) -> None:
    (folder / "a").touch()
    other = artifacts.folder_of("other")
    other.mkdir()

    assert artifacts.prune(lambda run: run == "other") == 1
    assert not folder.exists()
    assert other.exists()
    artifacts.drop("other")
    assert not other.exists()
