"""Scripts that misbehave, on purpose or not: each ends with a verdict, and the host and its other runs go on."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livegraft.run import RunRecord, RunState
from tests.support import eventually
from tests.support.running import Running, running


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, threads=4) as host:
        yield host
        assert_serves(host)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Running]:
    """A host that soon takes a run for stuck."""
    with running(tmp_path, threads=4, stuck_seconds=0.3) as host:
        yield host
        assert_serves(host)
        eventually(lambda: not host.dispatcher.view.active(), what="stuck runs that the test let go have ended")


def assert_serves(host: Running) -> None:
    """The host still runs sync and async code, and its own output is its own."""

    def run() -> str:
        print("fine")
        return "sync"

    async def run_async() -> str:
        await asyncio.sleep(0)
        return "async"

    handle = host.run(run)
    assert (handle.result, handle.output) == ("sync", "fine\n")
    assert host.run(run_async).result == "async"


def verdict(host: Running, function: Callable[..., Any], **options: Any) -> RunRecord:
    return host.run(function, **options).wait(60)


class TestExits:
    @pytest.mark.parametrize("code", [None, 0, False])
    def test_with_success_have_succeeded_and_say_so(self, host: Running, code: object) -> None:
        def run() -> None:
            sys.exit(code)  # type: ignore[arg-type]

        record = verdict(host, run)

        assert record.state is RunState.SUCCEEDED
        assert record.result is not None
        assert record.result.note == "exited with code 0"

    @pytest.mark.parametrize(
        ("code", "said"), [(3, "exited with code 3"), ("no disk", "exited with code 1: no disk"), ([], "with code 1")]
    )
    def test_with_a_code_have_failed_with_it(self, host: Running, code: object, said: str) -> None:
        def run() -> None:
            sys.exit(code)  # type: ignore[arg-type]

        record = verdict(host, run)

        assert record.state is RunState.FAILED
        assert record.failure is not None
        assert record.failure.type == "SystemExit"
        assert said in record.failure.message

    def test_out_of_a_task_do_not_stop_the_loop(self, host: Running) -> None:
        async def run() -> None:
            await asyncio.sleep(0)
            sys.exit(3)

        record = verdict(host, run)

        assert record.failure is not None
        assert record.failure.message == "exited with code 3"

    @pytest.mark.parametrize(
        "error", [SystemExit(2), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), MemoryError()]
    )
    @pytest.mark.parametrize("wait", [True, False])
    def test_of_every_kind_fail_an_async_run_and_no_other(
        self, host: Running, error: BaseException, wait: bool
    ) -> None:
        async def beside() -> str:
            await asyncio.sleep(0.05)
            return "unharmed"

        async def run() -> None:
            if wait:
                await asyncio.sleep(0)
            raise error

        other = host.run(beside)
        record = verdict(host, run)

        assert record.state is RunState.FAILED
        assert record.failure is not None
        assert record.failure.type.endswith(type(error).__name__)
        assert other.result == "unharmed"

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), MemoryError(), StopIteration()])
    def test_of_every_kind_fail_a_sync_run(self, host: Running, error: BaseException) -> None:
        def run() -> None:
            raise error

        assert verdict(host, run).state is RunState.FAILED

    def test_out_of_a_task_on_the_side_or_a_callback_do_not_stop_the_loop(self, host: Running) -> None:
        async def leave() -> None:
            sys.exit(4)

        async def run() -> str:
            asyncio.get_running_loop().call_soon(sys.exit, 5)
            side = asyncio.create_task(leave())
            await asyncio.sleep(0.01)
            assert isinstance(side.exception(), SystemExit)
            return "went on"

        assert verdict(host, run).result.value == "went on"  # type: ignore[union-attr]

    def test_of_the_loop_itself_do_not_stop_it(self, host: Running) -> None:
        async def run() -> str:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.01)
            return "went on"

        assert verdict(host, run).result.value == "went on"  # type: ignore[union-attr]

    def test_in_a_finalizer_harm_nobody(self, host: Running) -> None:
        class Rude:
            def __del__(self) -> None:
                print("last words")

        def run() -> None:
            Rude()
            print("end")

        assert host.run(run).result is None


class TestNeverEnding:
    def test_loop_ends_by_its_timeout(self, host: Running) -> None:
        def run() -> None:
            while True:
                sum(range(100))

        assert verdict(host, run, timeout=0.05).state is RunState.TIMED_OUT

    def test_call_into_c_is_stuck_and_ends_as_timed_out_when_it_returns(self, hasty: Running) -> None:
        go_on = threading.Event()

        def run() -> None:
            go_on.wait(60)  # no bytecode runs in here, as in a sleep

        handle = hasty.run(run, timeout=0.05)
        record = handle.wait(60)

        assert record.state is RunState.STUCK
        assert record.failure is not None
        assert record.failure.message.startswith("took longer than its timeout of 0.05 s, and did not stop")
        assert 'File "reports/daily.py"' in record.failure.traceback
        assert hasty.dispatcher.view.uses("9f2c1a") == [handle.id]

        go_on.set()
        eventually(lambda: handle.record.state is RunState.TIMED_OUT)
        assert eventually(lambda: hasty.dispatcher.view.uses("9f2c1a") == [])

    def test_loop_that_swallows_every_exception_is_stuck(self, hasty: Running) -> None:
        end = threading.Event()

        def run() -> None:
            while not end.is_set():
                try:
                    while not end.is_set():
                        pass
                except BaseException:  # noqa: BLE001 - that is the point
                    print("not with me")

        handle = hasty.run(run, timeout=0.05)

        assert handle.wait(60).state is RunState.STUCK
        end.set()
        eventually(lambda: handle.record.state is RunState.TIMED_OUT)
        assert handle.output == "not with me\n"

    def test_runs_get_their_threads_replaced_up_to_a_bound(self, hasty: Running) -> None:
        end = threading.Event()

        def run() -> None:
            end.wait(60)

        stuck = [hasty.run(run, timeout=0.01) for _ in range(4)]
        for handle in stuck:
            assert handle.wait(60).state is RunState.STUCK

        assert_serves(hasty)
        more = [hasty.run(run, timeout=0.01) for _ in range(4)]
        for handle in more:
            assert handle.wait(60).state is RunState.STUCK
        waiting = hasty.run(run)
        assert waiting.wait(0.2).state is RunState.QUEUED
        end.set()
        assert waiting.wait(60).state is RunState.SUCCEEDED

    def test_coroutine_that_blocks_the_loop_is_stuck_and_the_loop_replaced(self, hasty: Running) -> None:
        end = threading.Event()

        async def run() -> None:
            end.wait(60)

        async def beside() -> str:
            return "on another loop"

        blocking = hasty.run(run, timeout=0.05)
        eventually(lambda: blocking.state is RunState.RUNNING)
        waiting = hasty.run(beside)
        assert blocking.wait(60).state is RunState.STUCK

        assert waiting.result == "on another loop"
        end.set()
        eventually(lambda: blocking.state is RunState.TIMED_OUT)

    def test_coroutine_that_swallows_its_cancellation_is_stuck_and_blocks_nobody(self, hasty: Running) -> None:
        end = threading.Event()

        async def run() -> None:
            while not end.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    print("not with me")

        handle = hasty.run(run, timeout=0.05)

        assert handle.wait(60).state is RunState.STUCK
        assert_serves(hasty)
        end.set()
        eventually(lambda: handle.record.state is RunState.TIMED_OUT)

    def test_str_of_an_exception_ends_by_the_timeout_too(self, host: Running) -> None:
        class Endless(Exception):
            def __str__(self) -> str:
                while True:
                    pass

        def run() -> None:
            raise Endless

        async def run_async() -> None:
            raise Endless

        assert verdict(host, run, timeout=0.05).state is RunState.TIMED_OUT
        assert verdict(host, run_async, timeout=0.05).state is RunState.TIMED_OUT

    def test_task_left_behind_is_cancelled_with_its_run(self, host: Running) -> None:
        ended: list[str] = []

        async def side() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")

        tasks: list[asyncio.Task[None]] = []

        async def run() -> None:
            tasks.append(asyncio.create_task(side()))
            await asyncio.sleep(0)

        assert verdict(host, run).state is RunState.SUCCEEDED
        assert ended == ["cancelled"]


class Rude(Exception):
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __str__(self) -> str:
        return self.answer()  # type: ignore[no-any-return]


class TestExceptions:
    @pytest.mark.parametrize("answer", [lambda: 1 / 0, lambda: sys.exit(3), lambda: "x" * 100_000_000])
    def test_whose_str_misbehaves_fail_the_run(self, host: Running, answer: Callable[[], Any]) -> None:
        def run() -> None:
            raise Rude(answer)

        async def run_async() -> None:
            raise Rude(answer)

        for function in (run, run_async):
            record = verdict(host, function)
            assert record.state is RunState.FAILED
            assert record.failure is not None
            assert len(record.failure.traceback) < 100_000

    def test_of_recursion_without_end_fail_the_run(self, host: Running) -> None:
        def run(depth: int = 0) -> None:
            run(depth + 1)

        record = verdict(host, run)

        assert record.failure is not None
        assert record.failure.type == "RecursionError"
        assert "frames left out" in record.failure.traceback


class TestOutput:
    def test_of_thirty_megabytes_is_cut_and_costs_little_memory(self, host: Running) -> None:
        def run() -> None:
            line = "x" * 999
            for _ in range(30_000):
                print(line)

        gc.collect()
        tracemalloc.start()
        handle = host.run(run)
        record = handle.wait(60)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert record.state is RunState.SUCCEEDED
        assert record.output_bytes == 30_000_000
        assert "bytes dropped" in handle.output
        assert len(handle.output) < 2_200_000
        assert peak < 16 << 20

    def test_that_is_no_utf_8_is_replaced(self, host: Running) -> None:
        def run() -> None:
            sys.stdout.buffer.write(b"\xff\xfe\x00half \xc3")
            sys.stdout.write("\ud800\n")

        handle = host.run(run)
        handle.wait(60)

        assert handle.output == "\ufffd\ufffd\x00half ?\n\ufffd"

    def test_after_the_stream_was_replaced_or_closed_goes_on_in_the_next_run(self, host: Running) -> None:
        def run() -> None:
            sys.stdout.close()
            sys.stdout = io.StringIO()

        assert_serves(host)
        before = sys.stdout
        handle = host.run(run)
        handle.wait(60)

        assert sys.stdout is before
        assert "livegraft: this run, or one beside it, changed sys.stdout\n" in handle.output


class TestResults:
    @pytest.mark.parametrize(
        ("expression", "note"),
        [
            ("object()", "value of type object, which is no JSON"),
            ("[set(), lambda: 1]", "value of type function"),
            ("(value := [], value.append(value), value)[2]", "refers to itself"),
            ("'x' * 3_000_000", "larger than 1048576 bytes"),
            ("[0] * 3_000_000", "larger than 1048576 bytes"),
            ("(number for number in iter(int, 1))", "value of type generator"),
            ("type('Rude', (), {'__repr__': lambda self: 1 / 0})()", "value of type Rude"),
            ("type('Rude', (), {'__repr__': lambda self: __import__('sys').exit(3)})()", "value of type Rude"),
            ("type('Rude', (dict,), {'items': lambda self: __import__('sys').exit(3)})()", "SystemExit"),
        ],
    )
    def test_that_are_no_json_are_kept_as_short_text_with_a_note(
        self, host: Running, expression: str, note: str
    ) -> None:
        def run() -> Any:
            return eval(expression)

        record = verdict(host, run)

        assert record.state is RunState.SUCCEEDED
        assert record.result is not None
        assert record.result.kind == "text"
        assert note in record.result.note
        assert len(record.result.value) <= 10_001

    def test_whose_repr_never_ends_end_by_the_timeout(self, host: Running) -> None:
        class Endless:
            def __repr__(self) -> str:
                while True:
                    pass

        def run() -> object:
            return Endless()

        async def run_async() -> object:
            return Endless()

        assert verdict(host, run, timeout=0.05).state is RunState.TIMED_OUT
        assert verdict(host, run_async, timeout=0.05).state is RunState.TIMED_OUT


class TestSurroundings:
    def test_that_a_run_changed_are_put_back_and_told(self, host: Running, tmp_path: Path) -> None:
        def run() -> None:
            os.chdir(tmp_path)
            os.umask(0o077)

        before, umask = os.getcwd(), current_umask()
        handle = host.run(run)
        handle.wait(60)

        assert (os.getcwd(), current_umask()) == (before, umask)
        assert f"changed the working directory (now {str(tmp_path)!r}, was {before!r})" in handle.output
        assert "changed the umask (now 077" in handle.output

    def test_are_left_alone_while_another_run_relies_on_them(self, host: Running, tmp_path: Path) -> None:
        changed, end = threading.Event(), threading.Event()

        def changes() -> str:
            os.chdir(tmp_path)
            changed.set()
            end.wait(60)
            return os.getcwd()

        def beside() -> None: ...

        before = os.getcwd()
        first = host.run(changes)
        changed.wait(60)
        quiet = host.run(beside)
        quiet.wait(60)
        end.set()

        assert first.result == str(tmp_path)
        assert quiet.output == ""
        assert os.getcwd() == before

    def test_of_an_async_run_are_put_back_too(self, host: Running, tmp_path: Path) -> None:
        async def run() -> None:
            os.chdir(tmp_path)

        before = os.getcwd()
        verdict(host, run)

        assert os.getcwd() == before

    def test_that_are_gone_do_no_harm(self, host: Running, tmp_path: Path) -> None:
        def run() -> None:
            folder = tmp_path / "gone"
            folder.mkdir()
            os.chdir(folder)
            folder.rmdir()

        assert verdict(host, run).state is RunState.SUCCEEDED


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_an_interrupt_never_strikes_the_next_run(tmp_path: Path) -> None:
    """Runs that end at about the time when they are interrupted, one after the other on one thread."""
    with running(tmp_path, threads=1, grace_seconds=0.0) as host:

        def run(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass

        def innocent() -> str:
            for _ in range(2000):
                pass
            return "unharmed"

        for number in range(200):
            struck = host.run(run, timeout=0.002, seconds=0.002 + number % 20 * 0.0001)
            assert host.run(innocent).result == "unharmed"
            assert struck.record.state in (RunState.SUCCEEDED, RunState.TIMED_OUT)
