"""What other threads execute now."""

from __future__ import annotations

import sys
import threading
from types import FrameType


def frames_of_other_threads() -> dict[int, FrameType]:
    """Thread ident -> its innermost frame, without this thread's.

    A frame that gets hold of itself is garbage that keeps its callers' frames, and with them every object
    that they look at, until the next collection.
    """
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)
    return frames
