"""The process that looks on, as its host holds it."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any, Final

from livegraft.onlooker import child

logger = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 5.0
_PR_SET_PTRACER: Final = 0x59616D61


class OnlookerProcess:
    """See ``livegraft.runner.watchdog.Onlooker``. Raises OSError where it cannot be started."""

    def __init__(self, held_seconds: float) -> None:
        command = [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), str(held_seconds), _spy()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd="/", start_new_session=True
        )
        self._told: dict[str, Any] = {}
        _let_read(self._process.pid)

    def beat(self, thread: int, files: Sequence[str]) -> dict[str, Any] | None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        assert self._process.stdout is not None  # noqa: S101 - so is this
        told = {"thread": thread, "files": files}
        line = json.dumps(None if told == self._told else told)
        self._process.stdin.write(line.encode() + b"\n")
        self._told = told
        if not select.select([self._process.stdout], [], [], _ANSWER_SECONDS)[0]:
            raise TimeoutError(f"it did not answer within {_ANSWER_SECONDS:g} s")
        answer = self._process.stdout.readline()
        if not answer:
            raise BrokenPipeError("it has ended")
        seen: dict[str, Any] | None = json.loads(answer)
        return seen

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        assert self._process.stdout is not None  # noqa: S101 - so is this
        self._process.stdin.close()
        try:
            self._process.wait(_ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._process.stdout.close()


def _spy() -> str:
    """The program py-spy of this environment, else of the PATH."""
    return shutil.which("py-spy", path=sysconfig.get_path("scripts")) or shutil.which("py-spy") or ""


def _let_read(pid: int) -> None:
    """Allow a child and its children to read this process, where the kernel (Yama) lets only parents do so."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, pid, 0, 0, 0)
    except (OSError, AttributeError):
        logger.debug("there is no prctl here")
