"""The output of one run, while it grows and as it is kept."""

from __future__ import annotations

import errno
import gc
import re
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from livegraft.runner.output import KEPT, Limits, RunOutput, left_behind, read_stored

SMALL = Limits(head_bytes=1000, tail_bytes=1000)
MARKER = re.compile(rb"\n\xe2\x80\xa6 (\d+) bytes dropped \xe2\x80\xa6\n")


def everything(output: RunOutput) -> bytes:
    output.close()
    return b"".join(chunk.data for chunk in output.follow())


class Shelf:
    """Keeps chunks as a store does: bytes from an offset on, gaps left out."""

    def __init__(self) -> None:
        self.chunks: list[tuple[int, bytes]] = []

    def keep(self, output: RunOutput, *, whole: bool = False) -> None:
        chunks = output.unsaved(whole=whole)
        self.chunks += chunks
        output.mark_saved(chunks)

    def read(self, offset: int, limit: int) -> bytes:
        return b"".join(data[max(0, offset - at) :] for at, data in self.chunks if at + len(data) > offset)[:limit]


def test_keeps_text_in_order_as_utf_8() -> None:
    output = RunOutput()
    output.write("grüße\n")
    output.write(b"bytes\n")

    assert everything(output) == "grüße\nbytes\n".encode()


def test_replaces_what_is_not_unicode() -> None:
    output = RunOutput()
    output.write("lone \udc80 surrogate\n")
    output.write(b"latin \xe4\n")

    assert everything(output).decode() == "lone ? surrogate\nlatin \ufffd\n"


def test_joins_a_character_that_came_in_two_writes() -> None:
    output = RunOutput()
    output.write(b"\xc3")
    output.write(b"\xa4")
    output.write(b"\xe2\x80")

    assert everything(output).decode() == "ä\ufffd"


def test_keeps_all_up_to_the_limit() -> None:
    output = RunOutput(SMALL)
    output.write("x" * 2000)

    assert everything(output) == b"x" * 2000


