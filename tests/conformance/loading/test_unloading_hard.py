"""Cases 31 and 34 to 37 and 39: deadlines, what cannot be undone, finalizers, hosts that set up their collector."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livegraft import Supervisor, holders, region
from livegraft.errors import ConfigurationError, ConflictError, NotFoundError, UnloadedVersionError
from livegraft.version import VersionState
from tests.support import eventually
from tests.support.host import Host, a_host

NEXT = {"s.py": "def run(): return 'next'"}
KEPT: list[Any] = []


@pytest.fixture
def lean(tmp_path: Path) -> Iterator[Host]:
    with a_host(tmp_path, probe=False, tick=False) as host:
        yield host
    KEPT.clear()


def look_until(host: Host, key: str, *states: VersionState) -> Any:
    def reached() -> bool:
        host.supervisor._drainer.look()
        return host.states("s").get(key) in states

    try:
        eventually(reached)
    except AssertionError:
        raise AssertionError(str(host.status("s", key))) from None
    return host.status("s", key)


# -- case 31 -------------------------------------------------------------------------------

LOOPS = {
    "s.py": """
    import time
    def run():
        while True:
            time.sleep(0.01)
    """
}


def a_host_with_policy(folder: Path, policy: str) -> Any:
    return a_host(folder, probe=False, tick=False, drain_seconds=0, drain_policy=policy)


def decision(host: Host) -> Any:
    rows = host.supervisor.audit()
    return next((row for row in rows if row.action.startswith("drain deadline")), None)


def test_case_31_at_the_deadline_the_policy_wait_tells_who_is_in_the_way_with_the_stack(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_host_with_policy(tmp_path, "wait") as host:
        host.take(LOOPS)
        key, run = host.key("s"), host.supervisor.run("s")
        eventually(lambda: run.state == "running")
        host.take(NEXT)

        row = eventually(lambda: decision(host))
        assert (row.actor, row.action, row.subject) == ("livegraft", "drain deadline: wait", f"s@{key[:8]}")
        assert f"run {run.id}" in row.detail["holders"]
        assert any("s.py@" in stack and "in run" in stack for stack in row.detail["stacks"])
        told = next(text for text in caplog.messages if "policy wait" in text)
        assert told.startswith(
            f"s@{key[:8]} is still held 0 s after it was superseded, policy wait; held by run {run.id}"
        )
        assert "in run" in told
        assert told == told.rstrip()
        assert any("in run" in stack for stack in host.status("s", key).stacks)
        assert run.state == "running"
        run.cancel()
        look_until(host, key, VersionState.UNLOADED)


def test_case_31_at_the_deadline_the_policy_cancel_stops_runs_tasks_and_threads_of_the_version(tmp_path: Path) -> None:
    script = """
        import threading, time
        def forever():
            while True:
                time.sleep(0.01)
        def until_stopped(said):
            try:
                forever()
            except BaseException as error:
                said.append(str(error))
        def start(said):
            threading.Thread(target=until_stopped, args=[said], name="started", daemon=True).start()
        def run():
            forever()
        """
    with a_host_with_policy(tmp_path, "cancel") as host:
        host.take({"s.py": script})
        key, run = host.key("s"), host.supervisor.run("s")
        said: list[str] = []
        host.live.s.start(said)
        eventually(lambda: run.state == "running")
        host.take(NEXT)

        look_until(host, key, VersionState.UNLOADED)
        assert run.state == "cancelled"
        assert said == ["livegraft ended this thread: the version of the script that started it was superseded"]
        assert set(decision(host).detail["stopped"]) == {f"run {run.id}", "thread started"}


def test_case_31_at_the_deadline_the_policy_scrub_makes_tombstones_of_the_globals(tmp_path: Path) -> None:
    with a_host_with_policy(tmp_path, "scrub") as host:
        host.take({"s.py": "DATA = bytearray(1000)\ndef f(): return DATA\ndef run(): ..."})
        key = host.key("s")
        KEPT.append(host.live.s.f)
        host.take(NEXT)

        eventually(lambda: decision(host))
        with pytest.raises(UnloadedVersionError, match=rf"s@{key[:8]}: unloaded because .*live one, supervisor.live.s"):
            len(KEPT[0]())
        KEPT.clear()
        look_until(host, key, VersionState.UNLOADED)


def test_a_policy_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of wait, cancel, scrub, got: 'hope'"):
        Supervisor(tmp_path, data=tmp_path / "data", drain_policy="hope")


# -- scrubbing by a person -----------------------------------------------------------------


def test_a_person_scrubs_a_held_version_and_its_memory_returns_at_once(
    lean: Host, caplog: pytest.LogCaptureFixture
) -> None:
    lean.take({"s.py": "class Big: ...\nDATA = Big()\ndef f(): return DATA\ndef run(): ..."})
    key, big = lean.key("s"), weakref.ref(lean.live.s.DATA)
    KEPT.append(lean.live.s.f)
    with pytest.raises(ConflictError, match=f"expected s@{key[:8]} to be superseded, it is live"):
        lean.supervisor.scrub("s", key=key, actor="dana")
    lean.take(NEXT)
    look_until(lean, key, VersionState.LEAKED, VersionState.DRAINED)

    status = lean.supervisor.scrub("s", key=key[:6], actor="dana")

    assert big() is None
    assert any("because dana scrubbed it" in text for text in status.undone)
    with pytest.raises(UnloadedVersionError, match="dana scrubbed it"):
        str(KEPT[0]())
    assert [(row.actor, row.action) for row in lean.supervisor.audit()] == [("dana", "scrub")]
    assert any(text.startswith(f"s@{key[:8]} is scrubbed by dana; held by ") for text in caplog.messages)
    with pytest.raises(NotFoundError, match=f"'s@fff'; did you mean 's@{key[:8]}'"):
        lean.supervisor.scrub("s", key="fff", actor="dana")


def test_a_scrubbed_version_is_loaded_anew_by_a_revert(lean: Host) -> None:
    first = {"s.py": "DATA = 1\ndef f(): return DATA\ndef run(): ..."}
    lean.take(first)
    key = lean.key("s")
    KEPT.append(lean.live.s.f)
    lean.take(NEXT)
    look_until(lean, key, VersionState.LEAKED, VersionState.DRAINED)
    lean.supervisor.scrub("s", key=key, actor="dana")

    lean.take(first)

    assert lean.key("s") == key
    assert lean.live.s.f() == 1
    assert lean.live.s.f is not KEPT[0]


# -- case 34 -------------------------------------------------------------------------------

FOR_EVER = """
import os, sys, tempfile, pathlib, time
from tests.support.host import a_host

