"""What becomes of a running server whose history is full, locked, deleted, replaced or damaged: people hear of it,
nothing that was acknowledged is lost, and it recovers by itself."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from livegraft.access import COOKIE
from livegraft.errors import StoreError
from livegraft.store import sqlite_file
from livegraft.store.sqlite import open_store
from tests.support import Repository
from tests.support.api import Api, an_api
from tests.support.disk import SmallDisk, a_breaking_disk, a_small_disk, mount
from tests.support.history import a_history
from tests.support.host import a_host
from tests.support.waiting import eventually

CYCLES = int(os.environ.get("LIVEGRAFT_FULL_DISK", "3"))
SCRIPTS = {
    "prints.py": "def run(): print('x' * 5_000)\n",
    "goes.py": """
        import time
        from pathlib import Path
        def run(until: str):
            while not Path(until).exists():
                time.sleep(0.01)
            return "ended"
        """,
}


def health(api: Api) -> Any:
    return api.send("GET", "/health").json()


def is_well(api: Api) -> bool:
    return bool(health(api)["history"] == "ok")


def start(api: Api, script: str = "prints", **arguments: Any) -> httpx.Response:
    return api.send("POST", f"/scripts/{script}/runs?wait=30", json={"arguments": arguments})


def page(api: Api, path: str = "/system") -> httpx.Response:
    session = api.access.redeem(api.access.new_login_token())
    return httpx.get(api.origin + path, headers={"Cookie": f"{COOKIE}={session}"}, timeout=30)


def says(api: Api, words: str) -> None:
    """API, pages and refused runs tell what is wrong."""
    eventually(lambda: words in health(api)["history"], 10, words)
    assert api.send("GET", "/health").status_code == 503
    shown = page(api)
    assert shown.status_code == 200
    assert "The history cannot be written" in shown.text


@contextmanager
def going(api: Api, tmp_path: Path) -> Iterator[str]:
    """A run that was acknowledged before the block, and ends inside of it."""
    flag = tmp_path / "flag"
    run = api.start("goes", until=str(flag))
    eventually(lambda: api.get(f"/runs/{run}")["state"] == "running")
    yield run
    eventually(lambda: api.get(f"/runs/{run}")["state"] == "succeeded", 20, "it ends")
    with closing(sqlite3.connect(api.host.supervisor.data / "history.db")) as connection:
        # Pages tell of it as soon as it ended; it is written when it can be.
        state = "SELECT state FROM runs WHERE id = ?"
        eventually(lambda: connection.execute(state, [run]).fetchall() == [("succeeded",)], 20, "its end is written")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with a_small_disk(tmp_path / "data") as disk:
        yield disk


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("host"), SCRIPTS) as api:
        yield api


@pytest.fixture
def file(api: Api) -> Path:
    return api.host.supervisor.data / "history.db"


@pytest.mark.timeout(3600)
def test_a_disk_that_is_full_again_and_again_costs_no_acknowledged_run(disk: SmallDisk, tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    refused = 0
    with an_api(tmp_path, SCRIPTS) as api:
        for cycle in range(CYCLES):
            flag = tmp_path / f"flag{cycle}"
            under_way = api.start("goes", until=str(flag))
            eventually(lambda run=under_way: api.get(f"/runs/{run}")["state"] == "running")  # type: ignore[misc]
            disk.fill()
            says(api, "full")
            for _ in range(30):
                answer = start(api)
                if answer.status_code == 201:
                    acknowledged[answer.json()["id"]] = "succeeded"
                else:
                    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store"), answer.text
                    refused += 1
                    break
            flag.touch()
            disk.free()
            eventually(lambda: is_well(api), 10, "it recovers by itself")
            acknowledged[under_way] = "succeeded"
            acknowledged[api.run("prints")["id"]] = "succeeded"
            for run, state in acknowledged.items():
                eventually(lambda run=run, state=state: api.get(f"/runs/{run}")["state"] == state, 20, run)  # type: ignore[misc]
    with closing(sqlite3.connect(disk.folder / "history.db")) as connection:
        kept = dict(connection.execute("SELECT id, state FROM runs").fetchall())
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {run: kept.get(run) for run in acknowledged} == acknowledged
    assert refused > 0
    print(f"{CYCLES} cycles, {len(acknowledged)} acknowledged runs, 0 lost, {refused} refused")


def test_a_history_that_another_process_locks_is_told_and_waited_for(api: Api, file: Path, tmp_path: Path) -> None:
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
    program += "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    with going(api, tmp_path):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            says(api, "database is locked")
            (tmp_path / "flag").touch()
            other.kill()
        eventually(lambda: is_well(api), 10)
    assert start(api).status_code == 201


def test_a_history_that_is_moved_away_is_missed_and_used_again_when_it_is_back(
    api: Api, file: Path, tmp_path: Path
) -> None:
    with going(api, tmp_path):
        file.rename(file.with_name("moved"))
        says(api, "was deleted or moved away")
        (tmp_path / "flag").touch()
        answer = start(api)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store")
        assert not file.exists()  # nothing made an empty one
        file.with_name("moved").rename(file)
        eventually(lambda: is_well(api), 10)
    assert start(api).status_code == 201


def test_a_backup_that_is_put_in_the_place_of_a_deleted_history_is_used_without_a_restart(
    api: Api, file: Path, tmp_path: Path
) -> None:
    before = api.run("prints")["id"]
    sqlite_file.copy(file, tmp_path / "backup.db")
    file.unlink()
    says(api, "was deleted or moved away")

    shutil.move(tmp_path / "backup.db", file)

    eventually(lambda: is_well(api), 10)
    assert api.get(f"/runs/{before}")["state"] == "succeeded"
    after = api.run("prints")["id"]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM runs WHERE id IN (?, ?)", [before, after]).fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_damaged_history_is_told_and_a_backup_is_used_without_a_restart(api: Api, file: Path, tmp_path: Path) -> None:
    before = api.run("prints")["id"]
    sqlite_file.copy(file, tmp_path / "backup.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as damaged:
        damaged.write(os.urandom(64 << 10))
    says(api, "cannot be used")

    os.replace(tmp_path / "backup.db", file)

    eventually(lambda: is_well(api), 10)
    assert api.get(f"/runs/{before}")["state"] == "succeeded"
    assert start(api).status_code == 201


def test_an_empty_history_in_the_place_of_a_running_one_is_not_taken_for_it(api: Api, file: Path) -> None:
    file.rename(file.with_name("moved"))
    a_history(file.with_name("other.db")).close()
    with closing(sqlite3.connect(file.with_name("other.db"))) as other:
        other.execute("PRAGMA application_id = 7")
    os.replace(file.with_name("other.db"), file)

    says(api, "was replaced by another file")

    file.with_name("moved").rename(file)
    eventually(lambda: is_well(api), 10)


def test_a_start_without_the_history_that_was_there_is_refused_until_a_person_says_so(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    a_history(file).close()
    file.unlink()
    for _ in range(2):
        with pytest.raises(
            StoreError, match="which this folder had, it is gone: restore a backup to its place, or rem"
        ):
            open_store(file)
        file.touch()  # as something that opens it may leave it

    file.with_suffix(".id").unlink()

    open_store(file).close()


def test_a_start_with_another_history_than_was_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    a_history(file).close()
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA application_id = 7")

    with pytest.raises(StoreError, match="which this folder had, it is number 7: restore"):
        open_store(file)


def test_a_disk_that_is_set_read_only_is_told_and_used_again_when_it_is_repaired(tmp_path: Path) -> None:
    with a_breaking_disk(tmp_path / "data") as disk, an_api(tmp_path, SCRIPTS) as api:
        acknowledged = [api.run("prints")["id"] for _ in range(5)]
        with going(api, tmp_path) as under_way:
            disk.fail()

            answer = start(api)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store"), answer.text
            says(api, "read-only")
            (tmp_path / "flag").touch()
            assert page(api, f"/runs/{acknowledged[0]}").status_code == 200

            disk.repair()
            eventually(lambda: is_well(api), 20, "it recovers by itself")
        acknowledged += [under_way, api.run("prints")["id"]]
        assert {api.get(f"/runs/{run}")["state"] for run in acknowledged} == {"succeeded"}


def test_a_process_whose_disk_is_read_only_stops_in_order(tmp_path: Path) -> None:
    with a_breaking_disk(tmp_path / "data") as disk:
        with a_host(tmp_path, files=SCRIPTS) as host:
            host.supervisor.run("prints")
            disk.fail()

        assert host.supervisor.health()["status"] == "stopped"
        with pytest.raises(StoreError, match="closed"):
            host.supervisor.store.runs.get("0")


def test_a_start_on_a_disk_that_only_reads_says_so(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files(SCRIPTS)
    with a_small_disk(tmp_path / "data"):
        a_history(tmp_path / "data" / "history.db").close()
        mount("-o", "remount,ro", str(tmp_path / "data"))
        command = [sys.executable, "-m", "livegraft", "serve", str(repository.path), "--data", str(tmp_path / "data")]
        done = subprocess.run([*command, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 6
    assert "livegraft: expected to write into the data folder" in done.stderr
    assert "Traceback" not in done.stderr
