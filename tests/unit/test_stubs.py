"""Type stubs: what the type checker of a host says of its calls of live code."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from livegraft.stubs import write_stubs
from tests.support import Repository

TREE = {
    "pricing.py": """
        from __future__ import annotations
        from dataclasses import dataclass, field
        from decimal import Decimal
        from typing import TYPE_CHECKING
        import shop.carts
        from shop.carts import Cart
        from shop import carts as of_carts
        if TYPE_CHECKING:
            from collections.abc import AsyncIterator
        VAT = 20
        LIMITS = compute()
        Money = Decimal | int

        @dataclass
        class Order:
            product: int
            notes: list[str] = field(default_factory=list)

        def quote(order: Order, /, cart: Cart, *, currency: str = 'EUR') -> Decimal:
            '''What it costs.'''
            return sum(x for x in ())
        async def refresh(cart: shop.carts.Cart, other: of_carts.Cart | None = None) -> Money: ...
        async def stream(limit: int = 3) -> AsyncIterator[int]:
            yield 1
        def untyped(a, b=1): return a
        """,
    "shop/__init__.py": "def total() -> int: return 1\n",
    "shop/carts.py": """
        from .rules.base import Rule
        class Cart:
            '''What somebody wants to buy.'''
            def __init__(self, owner: str, size=3) -> None:
                self.owner = owner
                self.count: int = 0
            @property
            def rule(self) -> Rule: ...
        """,
    "shop/rules/base.py": "class Rule: name: str = 'x'\n",
    "broken.py": "def run(:\n",
    "x-y.py": "",
}

HOST = """
from decimal import Decimal
from typing import TYPE_CHECKING, cast
from livegraft import Supervisor
if TYPE_CHECKING:
    from livegraft_live import Live

supervisor = Supervisor("scripts")
live = cast("Live", supervisor.live)
cart = live.shop.carts.Cart("dana")
price: Decimal = live.pricing.quote(live.pricing.Order(3, ["gift"]), cart, currency="USD")
name: str = cart.owner + cart.rule.name + live.shop.rules.base.Rule().name
count: int = cart.count + live.shop.total() + live.pricing.VAT
live.broken.anything(1)
live.pricing.untyped(1)

async def use() -> None:
    money: Decimal | int = await live.pricing.refresh(cart, other=cart)
    async for number in live.pricing.stream(limit=2):
        number + 1