with tempfile.TemporaryDirectory() as folder, a_host(pathlib.Path(folder), probe=False, tick=False) as host:
    host.take({"s.py": '''
import os, sys
def hook(*args): return None
def act():
    sys.addaudithook(hook)
    os.register_at_fork(before=hook)
def run(): ...
'''})
    key = host.key("s")
    host.live.s.act()
    host.take({"s.py": "def run(): ..."})
    deadline = time.monotonic() + 120
    while host.states("s")[key] != "leaked" and time.monotonic() < deadline:
        host.supervisor._drainer.look()
    print(host.states("s")[key], *host.status("s", key).holders, sep="\\n")
"""


def test_case_34_hooks_that_nothing_can_remove_are_reported_by_name() -> None:
    """What can be taken back is in ``test_leaks.py``, row by row."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FOR_EVER)], capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "leaked", done.stdout
    assert "line 5 calls addaudithook" in done.stdout
    assert "line 6 calls register_at_fork" in done.stdout


def test_case_34_an_undoer_of_the_host_is_asked_and_one_that_raises_stops_no_other(
    lean: Host, caplog: pytest.LogCaptureFixture
) -> None:
    receivers: list[Any] = []

    def broken(leaving: Any) -> None:
        raise RuntimeError("an undoer's own fault")

    def disconnect(leaving: Any) -> None:
        for receiver in [each for each in receivers if leaving.owns(each)]:
            receivers.remove(receiver)
            leaving.tell(receiver, f"disconnected {receiver.__name__}")

    drainer = lean.supervisor._drainer
    drainer._undoers = (broken, *drainer._undoers, disconnect)
    lean.take({"s.py": "def f(): ...\ndef run(): ..."})
    key = lean.key("s")
    receivers.append(lean.live.s.f)
    lean.take(NEXT)

    status = look_until(lean, key, VersionState.UNLOADED)
    assert status.undone == ("disconnected f",)
    assert any("an undoer's own fault" in record.getMessage() for record in caplog.records)


