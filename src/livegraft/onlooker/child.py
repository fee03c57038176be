"""The process that looks on: sees from outside when nobody can go on in its host, and who is to blame.

It is started as a program of its own, with nothing but the standard library. Its host gives it a line each half
second, and gets one back: ``null``, or what it saw of a stall that is over. While no line comes it asks py-spy, which
reads the host's memory and neither stops nor disturbs it, who holds the interpreter and where. What it sees stands in
the files that the host named until the stall is over: if the host never goes on, they stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_QUIET_SECONDS: Final = 0.7
"""From here on it is late, and the processor time of its threads is looked at."""

_LOOK_SECONDS: Final = 0.3
_LOOKS: Final = 20
_LOOK_PAUSE: Final = 0.005
_SPY_SECONDS: Final = 2.0
_SAID_SECONDS: Final = 10.0
"""A stall as long as this is told on the standard error too: until it ends nothing else in the host can tell it."""

_BUSY_SHARE: Final = 0.1
"""Who took less of the time than this was kept from going on by the machine, which was busy or had stopped it."""

_LEAST_SECONDS: Final = 0.25
_LINE_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Sight:
    """A stall as it is seen from outside.

    ``at`` is when it began, in ISO form; ``thread`` the id that the system gave the thread that holds the interpreter.
    ``frames`` are its (file, line, function), innermost first; without them ``problem`` says why.
    """

    at: str
    seconds: float
    thread: int
    name: str = ""
    frames: list[tuple[str, int, str]] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class _Look:
    """How much processor time each thread of the host had taken at a moment, in seconds."""

    at: float
    taken: dict[int, float]


_Place = tuple[int | tuple[str, int, str], ...]
"""A thread, and the innermost (file, line, function) of its frames."""


class Onlooker:
    """Watches one process, which stalls when it is silent for ``held_seconds``.

    ``spy`` is the program py-spy, or "" where there is none.
    """

    def __init__(self, host: int, held_seconds: float, spy: str) -> None:
        self._host = host
        self._held_seconds = held_seconds
        self._spy = spy
        self._files: list[Path] = []
        self._beating = host
        self._unread = b""
        self._beat_at = time.monotonic()
        self._first: _Look | None = None
        self._sight: Sight | None = None
        self._is_said = False
        self._place: _Place | None = None
        self._is_excused = False

    def watch(self) -> None:
        """Until the host ends, or closes its end of the pipe."""
        while True:
            line = self._line(self._patience())
            if line is None and self._is_orphan():
                return
            if line is None:
                self._look()
            elif line:
                self._answer(json.loads(line))
            else:
                return

    def _patience(self) -> float:
        silent = time.monotonic() - self._beat_at
        return max(_QUIET_SECONDS - silent, 0.0) if self._first is None else _LOOK_SECONDS

    def _line(self, seconds: float) -> bytes | None:
        """The next line of the host; None when none came in time, empty at the end."""
        while b"\n" not in self._unread:
            if not select.select([sys.stdin], [], [], seconds)[0]:
                return None
            data = os.read(sys.stdin.fileno(), _LINE_BYTES)
            if not data:
                return data
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line + b"\n"

    def _is_orphan(self) -> bool:
        # A process that the host forked may keep the pipe open.
        return os.getppid() != self._host

    def _answer(self, told: dict[str, Any] | None) -> None:
        """The host goes on. It names the thread that gives the lines, and the files for what is seen."""
        seconds = time.monotonic() - self._beat_at
        sight = self._sight
        if sight is None and self._first is not None and seconds >= self._held_seconds and not self._is_excused:
            sight = self._seen_by_times(self._first, "it was over before anybody could look")
        self._clear()
        if told is not None:
            self._files, self._beating = [Path(file) for file in told["files"]], told["thread"]
        answer = json.dumps(asdict(replace(sight, seconds=seconds)) if sight else None)
        os.write(sys.stdout.fileno(), answer.encode() + b"\n")
        self._beat_at = time.monotonic()

    def _clear(self) -> None:
        if self._sight is not None:
            for file in self._files:
                file.unlink(missing_ok=True)
        self._first, self._sight, self._is_said = None, None, False
        self._place, self._is_excused = None, False

    # -- a host that is silent -------------------------------------------------------------

    def _look(self) -> None:
        silent = time.monotonic() - self._beat_at
        if self._first is None:
            self._first = self._times()
            self._seen(self._first)  # where it stands now, so that the next look can tell whether it moved
        elif silent >= self._held_seconds:
            if self._sight is None or (not self._sight.frames and silent < _SAID_SECONDS):
                self._sight = self._seen(self._first) or self._sight
            if self._sight is not None:
                self._sight = replace(self._sight, seconds=silent)
                self._write(self._sight)

    def _seen(self, first: _Look) -> Sight | None:
        """Who holds the interpreter, and where; None when nobody does."""
        if _state(self._host, self._host) in "Tt":
            return None  # somebody stopped it
        if self._is_starved():
            self._is_excused = True
            return None
        threads, problem = self._threads()
        owner = next((thread for thread in threads if thread["owns_gil"]), None)
        if owner is None:
            return self._seen_by_times(first, problem) if problem else None
        thread = owner["os_thread_id"]
        took = self._times().taken.get(thread, 0.0) - first.taken.get(thread, 0.0)
        # One that waits for something else and keeps the interpreter meanwhile takes no time.
        waits = _state(self._host, thread) in "SD"
        if not waits and took < _BUSY_SHARE * (time.monotonic() - first.at):
            return None
        frames = [(frame["filename"], frame["line"], frame["name"]) for frame in owner["frames"]]
        if self._has_moved((thread, *frames[:1])):
            return None
        return self._sight_of(thread, name=owner["thread_name"] or "", frames=frames)

    def _has_moved(self, place: _Place) -> bool:
        """Whether it is somebody else, or somewhere else, than at the look before: then others get their turns.

        A thread that keeps the interpreter does so in one call into C. On a busy machine the turns of the one that
        gives the lines may come so late that it is silent, and nobody is to blame.
        """
        before, self._place = self._place, place
        if before is None or before == place:
            return before is None
        self._is_excused = True
        return True

    def _is_starved(self) -> bool:
        """Whether the thread that gives the lines could go on, and the machine has no time for it.

        One that waits for the interpreter sleeps, and looks for it each few milliseconds.
        """
        for _ in range(_LOOKS):
            if _state(self._host, self._beating) != "R":
                return False
            time.sleep(_LOOK_PAUSE)
        return True

    def _seen_by_times(self, first: _Look, problem: str) -> Sight | None:
        """The thread that computed nearly all the time, or as much as the machine let it; None without one."""
        now = self._times()
        took = {thread: each - first.taken.get(thread, 0.0) for thread, each in now.taken.items()}
        busiest = max(took, key=took.__getitem__, default=None)
        least = max(_BUSY_SHARE * (now.at - first.at), sum(took.values()) / 2)
        if busiest is None or now.at - first.at < _LEAST_SECONDS or took[busiest] < least:
            return None
        return self._sight_of(busiest, problem=problem)

    def _sight_of(self, thread: int, **seen: Any) -> Sight:
        seconds = time.monotonic() - self._beat_at
        return Sight(datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(), seconds, thread, **seen)

    def _threads(self) -> tuple[Sequence[dict[str, Any]], str]:
        """The host's threads as py-spy tells them, or why it does not."""
        if not self._spy:
            return [], "the program py-spy, which can tell the line, is not there"
        command = [self._spy, "dump", "--nonblocking", "--json", "--pid", str(self._host)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SPY_SECONDS, check=False)
            if not done.returncode:
                return json.loads(done.stdout), ""
            said = done.stderr.decode("utf-8", "replace").strip()
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            said = str(error)
        return [], f"py-spy cannot tell the line: {' '.join(said.split())[:300]}"

    def _times(self) -> _Look:
        taken = {}
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{self._host}/task"):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    text = Path(f"/proc/{self._host}/task/{thread}/schedstat").read_text()
                    taken[int(thread)] = int(text.split()[0]) / 1e9
        return _Look(time.monotonic(), taken)

    def _write(self, sight: Sight) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                aside = file.with_name(f".{file.name}")
                aside.write_text(json.dumps(asdict(sight)))
                aside.replace(file)
        if sight.seconds >= _SAID_SECONDS and not self._is_said:
            self._is_said = True
            place = "".join(f'\n  File "{file}", line {line}, in {name}' for file, line, name in sight.frames)
            with contextlib.suppress(OSError):
                print(  # noqa: T201 - the host's logging does not go on either
                    f"livegraft: thread {sight.name or sight.thread} of process {self._host} has held the interpreter"
                    f" for {sight.seconds:.0f} s, innermost first:{place or f' {sight.problem}'}",
                    file=sys.stderr,
                    flush=True,
                )


def _state(process: int, thread: int) -> str:
    """As /proc has it: R for one that computes or could, S and D for one that waits, T for one that was stopped."""
    try:
        text = Path(f"/proc/{process}/task/{thread}/stat").read_text(errors="replace")
    except OSError:
        return "X"
    return text.rpartition(")")[2].split()[0]


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the host was killed before it had its answer
        Onlooker(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]).watch()
