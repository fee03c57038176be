"""Whatever a run prints, logs and warns goes to its output, and nothing else does."""

from __future__ import annotations

import contextvars
import io
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from livegraft.context import CurrentRun, cancelled, current_run
from livegraft.live import module_name
from livegraft.runner.capture import capture
from livegraft.runner.output import RunOutput

LIVE = module_name("reports.daily", "9f2c1a")


class Host:
    """A plain host program: its own streams, and logging as Python starts with."""

    def __init__(self) -> None:
        self.stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
        self.stderr = io.StringIO()

    def printed(self) -> str:
        self.stdout.flush()
        raw = self.stdout.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue().decode("ascii")


@contextmanager
def plain_host() -> Iterator[Host]:
    """Stands for the host while a test goes on: the runner of the tests has streams and handlers of its own."""
    host = Host()
    with (
        patch.object(sys, "stdout", host.stdout),
        patch.object(sys, "stderr", host.stderr),
        patch.object(logging.root, "handlers", []),
    ):
        yield host


@contextmanager
def capturing_host() -> Iterator[Host]:
    with plain_host() as host:
        capture.install()
        yield host
        capture.uninstall()


def in_run(code: Callable[[], object]) -> str:
    """Execute code as a run, and return its output."""
    output = RunOutput()
    run = CurrentRun("r1", output)

    def execute() -> None:
        current_run.set(run)
        code()

    capture.prepare()
    contextvars.copy_context().run(execute)
    capture.rest()
    run.is_open = False
    output.close()
    return output.read(0).data.decode()


def test_prints_of_a_run_go_to_its_output_and_those_of_the_host_to_its_own_stream() -> None:
    with capturing_host() as host:
        print("before")
        assert in_run(lambda: print("inside", "grüße")) == "inside grüße\n"
        print("after")

        assert host.printed() == "before\nafter\n"


def test_stderr_and_stdout_stand_in_the_order_they_were_written() -> None:
    with capturing_host():

        def code() -> None:
            print("one")
            print("two", file=sys.stderr)
            sys.stdout.writelines(["three", "\n"])

        assert in_run(code) == "one\ntwo\nthree\n"


def test_bytes_are_taken() -> None:
    with capturing_host():

        def code() -> None:
            sys.stdout.buffer.write("grüße\n".encode())
            sys.stdout.buffer.write(bytearray(b"\xff\n"))
            sys.stdout.buffer.flush()

        assert in_run(code) == "grüße\n\ufffd\n"


def test_a_run_cannot_close_or_change_the_host_s_stream() -> None:
    with capturing_host() as host:

        def code() -> None:
            sys.stdout.reconfigure(encoding="utf-16")  # type: ignore[union-attr]
            sys.stdout.close()
            assert sys.stdout.encoding == "utf-8"
            assert not sys.stdout.isatty()

        in_run(code)

        assert not host.stdout.closed
        assert sys.stdout.encoding == "ascii"


def test_writing_something_else_than_text_is_the_same_error_as_ever() -> None:
    with capturing_host():

        def code() -> None:
            with pytest.raises(TypeError, match="must be str, not bytes"):
                sys.stdout.write(b"bytes")  # type: ignore[arg-type]

        in_run(code)


def test_threads_that_a_run_starts_belong_to_it() -> None:
    with capturing_host() as host:

        def code() -> None:
            thread = threading.Thread(target=print, args=("from a thread",))
            thread.start()
            thread.join()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(print, "from a pool").result()

        assert in_run(code) == "from a thread\nfrom a pool\n"
        assert host.printed() == ""


def test_a_thread_left_behind_writes_to_the_host_s_stream_after_the_run() -> None:
    with capturing_host() as host:
        go_on = threading.Event()
        left: list[threading.Thread] = []

        def code() -> None:
            left.append(threading.Thread(target=lambda: (go_on.wait(60), print("late"))))
            left[0].start()

        assert in_run(code) == ""
        go_on.set()
        left[0].join(10)

        assert host.printed() == "late\n"


def test_log_records_of_a_version_go_to_the_output_under_the_plain_name() -> None:
    with capturing_host() as host:

        def code() -> None:
            logging.getLogger(LIVE).info("%d carts", 3)
            logging.getLogger(LIVE).debug("detail")

        line = in_run(code)

        assert line.endswith(" INFO reports.daily: 3 carts\n")
        assert line.count("\n") == 1
        assert host.stderr.getvalue() == ""


def test_log_records_of_a_version_outside_a_run_go_to_the_host(caplog: pytest.LogCaptureFixture) -> None:
    with capturing_host():
        logging.root.addHandler(caplog.handler)

        logging.getLogger(LIVE).info("called on the request path")

        assert caplog.messages == ["called on the request path"]


def test_log_records_of_a_version_inside_a_run_stay_away_from_the_host(caplog: pytest.LogCaptureFixture) -> None:
    with capturing_host():
        logging.root.addHandler(caplog.handler)

        in_run(lambda: logging.getLogger(LIVE).warning("mine"))

        assert caplog.messages == []


def test_log_records_of_libraries_inside_a_run_go_to_its_output_at_the_level_of_the_host() -> None:
    with capturing_host():
        library = logging.getLogger("some_library")

        def code() -> None:
            library.info("not shown: the root's level is WARNING")
            library.warning("shown")

        assert in_run(code).endswith("WARNING some_library: shown\n")


def test_the_root_has_no_handler_of_ours_while_nothing_runs() -> None:
    with capturing_host():
        in_run(lambda: None)

        assert logging.root.handlers == []


def test_a_host_without_logging_setup_still_gets_its_warnings_on_stderr_once() -> None:
    with capturing_host() as host:
        library, live = logging.getLogger("some_library"), logging.getLogger(LIVE)

        live.warning("a")
        library.warning("b")
        capture.prepare()  # somebody's run is in progress
        live.warning("c")
        library.warning("d")
        capture.rest()

        assert host.stderr.getvalue() == "a\nb\nc\nd\n"


def test_a_record_that_cannot_be_formatted_is_told_and_not_raised() -> None:
    with capturing_host():
        assert "--- Logging error ---" in in_run(lambda: logging.getLogger(LIVE).info("%d", "no number"))


HOST_PROGRAM = """
import warnings
from livegraft.context import CurrentRun, current_run
from livegraft.runner.capture import capture
from livegraft.runner.output import RunOutput

capture.install()
output = RunOutput()
token = current_run.set(CurrentRun("r1", output))
warnings.warn("old call")
current_run.reset(token)
print(output.read(0).data.decode())
"""


def test_warnings_of_a_run_go_to_its_output() -> None:
    # In a program of its own, because the runner of the tests collects warnings.
    done = subprocess.run([sys.executable, "-c", HOST_PROGRAM], capture_output=True, text=True, check=True)

    assert "UserWarning: old call" in done.stdout
    assert done.stderr == ""


def test_is_undone_when_the_last_user_leaves() -> None:
    start = threading.Thread.start
    with plain_host() as host:
        capture.install()
        capture.install()
        capture.uninstall()
        print("routed")
        assert sys.stdout is not host.stdout

        capture.uninstall()

        assert host.printed() == "routed\n"
        assert (sys.stdout, sys.stderr) == (host.stdout, host.stderr)
        assert threading.Thread.start is start


def test_follows_a_host_that_replaces_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    with capturing_host():
        monkeypatch.setattr(sys, "stdout", io.StringIO())

        assert in_run(lambda: print("inside")) == "inside\n"


def test_nobody_is_cancelled_outside_a_run() -> None:
    assert not cancelled()
