"""What follows from the deaths of processes: strikes, the last good release, safe mode."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from livegraft import Supervisor, process
from livegraft.crash_marker import CrashMarker, take_crashes
from livegraft.errors import ConflictError, LoadError, NotLiveError, NotRunnableError
from livegraft.run import RunState
from livegraft.store import SlotCause, SlotState
from livegraft.testing import FakeClock
from tests.support import Repository
from tests.support.history import put_history
from tests.support.host import Host
from tests.support.waiting import eventually

GOOD = "def run():\n    return 'good'\n"
BAD = "def run():\n    return 'bad'\n"
WAITS = """
    import time
    from pathlib import Path

    def run(gate: str = ""):
        while gate and Path(gate).exists():
            time.sleep(0.01)
        if gate:
            raise RuntimeError("its process is dead already")
    """


class Lives:
    """Hosts on one repository and one folder, one after the other; those that die leave what a dead process leaves."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository.create(folder / "scripts")
        self.data = folder / "data"
        put_history(self.data / "history.db")
        self.gate = folder / "gate"
        self.gate.touch()
        self._deaths = 0
        self._began = datetime.now(UTC)

    @contextmanager
    def life(self, **settings: Any) -> Iterator[Host]:
        self._began = datetime.now(UTC)
        settings = {
            "poll_seconds": 3600.0,
            "probe": False,
            "tick": False,
            "environments": False,
            "data": self.data,
            **settings,
        }
        with Supervisor(self.repository.path, **settings) as supervisor:
            yield Host(self.repository, supervisor)

    @contextmanager
    def death(self, **settings: Any) -> Iterator[Host]:
        """A host that dies at the end of the block, in the middle of what it does then."""
        with self.life(**settings) as host:
            yield host
            [file] = (self.data / "crashes").iterdir()
            marks = file.read_bytes()
            self.gate.unlink(missing_ok=True)
        self.gate.touch()
        self.leave(marks)

    def settle(self, host: Host) -> None:
        """Wait until the live release has proved itself in this life."""
        revision, releases = host.supervisor.sync_status.revision, host.supervisor.store.releases
        eventually(
            lambda: (at := dict(releases.settled()).get(revision or "")) and at > self._began, 10, "it proves itself"
        )

    def leave(self, marks: bytes, boot: str | None = None) -> None:
        self._deaths += 1
        boot = boot or process.identity().rpartition(":")[2]
        (self.data / "crashes" / f"1:{self._deaths}:{boot}:0").write_bytes(marks)

    def run(self, host: Host, script: str) -> str:
        """Start a run that goes on until the host dies."""
        run = host.supervisor.run(script, gate=str(self.gate))
        eventually(lambda: run.state is RunState.RUNNING, what="it runs")
        return run.id


@pytest.fixture
def lives(tmp_path: Path) -> Lives:
    return Lives(tmp_path)


def result(host: Host, script: str = "a") -> object:
    record = host.supervisor.run(script).wait(60)
    return record.result.value if record.result else record.failure


def die_after_a_good_commit(lives: Lives) -> tuple[str, str]:
    """One commit proves itself, and the process dies soon after the next one: both revisions."""
    good = lives.repository.commit_files({"a.py": GOOD, "c.py": GOOD})
    with lives.life(settle_seconds=0.05) as host:
        lives.settle(host)
    with lives.death() as host:
        lives.repository.delete("c.py")
        bad = lives.repository.commit_files({"a.py": BAD, "b.py": BAD})
        host.sync()
        assert result(host) == "bad"
    return good, bad


def die_again(lives: Lives) -> None:
    with lives.death() as host:
        assert result(host) == "good"


