"""The regional check: what is free, what is held and by how many references, and its bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from livegraft import region
from livegraft.region import Region

TEXT = """
class A:
    def m(self): return f
class B(A):
    pass
class Bare:
    pass
def f(): return ITEMS
def items(): yield A
ITEMS = [A(), B(), {"f": f}, Bare]
"""

Take = Callable[[ModuleType], Any]


@pytest.fixture
def module() -> list[ModuleType]:
    """A module that only this list holds; it is not registered."""
    made = [ModuleType("looked_at")]
    exec(TEXT, vars(made[0]))
    return made


def look(module: list[ModuleType], **parts: Any) -> Region:
    return Region([module[0]], known={id(module[0]): 1}, **parts)


def test_what_nobody_else_refers_to_is_free(module: list[ModuleType]) -> None:
    found = look(module).survey()

    assert (found.held, found.roots, found.is_whole) == (frozenset(), (), True)
    assert found.object_count > 20


HELD: dict[str, Take] = {
    "the module": lambda module: module,
    "its globals": vars,
    "a function": lambda module: module.f,
    "a class": lambda module: module.A,
    "a class without methods": lambda module: module.Bare,
    "an instance": lambda module: module.A(),
    "a bound method": lambda module: module.ITEMS[0].m,
    "a list of its own": lambda module: module.ITEMS,
    "a generator": lambda module: module.items(),
}


@pytest.mark.parametrize("take", HELD.values(), ids=HELD)
def test_one_reference_from_outside_holds_the_module(module: list[ModuleType], take: Take) -> None:
    kept = [take(module[0])]

    looked = look(module)
    assert looked.survey().held == {id(vars(module[0]))}
    assert not looked.clear()
    assert vars(module[0])

    kept.clear()
    del looked
    assert look(module).survey().held == frozenset()


def test_it_is_held_by_as_many_references_as_there_are(module: list[ModuleType]) -> None:
    kept = [module[0].f] * 3

    [root] = look(module).survey().roots

    assert (root.item is module[0].f, root.count) == (True, 3)
    assert len(kept) == 3


def test_who_holds_what_stands_for_a_module_holds_the_module(module: list[ModuleType]) -> None:
    class Stand:
        pass

    stand = Stand()
    own = {id(module[0]): 1}

    assert Region([module[0]], known=own, extra=[(stand, [0])]).survey().held == {id(vars(module[0]))}
    own[id(stand)] = 1  # the name in this function
    assert Region([module[0]], known=own, extra=[(stand, [0])]).survey().held == frozenset()


def test_free_globals_are_emptied_unless_somebody_came_in_meanwhile(module: list[ModuleType]) -> None:
    looked = look(module)
    assert looked.survey().held == frozenset()
    late = [vars(module[0])["f"]]

    assert not looked.clear()
    assert "ITEMS" in vars(module[0])
    late.clear()

    assert looked.clear()
    assert vars(module[0]) == {}


def test_the_host_may_come_in_by_a_weak_reference_or_by_the_base_of_a_class(module: list[ModuleType]) -> None:
    import weakref

    assert not _seen(module)
    reference = weakref.ref(module[0].f)
    assert _seen(module)
    del reference
    assert not _seen(module)
    vars(module[0])["Plugin"] = type("Plugin", (HostBase,), {"__module__": "looked_at"})
    assert _seen(module)


class HostBase:
    pass


def _seen(module: list[ModuleType]) -> bool:
    looked = look(module)
    looked.survey()
    return looked.is_seen_weakly()


def test_finalizers_count_where_they_go_with_the_module(module: list[ModuleType]) -> None:
    assert not _has_finalizers(module)
    exec("class End:\n    def __del__(self): pass\nEND = End()", vars(module[0]))
    assert _has_finalizers(module)
    kept = vars(module[0]).pop("END")
    vars(module[0])["BORROWED"] = [kept]  # it is another's, and stays
    assert not _has_finalizers(module) or kept is not None


def _has_finalizers(module: list[ModuleType]) -> bool:
    looked = look(module)
    looked.survey()
    return looked.has_finalizers()


def test_a_region_that_is_too_large_is_no_finding(module: list[ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region, "LARGEST", 1_000)
    vars(module[0])["ROWS"] = [[n] for n in range(2_000)]

    assert not look(module).survey().is_whole


@pytest.mark.parametrize("kind", ["list", "Rows"])
def test_one_object_that_takes_long_to_read_alone_is_no_finding(
    module: list[ModuleType], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """However few objects of the region it leads to."""
    monkeypatch.setattr(region, "LARGEST", 1_000)
    exec(f"class Rows(list): pass\nROWS = {kind}(range(2_000))", vars(module[0]))

    assert not look(module).survey().is_whole


def test_beyond_its_bound_it_ends_at_the_objects_of_the_host(
    module: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region, "LARGEST", 1_000)
    engine = HostBase()
    engine.__dict__["pool"] = [[n] for n in range(2_000)]
    vars(module[0])["ENGINE"] = engine

    found = look(module).survey()

    assert (found.is_whole, found.held) == (True, frozenset())
    kept = vars(module[0])["f"]
    assert not look(module).survey().is_whole, "within the narrower bound something may look held that is not"
    del kept


def test_the_look_is_one_instant_while_threads_move_references(module: list[ModuleType]) -> None:
    """A thread always holds either the function or the list, never both at once for long, and never nothing."""
    import threading

    stop = threading.Event()
    kept = [module[0].f]

    def move() -> None:
        while not stop.is_set():
            kept.append(kept[-1]() if callable(kept[-1]) else kept[-1][2]["f"])
            del kept[0]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(300):
            assert look(module).survey().held
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_what_the_hosts_list_leads_to_in_the_module_is_told(module: list[ModuleType]) -> None:
    hosts = [[module[0].f]]
    vars(module[0])["IMPORTED"] = hosts

    [root] = look(module).survey().roots

    assert root.item is hosts
    assert [type(each).__name__ for each in root.way] == ["list", "function"]
    assert root.way[-1] is module[0].f


def test_a_list_of_the_host_that_leads_to_two_modules_comes_once_for_each() -> None:
    modules = [ModuleType("first"), ModuleType("second")]
    for each in modules:
        exec("def f(): ...", vars(each))
    shared = [each.f for each in modules]
    modules[0].shared = shared  # type: ignore[attr-defined]
    del each

    roots = Region(modules, known={id(each): 1 for each in modules}).survey().roots

    ways = {root.owner: [item.__name__ for item in root.way] for root in roots if root.item is shared}
    assert ways == {id(vars(each)): ["f"] for each in modules}