@pytest.mark.parametrize("size", [2001, 2064, 2065, 5000, 1_000_000])
def test_keeps_head_and_tail_and_says_how_much_is_lost_to_the_byte(size: int) -> None:
    written = (b"".join(b"%08d\n" % n for n in range(size // 9 + 1)))[:size]
    output = RunOutput(SMALL)
    output.write(written)

    kept = everything(output)
    found = MARKER.search(kept)

    assert found
    head, tail = kept[: found.start()], kept[found.end() :]
    assert head == written[:1000]
    assert written.endswith(tail)
    assert 936 < len(tail) <= 1000
    assert len(head) + int(found[1]) + len(tail) == size == output.end


def test_is_read_from_any_offset_in_pieces() -> None:
    output = RunOutput()
    output.write("0123456789")

    assert output.read(3, 4).data == b"3456"
    assert output.read(3, 4).next_offset == 7
    assert output.read(10).data == b""


def test_offset_in_a_loss_leads_to_its_marker_and_on_without_repeating() -> None:
    output = RunOutput(SMALL)
    output.write("x" * 1000 + "y" * 1_000_000 + "z" * 500)

    first = output.read(50_000, 64)
    second = output.read(first.next_offset)

    assert MARKER.match(first.data)
    assert first.offset > 50_000
    assert second.data.endswith(b"z" * 500)
    assert second.next_offset == output.end == 1_001_500


def test_a_follower_that_keeps_up_sees_every_byte() -> None:
    output = RunOutput(SMALL)
    lines = [f"line {number}\n" for number in range(2000)]
    seen = bytearray()
    offset = 0

    for line in lines:
        output.write(line)
        chunk = output.read(offset)
        seen += chunk.data
        offset = chunk.next_offset

    assert seen.decode() == "".join(lines)


def test_followers_end_with_the_run_and_have_read_the_same() -> None:
    output = RunOutput()
    read: list[bytes] = []
    followers = [
        threading.Thread(target=lambda: read.append(b"".join(chunk.data for chunk in output.follow())))
        for _ in range(5)
    ]
    for follower in followers:
        follower.start()
    for number in range(1000):
        output.write(f"{number}\n")
    output.close()
    for follower in followers:
        follower.join(10)

    assert read == ["".join(f"{number}\n" for number in range(1000)).encode()] * 5


def test_a_follower_is_told_each_second_that_there_is_no_news() -> None:
    output = RunOutput()

    assert next(output.follow()).data == b""


def test_lines_of_many_threads_stay_whole() -> None:
    output = RunOutput()

    def write(name: str) -> None:
        for _ in range(500):
            output.write(f"{name * 20}\n")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(10)

    lines = everything(output).decode().splitlines()
    assert sorted(lines) == sorted(name * 20 for name in "abcd" for _ in range(500))


def test_a_finalizer_that_prints_inside_a_write_does_not_block() -> None:
    output = RunOutput()
    with output._lock:  # as the interpreter may run it in the middle of a write
        output.write("from __del__\n")

    assert everything(output) == b"from __del__\n"


def test_thirty_megabytes_need_less_than_eight() -> None:
    output = RunOutput()
    line = "x" * 999 + "\n"
    tracemalloc.start()
    for _ in range(30_000):
        output.write(line)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert output.end == 30_000_000
    assert peak < 8 << 20


def test_a_hundred_megabytes_at_once_need_little_beside_them() -> None:
    output = RunOutput()
    text = "x" * 100_000_000
    tracemalloc.start()
    output.write(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20


class TestStored:
    @pytest.mark.parametrize("size", [10, 1 << 20, 2 << 20, (2 << 20) + 1, 10 << 20])
    def test_output_reads_the_same_as_live_at_every_offset(self, size: int) -> None:
        shelf, output = Shelf(), RunOutput()
        data = b"".join(b"%015d\n" % n for n in range(0, size, 16))[:size]
        for start in range(0, size, 300_000):
            output.write(data[start : start + 300_000])
            shelf.keep(output)
        output.close()
        shelf.keep(output, whole=True)

        assert shelf.chunks == sorted(shelf.chunks)
        for offset in (0, 5, 1 << 19, 1 << 20, (1 << 20) + 5, 2 << 20, size - 100, size - 1, size):
            live = output.read(offset, 1000)
            assert read_stored(shelf.read, output.end, live.offset, 1000) == live

    def test_output_is_read_to_its_end_by_next_offsets(self) -> None:
        shelf, output = Shelf(), RunOutput(KEPT)
        output.write("x" * (5 << 20))
        output.close()
        shelf.keep(output, whole=True)
        read, offset = bytearray(), 0

        while (chunk := read_stored(shelf.read, output.end, offset, 100_000)).data:
            read += chunk.data
            offset = chunk.next_offset

        assert offset == output.end
        assert bytes(read) == everything(output)

    def test_nothing_is_kept_twice(self) -> None:
        shelf, output = Shelf(), RunOutput()
        output.write("a")
        shelf.keep(output)
        shelf.keep(output)
        output.write("b")
        shelf.keep(output)

        assert shelf.chunks == [(0, b"a"), (1, b"b")]


class TestInAFile:
    @pytest.mark.parametrize("size", [10, 70_000, 1 << 20, (2 << 20) + 1, 10 << 20])
    def test_output_reads_the_same_as_from_memory(self, size: int, tmp_path: Path) -> None:
        in_memory, in_file = RunOutput(), RunOutput(file=tmp_path / "output")
        data = b"".join(b"%015d\n" % n for n in range(0, size, 16))[:size]
        for start in range(0, size, 100_003):
            for output in (in_memory, in_file):
                output.write(data[start : start + 100_003])

        assert in_file.end == size
        assert everything(in_file) == everything(in_memory)
        assert in_file.unsaved(whole=True) == in_memory.unsaved(whole=True)

    def test_a_hundred_outputs_of_three_megabytes_need_little_memory(self, tmp_path: Path) -> None:
        outputs = [RunOutput(file=tmp_path / str(n)) for n in range(100)]
        text = "x" * 99 + "\n"
        tracemalloc.start()
        for _ in range(30):
            for output in outputs:
                output.write(text * 1000)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert {output.end for output in outputs} == {3_000_000}
        assert peak < 32 << 20

    def test_the_file_goes_with_the_output(self, tmp_path: Path) -> None:
        file = tmp_path / "output"
        output = RunOutput(file=file)
        output.write("x" * 100_000)
        assert file.exists()

        del output
        gc.collect()

        assert not file.exists()

    def test_a_file_that_cannot_be_written_any_more_costs_no_byte(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        output, in_memory = RunOutput(file=folder / "output"), RunOutput()
        for n in range(60):
            if n == 30:
                full = OSError(errno.ENOSPC, "No space left on device")
                output._kept.write = raising(full)  # type: ignore[method-assign]
            for each in (output, in_memory):
                each.write(f"{n:09}\n" * 5_000)

        assert everything(output) == everything(in_memory)
        assert "No space left" in caplog.text

    @pytest.mark.parametrize("saved", [0, 1000, 1 << 20])
    def test_what_a_dead_process_left_is_all_that_was_kept(self, saved: int, tmp_path: Path) -> None:
        file = tmp_path / "output"
        output = RunOutput(file=file)
        output.write(b"".join(b"%015d\n" % n for n in range(400_000)))
        output.keep()

        end, chunks = left_behind(file, saved)

        shelf = Shelf()
        shelf.chunks = [(0, output.read(0, saved).data), *chunks] if saved else chunks
        assert end == output.end
        assert shelf.read(0, 1 << 24) == everything(output)

    def test_nothing_is_left_where_there_is_no_file(self, tmp_path: Path) -> None:
        assert left_behind(tmp_path / "none", 17) == (17, [])


def raising(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object) -> None:
        raise error

    return raise_it
