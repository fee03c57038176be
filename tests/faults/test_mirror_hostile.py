"""A repository, a machine or a neighbour that wants more than to be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from livegraft.errors import MirrorError
from livegraft.mirror.git import GitMirror
from livegraft.mirror.limits import Limits
from tests.support import Repository
from tests.support.git_processes import kill_git
from tests.support.raw_objects import commit_tree, write_object, write_tree


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b"git~1"])
def test_names_that_lead_out_of_a_directory_never_arrive(
    repository: Repository, mirror: GitMirror, name: bytes
) -> None:
    repository.commit_files({"a.py": "1\n"})
    tip = mirror.fetch()
    blob = write_object(repository, "blob", b"2\n")
    inner = write_tree(repository, [("100644", b"hooks", blob)])
    commit_tree(repository, write_tree(repository, [("40000", name, inner)]))

    with pytest.raises(MirrorError, match="git refuses") as caught:
        mirror.fetch()

    assert caught.value.kind == "damaged"
    assert mirror.tip() == tip, "what was there before stays"


@pytest.mark.parametrize("mode", ["40000", "040000"])
def test_a_directory_written_by_an_old_tool_is_read(repository: Repository, mirror: GitMirror, mode: str) -> None:
    blob = write_object(repository, "blob", b"1\n")
    inner = write_tree(repository, [("100644", b"a.py", blob)])
    commit_tree(repository, write_tree(repository, [(mode, b"old", inner)]))

    assert set(mirror.snapshot(mirror.fetch()).files) == {"old/a.py"}


def test_a_replaced_object_is_read_as_it_was_committed(repository: Repository, mirror: GitMirror) -> None:
    repository.commit_files({"a.py": "honest\n"})
    honest = repository.git("rev-parse", "main:a.py")
    repository.write({"evil.py": "evil\n"})
    evil = repository.git("hash-object", "-w", "evil.py")
    repository.git("replace", honest, evil)
    assert repository.git("cat-file", "blob", "main:a.py") == "evil", "git itself is deceived"

    files = mirror.snapshot(mirror.fetch()).files

    assert mirror.read(files["a.py"]) == b"honest\n"


def test_a_replacement_planted_in_the_mirror_deceives_nobody(
    repository: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    repository.commit_files({"a.py": "honest\n", "evil.py": "evil\n"})
    files = mirror.snapshot(mirror.fetch()).files
    planted = ["git", "--git-dir", str(tmp_path / "data" / "mirror"), "replace", files["a.py"], files["evil.py"]]
    subprocess.run(planted, check=True)
    kill_git()

    assert mirror.read(files["a.py"]) == b"honest\n"


def test_hooks_and_settings_planted_in_the_mirror_run_nothing(
    repository: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    repository.commit()
    mirror.fetch()
    folder = tmp_path / "data" / "mirror"
    (folder / "hooks").mkdir()
    for name in ("reference-transaction", "post-checkout", "pre-auto-gc", "post-merge"):
        plant_program(folder / "hooks" / name, witness)
    program = plant_program(tmp_path / "program", witness)
    with (folder / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {program}\n\tsshCommand = {program}\n\tgitProxy = {program}\n")
        config.write(f"[uploadpack]\n\tpackObjectsHook = {program}\n[credential]\n\thelper = {program}\n")
    id = repository.commit()

    assert mirror.fetch().id == id
    assert not witness.exists()


def test_hooks_and_settings_of_a_local_repository_run_nothing(
    repository: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    program = plant_program(tmp_path / "program", witness)
    id = repository.commit_files({".gitattributes": "* filter=evil diff=evil\n", "a.py": "1\n"})
    for setting in ("core.fsmonitor", "uploadpack.packObjectsHook", "filter.evil.smudge", "diff.evil.textconv"):
        repository.git("config", setting, str(program))
    (repository.path / ".git" / "hooks").mkdir()
    for hook in ("reference-transaction", "post-update", "pre-receive"):
        plant_program(repository.path / ".git" / "hooks" / hook, witness)

    assert mirror.fetch().id == id
    assert mirror.read(mirror.snapshot(mirror.fetch()).files["a.py"]) == b"1\n"
    assert not witness.exists()


def test_settings_of_the_account_and_the_environment_run_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    program = plant_program(tmp_path / "program", witness)
    (tmp_path / ".gitconfig").write_text(f"[core]\n\tfsmonitor = {program}\n\thooksPath = {tmp_path}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "uploadpack.packObjectsHook")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(program))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    mirror = GitMirror(str(repository.path), folder=tmp_path / "mirror")
    monkeypatch.delenv("GIT_DIR")
    id = repository.commit()

    assert mirror.fetch().id == id
    assert not witness.exists()
    mirror.close()


def test_no_file_of_the_repository_is_ever_written_out(
    repository: Repository, mirror: GitMirror, tmp_path: Path
) -> None:
    repository.commit_files({"marker-name.py": "marker content\n"})
    mirror.snapshot(mirror.fetch())

    written = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]

    assert not [file for file in written if "marker-name" in file.name or b"marker content" in file.read_bytes()]


def test_a_pack_beyond_the_limit_is_cut_and_the_mirror_goes_on(repository: Repository, tmp_path: Path) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror = GitMirror(str(repository.path), folder=tmp_path / "mirror", limits=Limits(pack_bytes=200_000))
    tip = mirror.fetch()
    repository.commit_files({"big.bin": os.urandom(1_000_000).hex()})

    with pytest.raises(MirrorError, match="pack_bytes"):
        mirror.fetch()

    assert mirror.tip() == tip
    assert not list((tmp_path / "mirror").rglob("tmp_*"))
    repository.git("reset", "-q", "--hard", "HEAD~1")
    id = repository.commit_files({"b.py": "2\n"})
    assert mirror.fetch().id == id
    mirror.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to see what is started")
def test_a_fetch_starts_git_alone(repository: Repository, tmp_path: Path) -> None:
    repository.commit_files({"a.py": "1\n", ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::touch x\n'})
    trace = tmp_path / "trace"
    program = (
        "import sys; from pathlib import Path; from livegraft.mirror.git import GitMirror;"
        "mirror = GitMirror(sys.argv[1], folder=Path(sys.argv[2])); mirror.snapshot(mirror.fetch()); mirror.close()"
    )
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o", str(trace),
         sys.executable, "-c", program, str(repository.path), str(tmp_path / "mirror")],
        check=True, capture_output=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip

    started = [line.split('"')[1].rsplit("/", 1)[1] for line in trace.read_text().splitlines() if "execve(" in line]

    assert set(started[1:]) <= {"git", "git-upload-pack", "sh"}


def test_a_folder_planted_as_a_link_is_not_followed_by_a_sweep(repository: Repository, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "tmp_obj_x").write_text("x")
    repository.commit()
    mirror = GitMirror(str(repository.path), folder=tmp_path / "mirror")
    (tmp_path / "mirror" / "objects" / "tmp_link").symlink_to(precious)
    mirror.close()

    GitMirror(str(repository.path), folder=tmp_path / "mirror").close()

    assert (precious / "tmp_obj_x").exists()
    assert not (tmp_path / "mirror" / "objects" / "tmp_link").is_symlink()


def plant_program(file: Path, witness: Path) -> Path:
    """A program that leaves a trace when anybody runs it."""
    file.write_text(f"#!/bin/sh\ntouch {witness}\n")
    file.chmod(0o755)
    return file