class TestTheLastGoodRelease:
    def test_follows_a_death_soon_after_a_switch_and_the_commit_is_refused(self, lives: Lives) -> None:
        good, bad = die_after_a_good_commit(lives)

        with lives.life() as host:
            assert result(host) == "good"
            refusal = host.supervisor.refusal
            assert refusal is not None
            assert (refusal.revision, refusal.reason) == (
                bad,
                f"the process died soon after it switched to commit {bad[:8]}",
            )
            assert [each.script for each in refusal.scripts] == ["a", "b", "c"]
            assert host.supervisor.sync_status.revision == good
            assert host.supervisor.script("a").words == "live (older commit)"
            assert host.supervisor.health()["crash"] == refusal.reason
            assert {row.action for row in host.supervisor.audit()} == {"crash", "refuse commit"}

    def test_stays_when_the_refused_commit_is_looked_at_again_and_after_a_restart(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)

        for _ in range(2):
            with lives.life() as host:
                host.sync()
                host.supervisor.unpin("a", actor="dana") if host.supervisor.script("a").pin else None
                assert result(host) == "good"

    def test_serves_while_the_repository_cannot_be_read(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        lives.repository.path.rename(lives.repository.path.with_name("gone"))

        with lives.life() as host:
            assert host.supervisor.sync_status.state == "failing"
            assert result(host) == "good"

    def test_is_over_with_the_next_commit_which_is_watched_anew(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)

        with lives.death() as host:
            newer = lives.repository.commit_files({"a.py": "def run():\n    return 'newer'\n"})
            host.sync()
            assert result(host) == "newer"
            assert host.supervisor.refusal is None
            assert not host.supervisor._crashes.refusal(newer)

        with lives.life() as host:
            assert result(host) == "good"
            refusal = host.supervisor.refusal
            assert refusal is not None
            assert refusal.revision == newer

    def test_is_over_when_a_person_resumes(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)

        with lives.life() as host:
            host.supervisor.resume(actor="dana")
            assert result(host) == "bad"
            with pytest.raises(ConflictError, match="there is neither"):
                host.supervisor.resume(actor="dana")
            [row] = [row for row in host.supervisor.audit() if row.action == "lift refuse commit"]
            assert row.actor == "dana"

    def test_is_not_asked_for_when_the_commit_had_proved_itself(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": BAD})
        with lives.death(settle_seconds=0.05) as host:
            lives.settle(host)

        with lives.life() as host:
            assert result(host) == "bad"
            assert host.supervisor.refusal is None

    def test_is_not_asked_for_when_the_process_was_stopped(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD})
        with lives.life(settle_seconds=0.05) as host:
            lives.settle(host)
        with lives.life() as host:
            host.take({"a.py": BAD})

        with lives.life() as host:
            assert result(host) == "bad"

    def test_is_not_asked_for_after_the_machine_was_started_again(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD})
        with lives.life(settle_seconds=0.05) as host:
            lives.settle(host)
        with lives.life() as host:
            host.take({"a.py": BAD})
            [file] = (lives.data / "crashes").iterdir()
            marks = file.read_bytes()
        lives.leave(marks, boot="0f0f0f0f")

        with lives.life() as host:
            assert result(host) == "bad"
            assert len(list((lives.data / "crashes").iterdir())) == 1, "the mark of this process"

    def test_is_not_asked_for_when_deaths_are_not_judged(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)

        with lives.life(settle_seconds=0) as host:
            assert result(host) == "bad"
            assert list((lives.data / "crashes").iterdir()) == []
        with lives.life() as host:
            assert result(host) == "bad"

    def test_is_one_that_did_not_kill_when_none_has_proved_itself(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD})
        with lives.life():
            pass
        with lives.death() as host:
            host.take({"a.py": BAD})

        with lives.life() as host:
            assert result(host) == "good"

    def test_of_a_history_that_is_gone_is_passed_over(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        lives.repository.git("commit", "-q", "--amend", "-m", "another")
        first = lives.repository.git("rev-parse", "HEAD")

        with lives.life(accept_rewritten=True) as host:
            assert host.supervisor.sync_status.revision == first
            assert result(host) == "bad"

    def test_is_that_of_whole_releases_too(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)

        with lives.life(release="whole") as host:
            assert result(host) == "good"


class TestSafeMode:
    def test_follows_a_second_death_and_loads_no_code(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)

        with lives.life() as host:
            assert "and died again soon after it began with commit" in host.supervisor.safe_mode
            assert host.supervisor.versions() == []
            assert [script.name for script in host.supervisor.scripts] == ["a", "b"]
            assert host.supervisor.health()["status"] == "degraded"
            assert host.supervisor.health()["safe_mode"] == host.supervisor.safe_mode
            assert host.supervisor.sync_status.revision is None
            with pytest.raises(NotRunnableError, match="safe mode, no code of scripts is loaded"):
                host.supervisor.run("a")
            with pytest.raises(NotLiveError):
                host.live.a.run()
            with pytest.raises(LoadError):
                host.supervisor.pin("a", key=host.supervisor.script_versions("a")[0].key, actor="dana")
            assert host.supervisor.versions() == []

    def test_says_so_when_a_person_syncs(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)

        with lives.life() as host:
            assert host.supervisor.sync().error.startswith("safe mode: ")

    def test_ends_with_the_next_commit(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)

        with lives.life() as host:
            host.take({"a.py": "def run():\n    return 'mended'\n"})
            assert result(host) == "mended"
            assert result(host, "b") == "bad"
            assert not host.supervisor.safe_mode
            assert host.supervisor.health()["status"] == "ok"
        with lives.life() as host:
            assert result(host) == "mended"

    def test_ends_with_a_commit_that_came_while_there_was_no_process(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)
        lives.repository.commit_files({"a.py": "def run():\n    return 'mended'\n"})

        with lives.life() as host:
            assert result(host) == "mended"

    def test_ends_when_a_person_resumes(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)

        with lives.life() as host:
            host.supervisor.resume(actor="dana")
            assert result(host) == "bad"

    def test_stays_after_a_restart(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        die_again(lives)

        with lives.life() as host:
            assert host.supervisor.safe_mode
        with lives.life() as host:
            assert host.supervisor.safe_mode

    def test_follows_two_deaths_of_the_first_commit_that_there_is(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": BAD})
        with lives.death():
            pass
        with lives.death() as host:
            assert result(host) == "bad", "there is no other"

        with lives.life() as host:
            assert host.supervisor.safe_mode

    def test_does_not_follow_a_death_after_the_last_good_release_proved_itself_again(self, lives: Lives) -> None:
        die_after_a_good_commit(lives)
        with lives.life(settle_seconds=0.05) as host:
            lives.settle(host)
        die_again(lives)

        with lives.life() as host:
            assert result(host) == "good"

    def test_does_not_follow_deaths_of_a_release_that_had_proved_itself(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": BAD})
        with lives.life(settle_seconds=0.05) as host:
            lives.settle(host)
        for _ in range(3):
            with lives.death() as host:
                assert result(host) == "bad"

    def test_skips_due_times_and_says_so(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": f"# cron: * * * * *\n{GOOD}"})
        clock = FakeClock(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))

        with lives.life(safe=True, tick=True, clock=clock) as host:
            eventually(lambda: "a" in host.supervisor._timetable._ticker._entries)
            clock.advance(60)
            eventually(lambda: host.supervisor.slots(), what="the slot is told")
            [slot] = host.supervisor.slots()
        assert (slot.state, slot.cause, slot.run_id) == (SlotState.SKIPPED, SlotCause.SAFE_MODE, None)

    def test_can_be_asked_for_and_ends_with_that_process(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD})

        with lives.life(safe=True) as host:
            assert host.supervisor.safe_mode == "it was started with --safe"
            host.take({"a.py": BAD})
            assert host.supervisor.safe_mode
            assert host.supervisor.versions() == []
            host.supervisor.resume(actor="dana")
            assert result(host) == "bad"
        with lives.life() as host:
            assert not host.supervisor.safe_mode

    def test_keeps_lost_runs_until_it_ends(self, lives: Lives) -> None:
        header = "# /// script\n# [tool.livegraft]\n# retry-on-crash = true\n# ///\n"
        lives.repository.commit_files({"a.py": header + GOOD})
        with lives.life() as host:
            run = host.supervisor.run("a").wait(60)
        with lives.life(safe=True) as host:
            host.supervisor._recovery._lost.append(run)
            host.supervisor.sync()
            host.supervisor.resume(actor="dana")
            eventually(lambda: [each.attempt for each in host.supervisor.repeats(run.id)] == [2], what="it is tried")


class TestStrikes:
    def die_running(self, lives: Lives, *scripts: str) -> None:
        with lives.death(settle_seconds=0.05) as host:
            lives.settle(host)
            for script in scripts:
                lives.run(host, script)

    def test_the_third_quarantines_the_version_that_ran(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": WAITS})
        for _ in range(2):
            self.die_running(lives, "a")
        with lives.life() as host:
            assert host.supervisor.script("a").quarantine is None
        self.die_running(lives, "a")

        with lives.life() as host:
            quarantine = host.supervisor.script("a").quarantine
            assert quarantine is not None
            assert (quarantine.actor, quarantine.reason) == (
                "livegraft",
                "3 processes died while they ran this version",
            )
            assert not host.supervisor.safe_mode
            host.take({"a.py": f"{WAITS}\n    # mended"})
            assert host.supervisor.script("a").quarantine is None

    def test_are_told_with_the_run_that_was_lost(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": WAITS})
        with lives.death() as host:
            record = host.supervisor.find_run(lives.run(host, "a"))
            store = host.supervisor.store
        with lives.life() as host:
            store = host.supervisor.store
            assert host.supervisor._crashes.suspicion(record.id) == "strike 1 of 3 for its version"
            [row] = store.audit.find(action="strike")
            assert (row.subject, row.detail["key"], row.detail["doing"]) == ("a", record.key, "running")

    def test_are_forgiven_when_a_run_succeeds(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": WAITS})
        for _ in range(2):
            self.die_running(lives, "a")
        with lives.life() as host:
            assert host.supervisor.run("a").wait(60).state is RunState.SUCCEEDED
            eventually(lambda: host.supervisor.store.audit.find(action="forgive strikes"), what="they are forgiven")
        self.die_running(lives, "a")

        with lives.life() as host:
            assert host.supervisor.script("a").quarantine is None

    def test_are_counted_anew_after_a_person_released_the_script(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": WAITS})
        for _ in range(3):
            self.die_running(lives, "a")
        with lives.life() as host:
            host.supervisor.release_quarantine("a", actor="dana")
        self.die_running(lives, "a")

        with lives.life() as host:
            assert host.supervisor.script("a").quarantine is None

    def test_of_several_runs_quarantine_the_one_that_began_last(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": WAITS, "b.py": WAITS})
        for _ in range(3):
            self.die_running(lives, "b", "a")

        with lives.life() as host:
            assert host.supervisor.script("a").quarantine is not None
            assert host.supervisor.script("b").quarantine is None

    def test_of_what_was_loading_keep_that_version_out_until_it_changes(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD, "b.py": GOOD})
        with lives.life(settle_seconds=0.05) as host:
            lives.settle(host)
            key = host.key("b")
        lives.repository.commit_files({"b.py": BAD})
        with lives.life(safe=True) as host:
            error = host.supervisor.script("b").error
            assert error is not None
            deadly = error.key
        for _ in range(3):
            marker = CrashMarker()
            marker.open(lives.data / "crashes")
            marker.running("a", key, "0" * 40, "1")
            marker.loading("b", deadly, "0" * 40)
            [file] = (lives.data / "crashes").iterdir()
            marks = file.read_bytes()
            marker.close()
            lives.leave(marks)
            with lives.life(safe=True):
                pass

        with lives.life() as host:
            status = host.supervisor.script("b")
            assert status.error is not None
            assert "3 processes died while they loaded this version" in status.error.failure.message
            assert status.version is not None
            assert status.version.key == key
            assert result(host, "b") == "good"
            assert not host.supervisor.store.audit.find(action="strike", subject="a"), "it only ran beside a load"
            host.take({"b.py": f"{BAD}# changed\n"})
            assert result(host, "b") == "bad"

    def test_of_a_load_are_forgiven_when_the_release_proves_itself(self, lives: Lives) -> None:
        lives.repository.commit_files({"a.py": GOOD})
        with lives.life() as host:
            key = host.key("a")
        marker = CrashMarker()
        marker.open(lives.data / "crashes")
        marker.loading("a", key, "0" * 40)
        [file] = (lives.data / "crashes").iterdir()
        marks = file.read_bytes()
        marker.close()
        lives.leave(marks)

        with lives.life(settle_seconds=0.05) as host:
            eventually(lambda: host.supervisor.store.audit.find(action="forgive strikes"), what="they are forgiven")


MARKS = """
import sys, time
from pathlib import Path
from livegraft import process
from livegraft.crash_marker import CrashMarker
process.identity = lambda: sys.argv[2]
marker = CrashMarker()
marker.open(Path(sys.argv[1]))
marker.running("pricing", "k", "abc", "run1")
print("marked", flush=True)
time.sleep(600)
"""


class TestTheMarker:
    def test_tells_the_innermost_import_of_each_thread_and_the_runs_in_order(self, tmp_path: Path) -> None:
        marker = CrashMarker()
        marker.open(tmp_path)
        marker.switched("abc")
        marker.free(marker.loading("done", "k", "abc"))
        marker.loading("outer", "k1", "abc")
        marker.loading("inner", "k2", "abc")
        for n in (1, 2, 3):
            marker.running(f"script {n}", "k", "abc", f"run{n}")
        [file] = tmp_path.iterdir()
        marks = file.read_bytes()
        marker.close()
        boot = process.identity().rpartition(":")[2]
        (tmp_path / f"1:2:{boot}:0").write_bytes(marks)

        [crash] = take_crashes(tmp_path)
        assert crash.revision == "abc"
        assert [(each.name, each.key) for each in crash.loading] == [("inner", "k2")]
        assert [(each.name, each.where) for each in crash.running] == [
            ("script 1", "run1"),
            ("script 2", "run2"),
            ("script 3", "run3"),
        ]
        assert take_crashes(tmp_path) == [], "it is told once"

    def test_of_a_container_that_died_is_told_in_the_next_one(self, tmp_path: Path) -> None:
        boot = process.identity().rpartition(":")[2].partition(".")[0]
        in_a_container = [sys.executable, "-c", MARKS, str(tmp_path), f"1:2:{boot}.f00d"]
        with subprocess.Popen(in_a_container, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "marked\n"
            assert take_crashes(tmp_path) == [], "it lives, though its pid means nothing here"
            other.kill()

        [crash] = take_crashes(tmp_path)
        assert [each.name for each in crash.running] == ["pricing"]

    def test_of_a_living_process_tells_nothing(self, tmp_path: Path) -> None:
        marker = CrashMarker()
        marker.open(tmp_path)
        assert take_crashes(tmp_path) == []
        marker.close()

    def test_that_cannot_be_written_marks_nothing_and_breaks_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        marker = CrashMarker()
        marker.open(tmp_path / "file")
        marker.free(marker.loading("a", "k", "abc"))
        marker.close()

    def test_with_more_at_once_than_it_has_places_marks_what_it_can(self, tmp_path: Path) -> None:
        marker = CrashMarker()
        marker.open(tmp_path)
        places = [marker.running("a", "k", "abc", str(n)) for n in range(2_000)]
        assert 0 in places
        for place in places:
            marker.free(place)
        assert marker.running("a", "k", "abc", "x") != 0
        marker.close()
