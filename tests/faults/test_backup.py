"""Backups that are taken under load, and the doctor, as people use them from the command line."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from livegraft import Supervisor
from livegraft.errors import ConflictError, StoreError
from livegraft.store import sqlite_file
from tests.support.history import a_history
from tests.support.host import a_host
from tests.support.repository import Repository


def livegraft(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LIVEGRAFT_STORE"}
    command = [sys.executable, "-m", "livegraft", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)


def examined(data: Path, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = livegraft("doctor", *words, "--data", str(data), "--json")
    return done.returncode, {each["what"]: each for each in json.loads(done.stdout)["findings"]}


def test_a_backup_that_is_taken_under_load_restores_and_starts(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with a_host(tmp_path, files={"prints.py": "def run(): print('words')\n"}) as host:
        before = [host.supervisor.run("prints") for _ in range(20)]
        for run in before:
            run.wait(30)
        under_way = [host.supervisor.run("prints") for _ in range(50)]
        done = livegraft("backup", str(backup), "--data", str(host.supervisor.data))
        for run in under_way:
            run.wait(30)
        after = host.supervisor.run("prints")
        after.wait(30)
        repository = host.repository.path
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{backup.stat().st_size} bytes, checked" in done.stdout

    data = tmp_path / "data"
    for file in data.glob("history.db*"):
        file.unlink()
    shutil.copy(backup, data / "history.db")

    with Supervisor(repository, data=data, probe=False, environments=False, poll_seconds=3600) as supervisor:
        for run in before:
            assert supervisor.find_run(run.id).state == "succeeded"
            assert supervisor.whole_output(run.id) == b"words\n"
        assert supervisor.store.runs.get(after.id) is None
        assert supervisor.run("prints").wait(30).state == "succeeded"


def test_a_backup_does_not_replace_a_file_unless_it_is_told(tmp_path: Path) -> None:
    a_history(tmp_path / "history.db").close()
    target = tmp_path / "backup.db"
    target.write_text("a letter")

    with pytest.raises(ConflictError, match="expected no file at"):
        sqlite_file.copy(tmp_path / "history.db", target)
    assert target.read_text() == "a letter"

    sqlite_file.copy(tmp_path / "history.db", target, overwrite=True)
    assert sqlite_file.find_damage(target) == []


def test_a_backup_that_cannot_be_whole_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    store = a_history(file)
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as damaged:
        damaged.seek(8 << 10)
        damaged.write(os.urandom(32 << 10))

    with pytest.raises(StoreError, match=r"could not be copied|is damaged"):
        sqlite_file.copy(file, tmp_path / "backup.db")

    assert [each.name for each in tmp_path.glob("backup*")] == []


def test_a_history_in_postgresql_is_for_its_own_tools(tmp_path: Path) -> None:
    done = livegraft("backup", str(tmp_path / "b.db"), "--store", "postgresql://nobody@127.0.0.1:1/none")

    assert done.returncode == 2
    assert "use pg_dump" in done.stderr


def test_the_doctor_finds_nothing_on_a_data_folder_that_is_well(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"prints.py": "def run(): print('words')\n"}) as host:
        host.supervisor.run("prints").wait(30)
        status, found = examined(host.supervisor.data, str(host.repository.path))

    assert {each["what"]: each["found"] for each in found.values() if each["state"] == "fault"} == {}
    assert status == 0
    assert found["history"]["found"] == "is whole"
    assert found["history size"]["found"].endswith(" 1 run")
    assert "-0.0" not in found["clock, file system"]["found"]
    assert {"mirror", "repository", "disk space", "time zones", "git", "uv", "probe"} <= found.keys()


def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"a.py": "def run(): ...\n"})
    data = tmp_path / "data"
    a_history(data / "history.db").close()
    shutil.copytree(repository.path / ".git", data / "mirror.git")
    for file in (data / "mirror.git" / "objects").rglob("*"):
        if file.is_file():
            file.unlink()
    with (data / "history.db").open("r+b") as damaged:
        damaged.seek(8 << 10)
        damaged.write(os.urandom(32 << 10))

    status, found = examined(data, str(tmp_path / "nowhere"))

    assert status == 1
    faults = {name: each["advice"] for name, each in found.items() if each["state"] == "fault"}
    assert {"history", "mirror", "repository"} <= faults.keys()
    assert "remove" in faults["mirror"]

    (data / "history.db").unlink()
    (data / "history.id").write_text("7\n")
    status, found = examined(data)
    assert (status, found["history"]["advice"]) == (1, "restore a backup")
