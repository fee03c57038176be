"""A mirror that was damaged on disk is rebuilt beside the old one, which is read until then."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from livegraft.errors import LivegraftError, MirrorError
from livegraft.mirror.git import GitMirror
from tests.support import Repository
from tests.support.git_processes import kill_git


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mirror"


def object_files(folder: Path) -> list[Path]:
    return [file for file in (folder / "objects").rglob("*") if file.is_file()]


def cut_every_object(folder: Path) -> None:
    for file in object_files(folder):
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def turn_a_bit_of_every_object(folder: Path) -> None:
    for file in object_files(folder):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0x10
        file.chmod(0o600)
        file.write_bytes(data)


def empty_every_object(folder: Path) -> None:
    for file in object_files(folder):
        file.chmod(0o600)
        file.write_bytes(b"")


def remove_every_object(folder: Path) -> None:
    shutil.rmtree(folder / "objects")


def remove_head(folder: Path) -> None:
    (folder / "HEAD").unlink()


def write_nonsense_to_the_branch(folder: Path) -> None:
    (folder / "refs" / "livegraft" / "main").write_text("nonsense\n")


def point_the_branch_at_nothing(folder: Path) -> None:
    (folder / "refs" / "livegraft" / "main").write_text("1" * 40 + "\n")


def leave_locks(folder: Path) -> None:
    for name in ("packed-refs.lock", "refs/livegraft/main.lock", "HEAD.lock", "config.lock"):
        (folder / name).write_text("")


def fetch_loose(repository: Repository, mirror: GitMirror, files: Mapping[str, str]) -> Mapping[str, str]:
    """Fetch files, take them out of the pack, each into a file of its own, and return their blobs."""
    repository.commit_files(files)
    blobs = mirror.snapshot(mirror.fetch()).files
    folder = repository.path.parent / "data" / "mirror"
    for pack in list((folder / "objects" / "pack").glob("*.pack")):
        data = pack.read_bytes()
        pack.with_suffix(".idx").unlink()
        pack.unlink()
        subprocess.run(["git", "--git-dir", str(folder), "unpack-objects", "-q"], input=data, check=True)
    kill_git()  # the reader holds the pack open
    return blobs


def loose_file(folder: Path, id: str) -> Path:
    return folder / "objects" / id[:2] / id[2:]


DAMAGES = [
    cut_every_object,
    turn_a_bit_of_every_object,
    empty_every_object,
    remove_every_object,
    remove_head,
    write_nonsense_to_the_branch,
    point_the_branch_at_nothing,
    leave_locks,
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("moved", [True, False])
def test_a_damaged_mirror_is_whole_again_after_two_syncs(
    repository: Repository, tmp_path: Path, folder: Path, damage: Callable[[Path], None], moved: bool
) -> None:
    id = repository.commit_files({"a.py": "1\n", "b/c.py": "2\n"})
    before = GitMirror(str(repository.path), folder=folder)
    before.fetch()
    before.close()
    damage(folder)
    if moved:
        id = repository.commit_files({"a.py": "3\n"})
    after = GitMirror(str(repository.path), folder=folder)

    sync_twice(after)

    tip = after.fetch()
    files = after.snapshot(tip).files
    assert tip.id == id
    assert {path: after.read(blob) for path, blob in files.items()} == {
        path: (repository.path / path).read_bytes() for path in ("a.py", "b/c.py")
    }
    after.close()


def test_damage_that_is_found_while_reading_is_mended_by_the_next_sync(
    repository: Repository, mirror: GitMirror, folder: Path
) -> None:
    blob = fetch_loose(repository, mirror, {"a.py": "1\n" * 500})["a.py"]
    file = loose_file(folder, blob)
    file.chmod(0o600)
    file.write_bytes(b"nonsense")

    with pytest.raises(LivegraftError):
        mirror.read(blob)

    mirror.fetch()
    assert mirror.read(blob) == b"1\n" * 500


def test_an_object_with_another_content_is_never_returned(
    repository: Repository, mirror: GitMirror, folder: Path
) -> None:
    files = fetch_loose(repository, mirror, {"a.py": "honest\n", "b.py": "evil..\n"})
    honest = loose_file(folder, files["a.py"])
    honest.unlink()
    shutil.copy(loose_file(folder, files["b.py"]), honest)

    with pytest.raises(MirrorError, match="does not fit its id") as caught:
        mirror.read(files["a.py"])

    assert caught.value.kind == "damaged"
    mirror.fetch()
    assert mirror.read(files["a.py"]) == b"honest\n"


def test_damage_stays_told_while_the_remote_is_down_and_what_is_sound_is_read(
    repository: Repository, mirror: GitMirror, folder: Path
) -> None:
    files = fetch_loose(repository, mirror, {"a.py": "1\n", "b.py": "2\n"})
    loose_file(folder, files["a.py"]).unlink()
    repository.path.rename(repository.path.with_name("away"))
    with pytest.raises(LivegraftError):
        mirror.read(files["a.py"])

    for _ in range(2):
        with pytest.raises(MirrorError, match="could not be rebuilt") as caught:
            mirror.fetch()
        assert caught.value.kind == "damaged"
        assert mirror.read(files["b.py"]) == b"2\n"

    repository.path.with_name("away").rename(repository.path)
    mirror.fetch()
    assert mirror.read(files["a.py"]) == b"1\n"


def test_reading_goes_on_while_the_mirror_is_rebuilt(repository: Repository, mirror: GitMirror, folder: Path) -> None:
    files = fetch_loose(repository, mirror, {f"{number}.py": f"{number}\n" for number in range(90)})
    sound, broken = files["1.py"], files["2.py"]
    loose_file(folder, broken).unlink()
    repository.path.rename(repository.path.with_name("away"))
    with pytest.raises(LivegraftError):
        mirror.read(broken)
    repository.path.with_name("away").rename(repository.path)
    failures: list[BaseException] = []
    done = threading.Event()

    def read_on() -> None:
        while not done.is_set():
            try:
                mirror.read(sound)
            except LivegraftError as error:
                failures.append(error)

    reader = threading.Thread(target=read_on)
    reader.start()
    mirror.fetch()
    done.set()
    reader.join()

    assert failures == []
    assert mirror.read(broken) == b"2\n"
    assert not folder.with_name("mirror.rebuilt").exists()
    assert not folder.with_name("mirror.damaged").exists()


def test_git_killed_at_any_moment_of_a_fetch_breaks_nothing(repository: Repository, folder: Path) -> None:
    repository.commit_files({f"{number}.py": f"{number}\n" * 50 for number in range(400)})
    mirror = GitMirror(str(repository.path), folder=folder)
    chance = random.Random(7)
    for round in range(15):
        id = repository.commit_files({"a.py": f"{round}\n", f"{round}.txt": "x" * 10_000})
        killer = threading.Thread(target=kill_git_soon, args=(chance.random() * 0.03,))
        killer.start()
        sync(mirror)
        killer.join()
    sync_twice(mirror)

    tip = mirror.fetch()

    assert tip.id == id
    assert len(mirror.snapshot(tip).files) == 400 + 1 + 15
    assert not list(folder.rglob("tmp_*"))
    mirror.close()


def kill_git_soon(seconds: float) -> None:
    threading.Event().wait(seconds)
    for process in psutil.Process().children(recursive=True):  # not all: a database of other tests is one too
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("git"):
                process.kill()


def sync(mirror: GitMirror) -> None:
    """What the supervisor does at each poll: fetch, read, and go on whatever happens."""
    try:
        for blob in mirror.snapshot(mirror.fetch()).files.values():
            mirror.read(blob)
    except LivegraftError:
        pass


def sync_twice(mirror: GitMirror) -> None:
    sync(mirror)
    sync(mirror)
