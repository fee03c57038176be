"""Cases 17 to 22 and 26: each version sees the modules of its own commit, the host its own."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import traceback
import typing
from typing import Any

import pytest

from tests.support.host import Host
from tests.support.modules import module_with


def test_case_17_imports_at_call_time_get_the_helper_of_their_own_commit(host: Host) -> None:
    host.take({"s.py": "def run():\n    import helpers.util\n    return helpers.util.V", "helpers/util.py": "V = 1"})
    old = host.live.s
    host.take({"helpers/util.py": "V = 2"})
    new = host.live.s

    assert (old.run(), new.run(), old.run()) == (1, 2, 1)


def test_case_18_the_hosts_own_module_of_the_same_name_is_untouched(host: Host) -> None:
    with module_with("helpers", WHO="the host's") as theirs:
        host.take({"s.py": "import helpers\ndef run(): return helpers.WHO", "helpers/__init__.py": "WHO = 'ours'"})

        import helpers  # type: ignore[import-not-found]

        assert host.live.s.run() == "ours"
        assert helpers.WHO == "the host's"
        assert sys.modules["helpers"] is theirs


@pytest.mark.parametrize(
    "how",
    [
        "import importlib\n    m = importlib.import_module('helpers.util')",
        "from importlib import import_module\n    m = import_module('helpers.util')",
        "import importlib\n    m = importlib.import_module('.util', 'helpers')",
        "m = __import__('helpers.util').util",
        "m = __import__('helpers.util', fromlist=['x'])",
        "ns = {}\n    exec('import helpers.util as u', ns)\n    m = ns['u']",
        "exec('import helpers.util as u', globals())\n    m = u",
        "m = eval(\"__import__('helpers.util').util\")",
        "name = 'util'\n    import importlib\n    m = importlib.import_module(f'helpers.{name}')",
    ],
)
def test_case_19_every_way_to_import_by_name_gets_the_own_commits_helper(host: Host, how: str) -> None:
    host.take({"s.py": f"def run():\n    {how}\n    return m.V", "helpers/util.py": "V = 1"})
    old = host.live.s
    assert old.run() == 1

    host.take({"helpers/util.py": "V = 2", "s.py": f"# changed\ndef run():\n    {how}\n    return m.V"})

    assert host.live.s.run() == 2
    assert old.run() == 1


def test_case_19_a_spec_is_found_of_the_own_commits_module(host: Host) -> None:
    body = (
        "import importlib.util\nfrom importlib.util import find_spec\nfrom pathlib import Path\ndef run():\n"
        "    own, none = importlib.util.find_spec('helpers.util'), find_spec('helpers.none')\n"
        "    return Path(own.origin).read_text(), none, find_spec('json').name"
    )
    host.take({"s.py": body, "helpers/__init__.py": "", "helpers/util.py": "V = 1"})
    old = host.live.s
    host.take({"s.py": body + " # changed", "helpers/util.py": "V = 2"})

    assert host.live.s.run() == ("V = 2", None, "json")
    assert old.run() == ("V = 1", None, "json")


def test_case_19_an_import_that_no_syntax_shows_is_remembered_as_a_dependency(host: Host) -> None:
    body = "import importlib\ndef run(name: str = 'vat'):\n    return importlib.import_module(f'rules.{name}').RATE"
    host.take({"s.py": body, "rules/vat.py": "RATE = 19"})
    key = host.key("s")
    assert host.live.s.run() == 19
    host.take({"README.md": "learning alone loads nothing\n"})
    assert host.key("s") == key

    host.take({"rules/vat.py": "RATE = 16"})

    assert host.key("s") != key
    assert host.live.s.run() == 16


def test_case_20_cycles_relative_imports_namespaces_and_star_behave_as_in_a_checkout(host: Host) -> None:
    host.take(
        {
            "x.py": "import y\ndef f(): return 'x'\ndef run(): return y.g()",
            "y.py": "import x\ndef g(): return x.f() + 'y'",
            "helpers/__init__.py": "from . import util\nNAME = 'helpers'\n__all__ = ['NAME', 'util']",
            "helpers/util.py": "V = 1",
            "helpers/deep/leaf.py": "from .. import util\nfrom ..util import V as W\ndef leaf(): return util.V + W",
            "bare/folder/module.py": "V = 'namespace'\n_HIDDEN = 1",
            "star.py": "from helpers import *\nfrom bare.folder.module import *\n"
            "def run(): return NAME, util.V, V, '_HIDDEN' in globals()",
            "leafs.py": "from helpers.deep.leaf import leaf\nimport helpers.deep.leaf as again\n"
            "def run(): return leaf(), again.leaf(), again.leaf is leaf",
            "pack/script.py": "from .near import V\nfrom . import near\ndef run(): return V + near.V",
            "pack/near.py": "V = 5",
        }
    )
    live = host.live

    assert live.x.run() == "xy"
    assert live.star.run() == ("helpers", 1, "namespace", False)
    assert live.leafs.run() == (2, 2, True)
    assert live.pack.script.run() == 10


def test_case_20_a_submodule_that_a_package_imports_is_its_attribute(host: Host) -> None:
    host.take(
        {
            "pack/__init__.py": "from .first import V\nimport pack.second\nSEEN = first.V, second.V\ndel first\n",
            "pack/first.py": "V = 1",
            "pack/second.py": "V = 2",
            "s.py": "import pack\ndef run(): return pack.V, pack.SEEN, pack.second.V",
        }
    )

    assert host.live.s.run() == (1, (1, 2), 2)


def test_case_20_vars_of_a_package_are_the_names_of_its_init(host: Host) -> None:
    host.take(
        {
            "pack/__init__.py": "V = 1\n_HIDDEN = 2\n",
            "s.py": "import pack\ndef run():\n    vars(pack)['W'] = 3\n"
            "    return sorted(n for n in pack.__dict__ if not n.startswith('__')), pack.W",
        }
    )

    assert host.live.s.run() == (["V", "W", "_HIDDEN"], 3)


def test_case_20_a_name_that_is_missing_says_so_as_python_does(host: Host) -> None:
    host.take(
        {
            "helpers/__init__.py": "",
            "s.py": "def run():\n    found = []\n    for name in ('helpers.nothing', 'nothing_anywhere'):\n"
            "        try:\n            __import__(name)\n        except ModuleNotFoundError as error:\n"
            "            found.append((str(error), error.name))\n    try:\n        from helpers import nope\n"
            "    except ImportError as error:\n        found.append(type(error).__name__)\n    return found",
        }
    )

    assert host.live.s.run() == [
        ("No module named 'helpers.nothing'", "helpers.nothing"),
        ("No module named 'nothing_anywhere'", "nothing_anywhere"),
        "ImportError",
    ]


def test_case_20_two_importers_share_one_module_of_one_key(host: Host) -> None:
    host.take(
        {
            "state.py": "SEEN = []",
            "a.py": "import state\ndef run(): state.SEEN.append('a'); return state.SEEN",
            "b.py": "import state\ndef run(): state.SEEN.append('b'); return state.SEEN",
        }
    )

    host.live.a.run()

    assert host.live.b.run() == ["a", "b"]


def test_case_21_objects_of_an_old_class_work_with_the_old_code(host: Host) -> None:
    host.take({"s.py": "class Order:\n    def total(self): return 1\ndef run(): return Order()"})
    order, old = host.live.s.run(), host.live.s.Order

    host.take({"s.py": "class Order:\n    def total(self): return 2\ndef run(): return Order()"})

    assert order.total() == 1
    assert isinstance(order, old)
    assert not isinstance(order, host.live.s.Order)


def test_case_22_types_resolve_in_their_own_version(host: Host) -> None:
    def source(kind: str) -> str:
        return (
            "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom enum import Enum\n"
            "from typing import NamedTuple\n"
            f"Value = {kind}\n@dataclass\nclass Row:\n    value: Value\n"
            "class Colour(Enum):\n    RED = 1\nclass Point(NamedTuple):\n    x: Value\ndef run(): ...\n"
        )

    host.take({"s.py": source("int")})
    old = host.live.s
    host.take({"s.py": source("str")})
    new = host.live.s

    for module, kind in ((old, int), (new, str)):
        assert typing.get_type_hints(module.Row) == {"value": kind}
        assert typing.get_type_hints(module.Point) == {"x": kind}
        assert [field.name for field in dataclasses.fields(module.Row)] == ["value"]
        assert module.Colour(1) is module.Colour.RED
        assert pickle.loads(pickle.dumps(module.Row(1))) == module.Row(1)


def test_case_26_a_traceback_of_an_old_version_shows_its_own_lines(host: Host) -> None:
    host.take({"s.py": "def run():\n    raise ValueError('old')  # the old line\n"})
    old = host.live.s
    first = host.repository.git("rev-parse", "HEAD")
    host.take({"s.py": "# one line more\n\ndef run():\n    raise ValueError('new')  # the new line\n"})

    def printed(module: Any) -> str:
        try:
            module.run()
        except ValueError:
            return traceback.format_exc()
        raise AssertionError("it raised nothing")

    assert "the old line" in printed(old)
    assert "the new line" in printed(host.live.s)
    place = host.supervisor._loader.locate(old.run.__code__.co_filename)
    assert place == ("s.py", first[:8])


def test_case_25_a_file_named_as_a_standard_module_hides_nothing_and_is_warned_of(host: Host) -> None:
    host.take(
        {
            "calendar.py": "JANUARY = 'mine'\ndef run(): return JANUARY",
            "types/shapes.py": "V = 1",
            "s.py": "import calendar, types\ndef run(): return calendar.month_name[1], types.ModuleType.__name__",
        }
    )

    assert host.live.s.run() == ("January", "module")
    assert host.live.calendar.run() == "mine"
    assert [skipped.path for skipped in host.supervisor.skipped] == ["calendar.py", "types"]
    assert "`import calendar` means the standard module" in host.supervisor.skipped[0].reason
