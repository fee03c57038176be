"""Many new files are read by processes of their own, and as if they were read here."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from livegraft.compiling import child, processes
from livegraft.compiling.processes import LEAST_FILES, read_all
from livegraft.packed import pack, python, read_packed
from livegraft.source import Source
from tests.support import eventually

TEXT = '# cron: @daily\n"""Number {n}."""\nfrom lib.h{n} import rate\nasync def run(): return __file__, {n}\n'
FILES = [(f"team/s{n}.py", TEXT.format(n=n).encode()) for n in range(LEAST_FILES)]


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what is read in this process, with two processors at hand."""
    paths: list[str] = []

    def read(path: str, data: bytes) -> tuple[Source, bytes | None]:
        paths.append(path)
        return read_packed(path, data)

    monkeypatch.setattr(processes, "read_packed", read)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    return paths


def told(source: Source) -> tuple[object, ...]:
    return source.path, source.entry, source.imports, source.docstring, source.head, source.asks_for_files, source.text


def compilers() -> list[psutil.Process]:
    mine = psutil.Process().children()
    return [child for child in mine if any("compiling" in part for part in child.cmdline())]


def test_many_files_are_read_elsewhere_as_they_are_read_here(read_here: list[str]) -> None:
    found = list(read_all(FILES, len(FILES)))

    assert read_here == []
    assert [told(source) for source, _ in found] == [told(read_packed(*file)[0]) for file in FILES]
    assert [packed for _, packed in found] == [read_packed(*file)[1] for file in FILES]
    assert compilers() == []


def test_few_files_are_read_here(read_here: list[str]) -> None:
    few = FILES[1:]

    assert len(list(read_all(few, len(few)))) == len(few)
    assert len(read_here) == len(few)


def test_with_one_processor_they_are_read_here(read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)


def test_a_file_with_a_fault_tells_it_as_always(read_here: list[str]) -> None:
    files = [*FILES, ("broken.py", b"def run(:\n")]

    *_, (source, packed) = read_all(files, len(files))

    assert read_here == ["broken.py"]
    assert source.error is not None
    assert (source.error.path, source.error.line) == ("broken.py", 1)
    assert packed is None


def test_a_file_of_which_the_compiler_warns_warns_here(read_here: list[str]) -> None:
    files = [*FILES, ("odd.py", b"def run():\n    return 1 is 1\n")]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        *_, (source, packed) = read_all(files, len(files))

    assert [(Path(each.filename).name, each.lineno) for each in caught] == [("odd.py", 2)]
    assert source.error is None
    assert packed is not None


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_process_does_not_do_is_done_here(
    read_here: list[str], end: signal.Signals, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(processes, "_BATCH_SECONDS", 0.5)
    many = FILES * 3

    def files() -> Iterator[tuple[str, bytes]]:
        for number, file in enumerate(many):
            if number == len(many) - 100:  # by then they have answered
                for each in compilers():
                    each.send_signal(end)
            yield file

    found = list(read_all(files(), len(many)))

    assert [source.path for source, _ in found] == [path for path, _ in many]
    assert 0 < len(read_here) < len(many)
    assert len(caplog.records) == 2, "each of both is told of once"
    assert compilers() == []


@pytest.mark.parametrize("program", ["/bin/cat", "/bin/false", "/nothing/python", "", None])
def test_where_no_python_starts_all_is_read_here(
    read_here: list[str], program: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", program)

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)
    assert "new files are compiled here" in caplog.text


def test_without_sockets_all_is_read_here(read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[socket.socket, socket.socket]:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(socket, "socketpair", fail)

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)


def test_what_another_python_compiled_is_not_taken(read_here: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "python", lambda: "another")

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)


def test_an_answer_that_is_cut_is_none(read_here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = tmp_path / "dying.py"
    dying.write_text(f"import os; os.write(1, b'{python()}\\n' + (100).to_bytes(4, 'little') + b'cut'); os.read(0, 9)")
    monkeypatch.setattr(child, "__file__", str(dying))

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)


def test_a_program_that_says_nothing_is_not_awaited_for_long(
    read_here: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(processes, "_START_SECONDS", 0.2)

    assert len(list(read_all(FILES, len(FILES)))) == len(FILES)
    assert len(read_here) == len(FILES)
    assert compilers() == []


def test_who_needs_no_more_leaves_no_process_behind(read_here: list[str]) -> None:
    reading = read_all(FILES, len(FILES))
    next(reading)
    assert compilers()
    for each in compilers():
        each.suspend()  # it is not waited for
    began = time.monotonic()

    reading.close()

    assert compilers() == []
    assert time.monotonic() - began < processes._BATCH_SECONDS / 2


def test_a_host_that_dies_leaves_no_process_behind(tmp_path: Path) -> None:
    program = (
        "import os, sys; from livegraft.compiling.processes import read_all\n"
        "os.sched_getaffinity = lambda pid: {0, 1}\n"
        f"reading = read_all((('s.py', b'x = 1') for _ in range({LEAST_FILES})), {LEAST_FILES})\n"
        "next(reading)\n"
        "print(*os.popen(f'pgrep -P {os.getpid()}').read().split(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    begun = [int(pid) for pid in ended.stdout.split()]

    assert len(begun) >= 2
    eventually(lambda: not any(map(psutil.pid_exists, begun)))


@pytest.mark.parametrize("flags", [["-OO"], ["-O"], ["-X", "no_debug_ranges"]])
def test_they_compile_with_the_flags_of_the_host(flags: list[str]) -> None:
    program = (
        "import os; from livegraft.compiling import processes\n"
        "from livegraft.packed import read_packed\n"
        "os.sched_getaffinity = lambda pid: {0, 1}\n"
        f"files = [('s.py', b'def run():\\n    \"doc\"\\n    assert 1 + x\\n')] * {LEAST_FILES}\n"
        "expected = read_packed(*files[0])[1]\n"
        "processes.read_packed = None\n"
        "print({packed == expected for _, packed in processes.read_all(files, len(files))})\n"
    )
    ended = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, text=True, check=False)

    assert (ended.stdout, ended.stderr) == ("{True}\n", "")


def test_a_source_whose_code_was_taken_is_not_packed() -> None:
    source, _ = read_packed("s.py", b"x = 1")
    source.take_code()

    assert pack(source) is None
