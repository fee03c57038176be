"""Cases 32, 33 and 38: gone and checked, or named with its holder; and nothing grows."""

from __future__ import annotations

import gc
import linecache
import logging
import sys
import threading
import typing
import weakref
from typing import Any

import pytest

from livegraft.version import VersionState
from tests.support import eventually
from tests.support.descriptors import descriptors
from tests.support.host import Host
from tests.support.modules import module_with

SCRIPT = """
import logging
import typing
from dataclasses import dataclass
from enum import Enum
from helpers.util import Base

log = logging.getLogger(__name__)

class Colour(Enum):
    RED = {0}

@dataclass
class Row(Base):
    value: typing.Optional[Colour] = None

class Plain:
    pass

ROWS = [Row(), Row(Colour.RED)]

def run(colour: Colour = Colour.RED, limit: int = 3) -> list[str]:
    log.info("running")
    return [repr(row) for row in ROWS]
"""
FILES = {"s.py": SCRIPT, "helpers/util.py": "class Base:\n    VALUE = {0}\n"}


def at(n: int) -> dict[str, str]:
    return {path: text.replace("{0}", str(n)) for path, text in FILES.items()}


def test_case_32_a_drained_version_is_gone_after_at_most_one_collection(host: Host) -> None:
    host.take(at(1))
    host.supervisor.run("s").wait(60)
    version = host.version("s")
    key, module, function = version.key, weakref.ref(version.executed_module), weakref.ref(version.executed_module.run)
    classes = [weakref.ref(cls) for cls in version.classes]
    assert len(classes) == 3
    del version

    host.take(at(2))

    host.wait_for("s", key, VersionState.UNLOADED)
    host.supervisor.run("s").wait(60)
    gc.collect()
    assert module() is None
    assert function() is None
    assert [cls() for cls in classes if cls() is not None] == []
    assert not any(key in name for name in sys.modules)
    assert not any(key in name for name in logging.Logger.manager.loggerDict)
    helper = [state for name_key, state in host.states("helpers.util").items() if state is not VersionState.LIVE]
    assert helper == [VersionState.UNLOADED]


def test_case_33_what_the_host_keeps_is_reported_with_its_holder_and_unloads_once_released(host: Host) -> None:
    for keep in ("run", "Row", "Row()", "boom"):
        host.take(at(1))
        host.take({"s.py": at(1)["s.py"] + f"\n# {keep}\ndef boom(): raise KeyError('kept')\n"})
        key = host.key("s")
        kept(host, keep)
        host.take(at(2))

        status = host.wait_for("s", key, VersionState.LEAKED)
        assert any("KEPT in module tests.conformance.loading.test_unloading" in each for each in status.holders), (
            keep,
            status.holders,
        )

        KEPT.clear()
        host.supervisor._drainer.wake()
        host.wait_for("s", key, VersionState.UNLOADED)


def test_each_of_many_held_versions_is_told_of_with_its_own_holder(host: Host) -> None:
    numbers = range(13)
    script = "def run(): ...\ndef mine(): return {0}\ndef items(): yield {0}"
    host.take({f"s{number}.py": script.format(number) for number in numbers})
    keys = {number: host.key(f"s{number}") for number in numbers}
    live = {number: getattr(host.live, f"s{number}") for number in numbers}
    generator = live[12].items()
    next(generator)
    with module_with("app", **{f"kept{number}": [live[number].mine] for number in range(12)}, kept12=[generator]):
        del live, generator
        host.take({f"s{number}.py": "def run(): ..." for number in numbers})

        for number in range(12):
            status = host.wait_for(f"s{number}", keys[number], VersionState.LEAKED)
            assert status.holders == (f"list kept{number} in module app -> function mine",)
        used = host.status("s12", keys[12])
        assert used.state is VersionState.DRAINING
        assert any("suspended generator items" in each for each in used.holders), used.holders


