"""Looking for who holds something."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from contextvars import Context, ContextVar

import pytest

from livegraft import holders
from livegraft.holders import find_holders
from livegraft.region import Root

REGISTRY: list[object] = []

BESIDE_A_LARGE_PACKAGE = """
import sys, sysconfig
from types import ModuleType
from livegraft import holders
from livegraft.region import Root

package = sys.modules["large"] = ModuleType("large")
package.__file__ = sysconfig.get_path("purelib") + "/large.py"
package.tables = [[[n] for n in range(100)] for _ in range(holders.SEARCHED // 100)]
registry = {"first": [{"second": [{"third": [object()]}]}]}
holders.SMALL_HEAP_BLOCKS = 0
print(*holders.find_holders([Root(registry["first"][0]["second"][0]["third"][0], 1, (), 0)], ())[0].names)
"""

AFTER_AWAITING = """
import asyncio, gc
from livegraft.holders import find_holders
from livegraft.region import Root

async def wait():
    future = asyncio.get_running_loop().create_future()
    future.get_loop().call_soon(future.set_result, None)
    await future

asyncio.run(wait())
for _ in range(3):
    find_holders([Root(object(), 1, (), 0)], ())
    asyncio.run(wait())
gc.collect()
print("collected")
"""


def test_a_list_of_a_module_is_named_with_the_way_to_what_it_holds() -> None:
    REGISTRY.append({"kept": [kept := object()]})
    try:
        found = find_holders([Root(kept, 1, (), 0)], ())[0]
    finally:
        REGISTRY.clear()

    assert f"list in key 'kept' of dict in list REGISTRY in module {__name__} -> object object" in found.names
    assert not found.suspended


def test_a_task_that_waits_is_named_for_its_context_on_a_large_heap_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "SMALL_HEAP_BLOCKS", 0)
    monkeypatch.setattr(holders, "SEARCHED", 1 << 62)  # how much other tests left must not count
    variable: ContextVar[object] = ContextVar("order")
    root = Root(object(), 1, (), 0)

    async def waits() -> None:
        variable.set([root.item])
        await asyncio.get_running_loop().create_future()

    async def look() -> tuple[str, ...]:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        found = find_holders([root], ())[0]
        task.cancel()
        return found.names

    # In a context without the variables that other tests set.
    names = Context().run(asyncio.run, look())

    assert "list in context variable order in hamt in Context in Task -> object object" in names


def test_no_step_of_a_search_reads_many_long_lists_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    REGISTRY.append([[[n] for n in range(5_000)] for _ in range(20)])
    read, longest = gc.get_referents, 0

    def get_referents(*items: object) -> list[object]:
        nonlocal longest
        found = read(*items)
        longest = max(longest, len(found))
        return found

    monkeypatch.setattr(gc, "get_referents", get_referents)
    monkeypatch.setattr(holders, "SMALL_HEAP_BLOCKS", 0)
    try:
        find_holders([Root(object(), 1, (), 0)], ())
    finally:
        REGISTRY.clear()

    assert 5_000 <= longest < 50_000


def test_looking_touches_no_dead_objects_that_a_module_in_c_keeps_for_reuse() -> None:
    """On CPython 3.12 ``_asyncio`` tells of those: who takes hold of one frees it a second time."""
    done = subprocess.run([sys.executable, "-c", AFTER_AWAITING], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout.strip()) == (0, "collected"), done.stderr


def test_a_registry_of_the_application_is_found_however_much_its_packages_have() -> None:
    done = subprocess.run([sys.executable, "-c", BESIDE_A_LARGE_PACKAGE], capture_output=True, text=True, timeout=60)

    assert "of dict registry in module __main__ -> object object" in done.stdout, done.stdout + done.stderr
