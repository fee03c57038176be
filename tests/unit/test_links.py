"""What processes of other environments need of the host."""

from __future__ import annotations

import subprocess
import sys

from livegraft.isolation.links import NEEDED

LOADED = """
import sys
import livegraft.isolation.worker, livegraft.probe.zygote
print(*sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""


def test_all_that_livegraft_imports_in_the_process_of_a_run_is_linked_there() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout.split()
    own = {"__main__", "__mp_main__", "_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize"}
    found = {name for name in told if not name.startswith(("_sysconfigdata", "__editable__", "_editable_"))} - own

    assert found <= set(NEEDED)
