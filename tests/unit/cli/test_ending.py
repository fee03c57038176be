"""How the process of a command ends."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, gc, sys
atexit.register(lambda: print("collected:", gc.collect() > 0))
cycle = []
from livegraft.cli import main
sys.argv = ["livegraft", "--help"]
cycle.append(cycle)
del cycle
main()
"""


def test_a_command_ends_without_a_look_at_all_objects() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.endswith("collected: False\n")
