"""Linux tells at once what changes in a folder: a thread that waits for it costs nothing until then.

``watchfiles`` asks for changes a hundred times a second, which takes almost a hundredth of a core and 13 ms until a
commit is seen. inotify(7) has the structures and numbers.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_CLOSE_WRITE: Final = 0x8
_MOVED: Final = 0x40 | 0x80
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_IS_FOLDER: Final = 0x4000_0000
_EVENT: Final = struct.Struct("iIII")
_BUFFER_BYTES: Final = 64 * 1024


class FolderWatcher:
    """Calls ``changed`` from a thread of its own when a file that ``concerns`` it changes in or below the folders.

    ``concerns`` is asked about the name of a file. Raises OSError where the machine has no watches left.
    """

    def __init__(
        self, folders: Sequence[Path], *, concerns: Callable[[str], bool], changed: Callable[[], None]
    ) -> None:
        self._folders = folders
        self._concerns = concerns
        self._changed = changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._called(self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._woken, self._waker = os.pipe()
        try:
            self._watch_folders()
        except OSError:
            self._close_all()
            raise
        self._thread = threading.Thread(target=self._watch, name="livegraft-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. Idempotent; ``changed`` may call it."""
        if self._waker < 0:
            return
        os.close(self._waker)
        self._waker = -1
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        poller = select.poll()
        poller.register(self._inotify, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        while self._waker >= 0:
            poller.poll()
            events = list(self._read())
            if any(mask & _IS_FOLDER for mask, _ in events):
                # What came into a new folder before it was watched counts as a change.
                self._watch_folders()
            if any(mask & _IS_FOLDER or self._concerns(name) for mask, name in events):
                self._changed()
        os.close(self._inotify)
        os.close(self._woken)

    def _watch_folders(self) -> None:
        """Watch every folder there is now; the kernel knows those that it watches already."""
        for top in self._folders:
            for folder, _, _ in os.walk(top):
                mask = _CLOSE_WRITE | _MOVED | _CREATE | _DELETE
                try:
                    self._called(self._libc.inotify_add_watch(self._inotify, os.fsencode(folder), mask))
                except FileNotFoundError:  # gone meanwhile
                    continue

    def _read(self) -> Iterator[tuple[int, str]]:
        """The mask and the file name of each event that is there."""
        try:
            data = os.read(self._inotify, _BUFFER_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            yield mask, os.fsdecode(data[at - length : at].rstrip(b"\0"))

    def _close_all(self) -> None:
        for descriptor in (self._inotify, self._woken, self._waker):
            os.close(descriptor)

    @staticmethod
    def _called(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