"""

WRONG = {
    "live.pricing.quote(1, cart)": 'Argument 1 has incompatible type "int"; expected "Order"',
    "live.pricing.quote(live.pricing.Order(1), cart, money=1)": 'Unexpected keyword argument "money"',
    "live.pricing.quotes": '"_pricing" has no attribute "quotes"',
    "live.pricng": '"Live" has no attribute "pricng"',
    "live.pricing.untyped()": "Too few arguments",
    "count = cart.owner": 'expression has type "str", variable has type "int"',
}


def mypy(folder: Path, text: str) -> str:
    (folder / "host.py").write_text(text, encoding="utf-8")
    (folder / "mypy.ini").write_text("[mypy]\nmypy_path = typings\nstrict = true\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "host.py"], cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.timeout(400)
def test_a_host_is_type_checked_against_the_live_code(tmp_path: Path) -> None:
    tree = Repository.create(tmp_path / "scripts")
    tree.write(TREE)

    written = write_stubs(tree.path, tmp_path / "typings")

    assert written.unread == ("broken.py",)
    assert mypy(tmp_path, HOST) == "Success: no issues found in 1 source file\n"
    told = mypy(tmp_path, HOST + "\n".join(WRONG) + "\n")
    first = HOST.count("\n") + 1
    for place, (call, message) in enumerate(WRONG.items()):
        assert [
            line for line in told.splitlines() if line.startswith(f"host.py:{first + place}:") and message in line
        ], (
            call,
            told,
        )


def test_stubs_are_without_fault_themselves_whatever_a_class_sets_where(tmp_path: Path) -> None:
    text = """
        from dataclasses import dataclass
        from typing import overload
        class Cart:
            size: int
            limit = 3
            def __init__(self, owner: str) -> None:
                self.owner, self.size, self.limit = owner, 1, 2
                self.owner = owner
            def pay(self) -> None:
                self.is_paid = True
                self.size = 3
            @overload
            def item(self, at: int) -> int: ...
            @overload
            def item(self, at: str) -> str: ...
            def item(self, at): return at
        @dataclass
        class Order:
            count: int
            def __post_init__(self):
                self.total = self.count
        @overload
        def price(of: int) -> int: ...
        @overload
        def price(of: str) -> str: ...
        def price(of): return of
        """
    tree = Repository.create(tmp_path / "scripts")
    tree.write({"shop.py": text})
    write_stubs(tree.path, tmp_path / "typings")

    used = """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from livegraft_live import Live
        def use(live: "Live") -> int:
            cart, order = live.shop.Cart("dana"), live.shop.Order(3)
            paid: bool = cart.is_paid
            return cart.item(order.count) + live.shop.price(cart.size)
        """
    assert mypy(tmp_path, textwrap.dedent(used)) == "Success: no issues found in 1 source file\n"


def test_a_package_has_what_it_imports_from_its_modules(tmp_path: Path) -> None:
    tree = Repository.create(tmp_path / "scripts")
    files = {
        "shop/__init__.py": "from .carts import Cart, pay as settle\nfrom . import rules\nfrom shop.cycle import *",
        "shop/carts.py": "class Cart: size: int = 1\ndef pay(cart: Cart) -> int: return 1",
        "shop/rules.py": "from .carts import Cart as Kept\nLIMIT = 3",
        "shop/cycle.py": "from shop import Cart\ndef again() -> int: return 1",
        "top.py": "from shop import Cart, rules as law\nfrom decimal import Decimal",
    }
    tree.write(files)
    write_stubs(tree.path, tmp_path / "typings")

    used = """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from livegraft_live import Live
            from livegraft_live.shop import Cart
        def use(live: "Live") -> int:
            cart: Cart = live.shop.Cart()
            kept: Cart = live.shop.rules.Kept()
            live.shop.rules.LIMIT + live.top.law.LIMIT + live.shop.again()
            return live.shop.settle(cart) + live.top.Cart().size + live.shop.cycle.Cart().size + kept.size
        """
    assert mypy(tmp_path, textwrap.dedent(used)) == "Success: no issues found in 1 source file\n"


def test_names_are_found_in_whatever_statement_makes_them(tmp_path: Path) -> None:
    text = """
        import sys
        with open("rates.csv") as rates:
            TABLE = rates.read()
        for line in TABLE.split():
            last = line
        else:
            ended = True
        for line in []: ...
        match sys.argv:
            case []:
                mode = "empty"
            case [first]:
                mode = "one"
                only = 1
        try:
            import tomllib as codec
            def parse(text: str) -> int: return 1
        except ImportError:
            import json as codec
            def parse(text: str) -> str: return ""
            is_slow = True
        finally:
            done = 1
        if sys.platform == "win32":
            WIDTH = 80
        else:
            WIDTH = 100
            HEIGHT = 25
        WIDTH = 120
        """
    tree = Repository.create(tmp_path / "scripts")
    tree.write({"s.py": textwrap.dedent(text)})
    write_stubs(tree.path, tmp_path / "typings")
    names = ["rates", "TABLE", "line", "last", "ended", "mode", "only", "is_slow", "done", "WIDTH", "HEIGHT"]
    reads = "".join(f"live.s.{name}\n" for name in names)

    told = mypy(
        tmp_path, f"from livegraft_live import Live\ndef use(live: Live) -> None:\n{textwrap.indent(reads, '    ')}"
    )

    assert told == "Success: no issues found in 1 source file\n"
    written = (tmp_path / "typings" / "livegraft_live" / "s.pyi").read_text()
    assert written.count("def parse") == 1
    assert written.count("WIDTH") == 1


def test_docstrings_stay_for_editors_and_nothing_else_that_is_executed(tmp_path: Path) -> None:
    tree = Repository.create(tmp_path / "scripts")
    tree.write(
        {"m.py": "'''All of m.'''\nimport os\nos.abort()\ndef f(a: int = os.getpid()) -> int:\n    '''One.'''\n"}
    )

    write_stubs(tree.path, tmp_path)

    assert (tmp_path / "livegraft_live" / "m.pyi").read_text().splitlines()[2:] == [
        '"""All of m."""',
        "import os",
        "",
        "def f(a: int=...) -> int:",
        '    """One."""',
        "    ...",
    ]


def test_stubs_of_modules_that_are_gone_are_removed_and_other_files_are_not(tmp_path: Path) -> None:
    tree = Repository.create(tmp_path / "scripts")
    tree.write({"a.py": "", "b/c.py": ""})
    folder = write_stubs(tree.path, tmp_path).folder
    (folder / "mine.pyi").write_text("x: int\n")
    (tree.path / "b/c.py").unlink()

    write_stubs(tree.path, tmp_path)

    assert sorted(file.name for file in folder.rglob("*.pyi")) == ["__init__.pyi", "a.pyi", "mine.pyi"]


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    tree = Repository.create(tmp_path / "scripts")
    tree.write({"a.py": "", "bad.py": "x = ="})
    command = [sys.executable, "-m", "livegraft", "stubs", str(tree.path), "--out", "here"]

    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    data = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert told.splitlines() == ["bad.py: cannot be parsed; its names are Any", "2 modules in here/livegraft_live"]
    assert json.loads(data) == {"folder": "here/livegraft_live", "modules": ["a", "bad"], "unread": ["bad.py"]}
