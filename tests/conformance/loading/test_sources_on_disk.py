"""Sources are written after the switch; until then nobody sees that they are not there."""

from __future__ import annotations

import inspect
import linecache
import traceback
from pathlib import Path

from tests.support import eventually
from tests.support.host import Host


def kept_from_disk(host: Host) -> None:
    """From now on sources wait to be written, as while thousands of them load."""
    host.supervisor._builder.write_sources = lambda is_enough: None  # type: ignore[method-assign]


def test_a_source_is_on_disk_a_moment_after_its_version_is_live(host: Host) -> None:
    host.take({"s.py": "def run(): return 1"})

    eventually(lambda: Path(host.live.s.run.__code__.co_filename).is_file())


def test_inspect_and_tracebacks_read_what_is_not_on_disk_yet(host: Host) -> None:
    kept_from_disk(host)
    host.take({"s.py": "def run():\n    return 1 / 0  # the culprit"})
    run = host.live.s.run
    file = run.__code__.co_filename
    Path(file).unlink(missing_ok=True)  # the probe may have left it there

    assert "the culprit" in inspect.getsource(run)
    linecache.clearcache()
    try:
        run()
    except ZeroDivisionError:
        assert "the culprit" in traceback.format_exc()


def test_a_failure_at_import_shows_its_line_and_that_of_its_helper(host: Host) -> None:
    kept_from_disk(host)

    host.take(
        {"s.py": "import h\nh.fail()  # called\ndef run(): ...", "h.py": "def fail():\n    raise KeyError  # here"}
    )

    error = host.supervisor.script("s").error
    assert error is not None
    assert "# called" in error.failure.traceback
    assert "# here" in error.failure.traceback


def test_code_that_reads_its_own_file_at_import_finds_it(host: Host) -> None:
    kept_from_disk(host)

    host.take(
        {
            "s.py": "import h, sys\nTEXT = h.text(sys.modules[__name__])\ndef run(): return TEXT",
            "h.py": "from pathlib import Path\ndef text(module):\n    return Path(module.__file__).read_text()",
        }
    )

    assert "def run(): return TEXT" in host.live.s.run()
