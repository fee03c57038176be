from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from livegraft.errors import ConfigurationError, MirrorError
from livegraft.mirror.bare import BareFolder


@pytest.fixture
def bare(tmp_path: Path) -> BareFolder:
    bare = BareFolder(tmp_path / "mirror", "/srv/scripts")
    bare.prepare()
    return bare


def test_a_prepared_folder_is_an_empty_bare_repository_to_git(bare: BareFolder) -> None:
    done = subprocess.run(
        ["git", "--git-dir", str(bare.folder), "rev-parse", "--is-bare-repository"], capture_output=True, check=True
    )

    assert done.stdout == b"true\n"


def test_nobody_else_may_look_into_it(bare: BareFolder) -> None:
    bare.folder.chmod(0o755)
    bare.prepare()

    assert bare.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(bare: BareFolder) -> None:
    os.chown(bare.folder, 65534, 65534)

    with pytest.raises(ConfigurationError, match="belong"):
        bare.prepare()


def test_settings_are_written_anew_and_planted_files_removed(bare: BareFolder, tmp_path: Path) -> None:
    (bare.folder / "config").write_text("[core]\n\tsshCommand = touch /tmp/x\n")
    (bare.folder / "hooks").mkdir()
    (bare.folder / "hooks" / "reference-transaction").write_text("#!/bin/sh\n")
    (bare.folder / "objects" / "info" / "alternates").write_text("/elsewhere\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (bare.folder / "info").symlink_to(outside)

    bare.guard()

    assert "sshCommand" not in (bare.folder / "config").read_text()
    assert not (bare.folder / "hooks").exists()
    assert not (bare.folder / "objects" / "info" / "alternates").exists()
    assert not (bare.folder / "info").exists()
    assert outside.exists(), "what a link leads to is not ours"


def test_a_config_that_leads_elsewhere_is_replaced_and_not_written_through(bare: BareFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    (bare.folder / "config").unlink()
    (bare.folder / "config").symlink_to(elsewhere)

    bare.guard()

    assert elsewhere.read_text() == "precious"
    assert not (bare.folder / "config").is_symlink()


@pytest.mark.parametrize(
    "name",
    ["objects/pack/tmp_pack_x", "objects/pack/.tmp-1-pack-x.pack", "objects/ab/tmp_obj_x", "FETCH_HEAD"],
)  # fmt: skip
def test_what_a_killed_git_left_behind_is_swept(bare: BareFolder, name: str) -> None:
    leftover = bare.folder / name
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_text("x")

    bare.sweep()

    assert not leftover.exists()


def test_one_at_a_time_changes_the_folder(bare: BareFolder) -> None:
    with bare.locked(1), pytest.raises(MirrorError, match="another process holds it"), bare.locked(0.05):
        pass


def test_the_folder_is_free_again_after_its_holder(bare: BareFolder) -> None:
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with bare.locked(1):
            held.set()
            let_go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    let_go.set()

    with bare.locked(5):
        holder.join()


@pytest.mark.parametrize("name", ["packed-refs.lock", "refs/livegraft/main.lock", "refs/livegraft/team/live.lock"])
def test_a_lock_that_a_killed_git_left_behind_is_removed(bare: BareFolder, name: str) -> None:
    lock = bare.folder / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("")

    bare.guard()

    assert not lock.exists()