def test_what_only_a_held_version_uses_names_it_and_drains_with_it(host: Host) -> None:
    host.take(
        {
            "s.py": "from shop import prices\ndef run(): ...",
            "shop/__init__.py": "from shop import a",  # and a uses the package: a cycle
            "shop/a.py": "import shop",
            "shop/prices.py": "TAX = 1",
        }
    )
    script, package = host.version("s"), host.version("s").reach["shop"].key
    key, label = script.key, script.label
    del script
    kept(host, "run")
    host.take({"s.py": "def run(): ...", "shop/__init__.py": "PRICES = 2"})

    host.wait_for("s", key, VersionState.LEAKED)
    status = host.wait_for("shop", package, VersionState.DRAINED)
    assert f"{label}, which uses it and stays" in status.holders

    KEPT.clear()
    host.supervisor._drainer.wake()
    host.wait_for("shop", package, VersionState.UNLOADED)


def test_what_was_called_through_a_package_unloads_too(host: Host) -> None:
    host.take({"shop/prices/rule.py": "def quote(): return 1\ndef run(): ..."})
    key = host.key("shop/prices/rule")
    assert host.live.shop.prices.rule.quote() == 1
    gc.disable()  # no collection may help: the garbage of a release must not keep its modules
    try:
        host.take({"shop/prices/rule.py": "def quote(): return 2\ndef run(): ..."})
        host.wait_for("shop.prices.rule", key, VersionState.UNLOADED)
    finally:
        gc.enable()
    assert host.live.shop.prices.rule.quote() == 2


KEPT: list[Any] = []


def kept(host: Host, what: str) -> None:
    if what == "boom":
        try:
            host.live.s.boom()
        except KeyError as error:
            KEPT.append(error)
    else:
        module = host.live.s
        KEPT.append(module.Row() if what == "Row()" else getattr(module, what))


@pytest.mark.timeout(400)
def test_case_38_after_hundreds_of_versions_everything_is_on_a_plateau(host: Host) -> None:
    host.take(at(0))
    commits = host.repository.prepare_commits([at(n) for n in range(1, 201)])

    def cycle(first: int, count: int) -> None:
        for n in range(first, first + count):
            host.repository.publish(commits[n])
            host.sync()
            if n % 50 == 0:
                assert host.supervisor.run("s").wait(60).state == "succeeded"
        eventually(lambda: {each.state for each in host.supervisor.versions()} <= {"live", "unloaded"})
        gc.collect()

    cycle(0, 50)
    before = measure()
    cycle(50, 150)
    after = measure()

    assert after["modules"] == before["modules"]
    assert after["loggers"] == before["loggers"]
    assert abs(after["lines"] - before["lines"]) <= 5
    # The pool of runs starts a thread when none is idle; one a version would be hundreds.
    assert after["threads"] <= before["threads"] + 3
    # Git may be at work at this moment, with pipes of its own; what leaked would stay.
    eventually(lambda: (measure()["descriptors"] - before["descriptors"]).total() <= 3)
    # 150 versions of several hundred objects each would be about fifty thousand blocks.
    assert after["blocks"] - before["blocks"] < 10_000


def measure() -> dict[str, Any]:
    return {
        "blocks": sys.getallocatedblocks(),
        "modules": len(sys.modules),
        "loggers": len(logging.Logger.manager.loggerDict),
        "lines": len(linecache.cache),
        "threads": threading.active_count(),
        "descriptors": descriptors(),
    }


def test_case_32_overloads_do_not_keep_their_version(host: Host) -> None:
    host.take(
        {
            "s.py": "from typing import get_overloads, overload\n@overload\ndef f(x: int) -> int: ...\n"
            "@overload\ndef f(x: str) -> str: ...\ndef f(x): return x\ndef run(): return len(get_overloads(f))\n"
        }
    )
    key = host.key("s")
    assert host.live.s.run() == 2

    host.take({"s.py": "def run(): ..."})

    host.wait_for("s", key, VersionState.UNLOADED)
    assert not any(name.startswith("livegraft.live.s@") for name in vars(typing)["_overload_registry"])