def test_case_34_what_was_taken_back_is_there_again_after_a_revert(lean: Host) -> None:
    first = {
        "s.py": "import logging\nclass H(logging.Handler): ...\nH.kept = None\n"
        "logging.getLogger('host34').addHandler(H())\ndef run(): ..."
    }
    logger = logging.getLogger("host34")
    lean.take(first)
    key = lean.key("s")
    lean.take(NEXT)
    look_until(lean, key, VersionState.UNLOADED, VersionState.DRAINED)
    assert logger.handlers == []

    lean.take(first)

    assert [type(handler).__name__ for handler in logger.handlers] == ["H"]
    logger.handlers.clear()


# -- case 35 -------------------------------------------------------------------------------


def test_case_34_what_was_taken_back_of_a_helper_is_there_again_for_a_script_that_comes_back(lean: Host) -> None:
    helper = (
        "import logging\nclass H(logging.Handler): ...\nHANDLER = H()\n"
        "logging.getLogger('of.a.helper').addHandler(HANDLER)\n"
    )
    handlers = logging.getLogger("of.a.helper").handlers
    lean.take({"s.py": "import helper\ndef run(): return helper.HANDLER", "helper.py": helper})
    key = lean.key("s")
    KEPT.append(lean.live.s.run)
    lean.take({"helper.py": "HANDLER = None"})
    look_until(lean, key, VersionState.LEAKED)
    assert handlers == []

    lean.take({"helper.py": helper})

    assert lean.key("s") == key
    assert handlers == [lean.live.s.run()]
    assert lean.live.s.run is not KEPT[0]
    handlers.clear()


def test_case_35_a_cycle_that_no_collector_can_break_is_freed_by_scrubbing(lean: Host) -> None:
    lean.take(
        {
            "s.py": "import numpy\nclass Item:\n    def m(self): return CYCLE\n"
            "CYCLE = numpy.array([Item()], dtype=object)\ndef run(): ..."
        }
    )
    key, item = lean.key("s"), weakref.ref(lean.live.s.CYCLE[0])
    lean.take(NEXT)
    look_until(lean, key, VersionState.LEAKED)
    gc.collect()
    assert item() is not None

    lean.supervisor.scrub("s", key=key, actor="dana")

    assert item() is None
    look_until(lean, key, VersionState.UNLOADED)


# -- case 36 -------------------------------------------------------------------------------


def test_case_36_an_object_that_comes_back_in_its_finalizer_is_no_unloaded_version(lean: Host) -> None:
    script = """
        class Phoenix:
            def __init__(self, nest): self.nest = nest
            def __del__(self): self.nest.append(self)
            def answer(self): return VALUE
        VALUE = 7
        def keep(nest):
            global BIRD
            BIRD = Phoenix(nest)
        def run(): ...
        """
    lean.take({"s.py": script})
    key = lean.key("s")
    lean.live.s.keep(KEPT)
    lean.take(NEXT)

    eventually(lambda: lean.supervisor._drainer.look() or "finalizers" in "".join(lean.status("s", key).holders))
    gc.collect()
    assert KEPT[0].answer() == 7
    status = look_until(lean, key, VersionState.LEAKED)
    assert "brought back to life by a finalizer" in status.holders[0]

    KEPT.clear()
    gc.collect()
    look_until(lean, key, VersionState.UNLOADED)


