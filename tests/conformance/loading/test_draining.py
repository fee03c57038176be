"""Cases 28 to 30: work under way goes on, on the code that it began with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from livegraft.version import VersionState
from tests.support.host import Host

HELPERS = {"helpers/late.py": "V = {0}", "helpers/__init__.py": "NAME = {0}"}


def at(n: int, files: dict[str, str]) -> dict[str, str]:
    return {path: text.replace("{0}", str(n)) for path, text in files.items()}


@contextmanager
def a_call_that_waits(host: Host) -> Iterator[list[Any]]:
    """``call`` of the live ``s`` waits in what it is given until the block ends; its answer is in the list then."""
    gate, asleep, answers = threading.Event(), threading.Event(), list[Any]()

    def wait() -> None:
        asleep.set()
        gate.wait(60)

    caller = threading.Thread(target=lambda: answers.append(host.live.s.call(wait)))
    caller.start()
    try:
        assert asleep.wait(60)
        yield answers
    finally:
        gate.set()
        caller.join()


def test_case_28_a_sleeping_call_finishes_on_its_own_version(host: Host) -> None:
    script = """
        import helpers
        N = {0}
        def call(wait):
            wait()
            from helpers import late
            return N, helpers.NAME, late.V
        def run(): ...
        """
    files = {**HELPERS, "s.py": script}
    host.take(at(1, files))
    key = host.key("s")

    with a_call_that_waits(host) as answers:
        host.take(at(2, files))
        status = host.wait_for("s", key, VersionState.DRAINING)
        host.supervisor._drainer.look()
        assert any("in call, line" in holder for holder in host.status("s", key).holders), status

    assert answers == [(1, 1, 1)]
    host.wait_for("s", key, VersionState.UNLOADED)


def test_case_28_what_a_call_imports_late_stays_though_only_its_plan_leads_there(host: Host) -> None:
    """Another script has loaded it, and that one would go."""
    script = """
        # {0}
        def call(wait):
            wait()
            import tally
            return tally.CALLERS
        def run(): ...
        """
    other = "# {0}\nimport tally\ndef call(): tally.CALLERS.append('other {0}')\ndef run(): ..."
    files = {"s.py": script, "other.py": other, "tally.py": "CALLERS = []  # {0}"}
    host.take(at(1, files))
    host.live.other.call()

    with a_call_that_waits(host) as answers:
        host.take(at(2, files))
        for _ in range(3):
            host.supervisor._drainer.look()

    assert answers == [["other 1"]]


def test_case_29_a_suspended_generator_resumes_on_its_version_and_keeps_it(host: Host) -> None:
    files = {
        **HELPERS,
        "s.py": "def items():\n    yield {0}\n    import helpers.late\n    yield helpers.late.V\ndef run(): ...",
    }
    host.take(at(1, files))
    key, items = host.key("s"), host.live.s.items()
    first = next(items)
    host.take(at(2, files))

    for _ in range(12):
        host.supervisor._drainer.look()
    assert host.states("s")[key] is VersionState.DRAINING
    # On a large heap the generator itself is not sought: its function is named.
    assert any("suspended" in holder and "items" in holder for holder in host.status("s", key).holders)

    assert (first, *items) == (1, 1)
    del items
    host.wait_for("s", key, VersionState.UNLOADED)


def test_case_29_a_suspended_task_and_an_async_generator_keep_their_version(host: Host) -> None:
    files = {
        **HELPERS,
        "s.py": "async def items():\n    yield {0}\n    import helpers.late\n    yield helpers.late.V\n"
        "async def call(gate):\n    await gate.wait()\n    return {0}\ndef run(): ...",
    }
    host.take(at(1, files))
    key = host.key("s")

    async def story() -> tuple[Any, ...]:
        gate = asyncio.Event()
        task, items = asyncio.create_task(host.live.s.call(gate)), host.live.s.items()
        first = await anext(items)
        await asyncio.sleep(0)
        await asyncio.to_thread(host.take, at(2, files))
        for _ in range(12):
            await asyncio.to_thread(host.supervisor._drainer.look)
        assert host.states("s")[key] is VersionState.DRAINING
        gate.set()
        rest = [each async for each in items]
        return first, *rest, await task

    assert asyncio.run(story()) == (1, 1, 1)
    host.wait_for("s", key, VersionState.UNLOADED)


def test_case_30_a_draining_version_that_imports_for_the_first_time_makes_no_twin(host: Host) -> None:
    files = {
        "helpers/shared.py": "class Thing: ...\nV = {0}",
        "s.py": "from helpers.shared import Thing\ndef call(wait):\n    wait()\n    import helpers.shared\n"
        "    import helpers.fresh\n    return helpers.shared.Thing is Thing, helpers.fresh.Thing is Thing\n"
        "def run(): ...",
        "helpers/fresh.py": "from .shared import Thing\n",
    }
    host.take(at(1, files))
    key = host.key("s")

    with a_call_that_waits(host) as answers:
        host.take(at(2, files))
        for _ in range(5):
            host.supervisor._drainer.look()

    assert answers == [(True, True)]
    host.wait_for("s", key, VersionState.UNLOADED)