def test_case_36_a_finalizer_that_brings_nothing_back_only_waits_for_a_collection(lean: Host) -> None:
    lean.take(
        {
            "s.py": "class End:\n    def __del__(self): self.said.append(VALUE)\nVALUE = 7\n"
            "def keep(said):\n    global END\n    END = End()\n    END.said = said\ndef run(): ..."
        }
    )
    key = lean.key("s")
    lean.live.s.keep(KEPT)
    lean.take(NEXT)
    eventually(lambda: lean.supervisor._drainer.look() or "finalizers" in "".join(lean.status("s", key).holders))

    gc.collect()

    look_until(lean, key, VersionState.UNLOADED)
    assert KEPT == [7]


# -- case 37 -------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["disabled", "frozen"])
def test_case_37_a_host_that_does_not_collect_gets_its_memory_back_and_keeps_its_settings(
    lean: Host, setting: str
) -> None:
    code = "CODE = compile('', 's', 'exec')\n"  # weak references to what the collector tracks would be looked at
    lean.take(
        {"s.py": f"{code}class Big: ...\nDATA = [Big()]\nDATA.append(DATA)\ndef f(): return f, DATA\ndef run(): ..."}
    )
    key, code_of_it = lean.key("s"), weakref.ref(lean.version("s").executed_module.CODE)
    was_enabled, threshold = gc.isenabled(), gc.get_threshold()
    gc.disable()
    frozen_before = gc.get_freeze_count()
    if setting == "frozen":
        gc.freeze()
    try:
        collections = [generation["collections"] for generation in gc.get_stats()]
        lean.take(NEXT)
        look_until(lean, key, VersionState.UNLOADED)

        eventually(lambda: code_of_it() is None)
        assert not gc.isenabled()
        assert gc.get_threshold() == threshold
        assert [generation["collections"] for generation in gc.get_stats()] == collections
        assert (gc.get_freeze_count() > frozen_before) is (setting == "frozen")
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def test_case_37_what_only_a_collection_can_free_is_reported_while_the_host_has_turned_it_off(lean: Host) -> None:
    lean.take({"s.py": "def f(): ...\ndef run(): ..."})
    key, watched = lean.key("s"), weakref.ref(lean.live.s.f)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        lean.take(NEXT)
        eventually(lambda: lean.supervisor._drainer.look() or lean.status("s", key).holders)
        assert lean.states("s")[key] is VersionState.DRAINED
        assert "which it has turned off" in lean.status("s", key).holders[0]
        assert watched() is not None

        gc.collect()
        look_until(lean, key, VersionState.UNLOADED)
    finally:
        if was_enabled:
            gc.enable()


# -- case 39 -------------------------------------------------------------------------------


def test_case_39_a_version_too_large_to_be_looked_at_at_once_is_watched_until_it_is_collected(
    lean: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region, "LARGEST", 2_000)
    lean.take({"s.py": "ROWS = [[n] for n in range(5_000)]\ndef f(): return ROWS\ndef run(): ..."})
    key = lean.key("s")
    KEPT.append(lean.live.s.f)
    lean.take(NEXT)

    eventually(lambda: lean.supervisor._drainer.look() or lean.status("s", key).holders)
    assert "not verified by region, it has more than 2,000 objects" in lean.status("s", key).holders[0]
    gc.collect()
    lean.supervisor._drainer.look()
    assert lean.states("s")[key] is VersionState.DRAINED
    assert KEPT[0]()[-1] == [4_999]

    KEPT.clear()
    gc.collect()
    look_until(lean, key, VersionState.UNLOADED)


def test_case_39_no_single_step_of_the_check_is_long_on_a_heap_of_a_million_containers(lean: Host) -> None:
    """A step is one call into C: no thread of the host runs within it. Measured is the processor's time of the
    thread that looks, so that the load of the machine does not count; the figures are in the benchmarks.
    """
    heap = [[n] for n in range(1_000_000)]
    lean.take({"s.py": "ROWS = [[n] for n in range(1_000)]\ndef f(): return ROWS\ndef run(): ..."})
    key = lean.key("s")
    KEPT.append(lean.live.s.f)
    was_enabled = gc.isenabled()
    gc.disable()
    steps: list[float] = []
    try:
        sys.setprofile(_step_timer(steps))
        try:
            lean.supervisor._drainer.stop()
            lean.take(NEXT)
            for _ in range(9):
                lean.supervisor._drainer.look()
        finally:
            sys.setprofile(None)
        assert lean.states("s")[key] is VersionState.LEAKED
        assert "list KEPT in module" in lean.status("s", key).holders[0]
        assert max(steps) < 0.02
    finally:
        lean.supervisor._drainer.start()
        if was_enabled:
            gc.enable()
    assert len(heap) == 1_000_000


def _step_timer(steps: list[float]) -> Any:
    """A profile function that times calls into C; those that call Python code on their way hand over there."""
    begun: list[float | None] = []

    def profile(frame: Any, event: str, function: Any) -> None:
        if event == "c_call":
            begun.append(time.thread_time())
        elif event in ("c_return", "c_exception") and begun:
            at = begun.pop()
            if at is not None:
                steps.append(time.thread_time() - at)
        elif event == "call":
            begun[:] = [None] * len(begun)

    return profile


def test_a_large_heap_is_searched_from_the_modules_only(lean: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "SMALL_HEAP_BLOCKS", 0)
    lean.take({"s.py": "def f(): ...\ndef items():\n    yield 1\ndef run(): ..."})
    key, items = lean.key("s"), lean.live.s.items()
    next(items)
    lean.take(NEXT)

    eventually(lambda: lean.supervisor._drainer.look() or lean.status("s", key).holders)
    assert "suspended items, held where Python does not show it" in lean.status("s", key).holders
    assert lean.states("s")[key] is VersionState.DRAINING
    del items
    look_until(lean, key, VersionState.UNLOADED)


@pytest.mark.parametrize("is_large", [False, True], ids=["small heap", "large heap"])
def test_a_task_that_failed_and_is_kept_is_no_code_under_way(
    lean: Host, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    if is_large:
        monkeypatch.setattr(holders, "SMALL_HEAP_BLOCKS", 0)
    lean.take({"s.py": "async def work(): raise KeyError('kept')\ndef run(): ..."})
    key = lean.key("s")

    async def fail() -> None:
        KEPT.append(asyncio.create_task(lean.live.s.work()))
        await asyncio.wait(KEPT)

    asyncio.run(fail())
    lean.take(NEXT)

    look_until(lean, key, VersionState.LEAKED)
    (holder,) = lean.status("s", key).holders
    assert holder == f"frame of work in traceback in Task in list KEPT in module {__name__} -> function work"
    with pytest.raises(KeyError):
        KEPT.pop().result()
    look_until(lean, key, VersionState.UNLOADED)


def test_threads_that_take_old_code_by_the_back_door_never_find_it_emptied(lean: Host) -> None:
    """They hold an old release by weak references and by its registered name, and call whatever they get."""
    files = "class C:\n    def m(self): return f\nX = C()\ndef f(): return VALUE\nVALUE = {0}\ndef run(): ..."
    stop, wrong = threading.Event(), list[BaseException]()
    found: dict[str, Any] = {}

    def call() -> None:
        while not stop.is_set():
            for reference in list(found.values()):
                function = reference()
                try:
                    if function is not None and not isinstance(function(), int):
                        wrong.append(AssertionError("no answer"))
                except BaseException as error:  # noqa: BLE001 - NameError is the fault that is looked for
                    wrong.append(error)
                del function
            time.sleep(0.0002)  # three that never rest leave the commits a quarter of the processor

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(15):
            lean.take({"s.py": files.replace("{0}", str(n))})
            found[str(n)] = weakref.ref(lean.live.s.f)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
