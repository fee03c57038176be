"""Case 40, and what else the host sees of live code: namespaces, functions that were handed out."""

from __future__ import annotations

import asyncio
import dis
import gc
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from livegraft import Supervisor
from livegraft.errors import ContractError, LivegraftError, LoadError, NotLiveError
from livegraft.store import Outcome
from livegraft.version import VersionState
from tests.support.host import Host, a_host


def call_often(live: Any) -> Any:
    for _ in range(100):
        answer = live.prices.quote(1, 2)
    return answer


def reads(function: Callable[..., Any]) -> list[str]:
    """How the interpreter reads attributes in a function that it has run often, in the order of the text."""
    instructions = dis.get_instructions(function, adaptive=True)
    return [each.opname for each in instructions if each.opname.startswith(("LOAD_ATTR", "LOAD_METHOD"))]


def test_case_40_a_live_call_is_two_plain_reads_and_the_function_itself_before_and_after_switches(host: Host) -> None:
    caller = FunctionType(call_often.__code__.replace(), call_often.__globals__)
    for n in range(3):
        host.take({"prices.py": f"def quote(a, b): return {n}", "more.py": f"def run(): return {n}"})
        assert host.live.more.run() == n

        assert caller(host.live) == n

        # The module's own function, no wrapper; read by the interpreter's fast paths.
        module = sys.modules[host.live.prices.__name__]
        assert host.live.prices is module
        assert type(module.quote) is FunctionType
        if sys.version_info >= (3, 12):
            assert reads(caller) == ["LOAD_ATTR_INSTANCE_VALUE", "LOAD_ATTR_MODULE"]
        else:
            # 3.11 specialises no class that has __getattr__: there the first read takes the general way.
            assert reads(caller) == ["LOAD_ATTR_ADAPTIVE", "LOAD_METHOD_MODULE"]


def test_packages_are_namespaces_of_one_release(host: Host) -> None:
    def files(n: int) -> dict[str, str]:
        return {
            "shop/__init__.py": f"RATE = {n}\ndef rate(): return RATE\ndef raise_it():\n    global RATE\n    RATE += 1",
            "shop/a.py": f"def run(): return {n}",
            "shop/deep/b.py": f"def f(): return {n}",
        }

    host.take(files(1))
    shop = host.live.shop
    assert (shop.a.run(), shop.rate()) == (1, 1)

    host.take(files(2))

    assert (shop.a.run(), shop.deep.b.f(), shop.rate()) == (1, 1, 1)
    shop = host.live.shop
    assert (shop.a.run(), shop.deep.b.f(), shop.rate()) == (2, 2, 2)
    shop.raise_it()
    assert shop.RATE == 3


def test_live_lists_what_there_is(host: Host) -> None:
    host.take({"pricing.py": "", "shop/__init__.py": "def total(): ...\n_hidden = 1", "shop/cart.py": "", "x-y.py": ""})

    assert dir(host.live) == ["pricing", "shop", "x-y"]
    assert dir(host.live.shop) == ["cart", "total"]


def test_what_does_not_exist_is_told_with_the_nearest_name_and_what_to_do(host: Host) -> None:
    host.take({"pricing.py": "", "shop/cart.py": ""})
    revision = host.repository.git("rev-parse", "HEAD")[:8]

    with pytest.raises(AttributeError) as caught:
        host.live.pricng  # noqa: B018
    assert str(caught.value) == (
        f"expected 'pricng' to be a module of release {revision}, it has none of that name; did you mean 'pricing'? "
        "(dir(live) lists what it has; a commit of pricng.py adds it)"
    )
    assert isinstance(caught.value, LivegraftError)
    with pytest.raises(NotLiveError, match=r"'shop\.card' to be a module .* did you mean 'cart'"):
        host.live.shop.card  # noqa: B018
    assert not hasattr(host.live, "nothing_like_it")


def test_a_module_that_failed_to_load_says_so_with_its_place(host: Host) -> None:
    host.take({"bad.py": "x = 1\nx = = 2\ndef run(): ...", "worse.py": "\n\n1 / 0"})

    with pytest.raises(LoadError, match=r"bad\.py:2: no version of 'bad' is live: .*invalid syntax; a commit that"):
        host.live.bad  # noqa: B018
    with pytest.raises(LoadError, match=r"worse\.py:3: ZeroDivisionError"):
        host.live.worse  # noqa: B018


def test_a_name_that_leaves_the_repository_leaves_live(host: Host) -> None:
    host.take({"a.py": "def run(): return 1", "b.py": "def run(): return 1"})
    assert (host.live.a.run(), host.live.b.run()) == (1, 1)

    host.remove("a.py")

    assert not hasattr(host.live, "a")
    assert host.live.b.run() == 1


def test_before_the_first_release_and_after_the_stop_nothing_is_live(tmp_path: Path) -> None:
    with a_host(tmp_path, files={"s.py": "def run(): return 1"}) as host:
        live = host.live
        assert live.s.run() == 1

    with pytest.raises(NotLiveError, match=r"expected a release to be live before 's' is read.*has stopped"):
        live.s  # noqa: B018


# -- functions to hand out -----------------------------------------------------------------

QUOTE = """
from __future__ import annotations
from decimal import Decimal

class Order: ...
BASE = Order()

def quote(order: Order, /, price: Decimal, *extra: int, currency: str = 'EUR', base: Order = BASE, **more: int) -> int:
    '''What an order costs.'''
    return {n}, price, extra, currency, base is BASE, more
"""


def test_a_function_that_is_handed_out_looks_like_the_live_one(host: Host) -> None:
    host.take({"pricing.py": QUOTE.format(n=1)})

    quote = host.supervisor.function("pricing:quote")

    live = host.live.pricing
    names = ["order", "price", "extra", "currency", "base", "more"]
    assert list(inspect.signature(quote).parameters) == names
    assert typing.get_type_hints(quote) == typing.get_type_hints(live.quote)
    shown, meant = inspect.signature(quote), inspect.signature(live.quote, eval_str=True)
    assert shown == meant
    assert (quote.__name__, quote.__doc__, quote.__module__) == ("quote", "What an order costs.", "pricing")
    assert not hasattr(quote, "__wrapped__")
    assert not inspect.iscoroutinefunction(quote)


def test_it_passes_what_was_given_and_nothing_else(host: Host) -> None:
    host.take({"pricing.py": QUOTE.format(n=1)})
    quote = host.supervisor.function("pricing:quote")

    assert quote(0, 5) == (1, 5, (), "EUR", True, {})
    assert quote(0, price=5, more=1) == (1, 5, (), "EUR", True, {"more": 1})
    assert quote(0, 5, 6, 7, currency="USD") == (1, 5, (6, 7), "USD", True, {})
    assert quote(0, 5, base=None, currency="USD") == (1, 5, (), "USD", False, {})
    assert quote(0, 5, base=None, x=1) == (1, 5, (), "EUR", False, {"x": 1})
    with pytest.raises(TypeError, match=r"quote\(\) missing 1 required positional argument: 'price'"):
        quote(0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'order'"):
        quote(order=0, price=5)


def test_optional_parameters_may_be_left_out_anywhere(host: Host) -> None:
    host.take({"m.py": "def f(a=1, /, b=2, c=3, *, d=4): return a, b, c, d"})
    f = host.supervisor.function("m:f")

    assert [f(), f(9), f(9, c=8), f(9, 8), f(d=7), f(b=0, d=7), f(9, 8, 7, d=6)] == [
        (1, 2, 3, 4),
        (9, 2, 3, 4),
        (9, 2, 8, 4),
        (9, 8, 3, 4),
        (1, 2, 3, 7),
        (1, 0, 3, 7),
        (9, 8, 7, 6),
    ]


def test_it_follows_the_releases_and_keeps_no_version(host: Host) -> None:
    host.take({"pricing.py": QUOTE.format(n=1)})
    quote = host.supervisor.function("pricing:quote")
    [old] = host.states("pricing")

    changed = QUOTE.format(n=2).replace("'EUR'", "'USD'").replace("**more", "gift: bool = False, **more")
    host.take({"pricing.py": changed.replace("What", "All that")})

    assert quote(0, 5) == (2, 5, (), "USD", True, {})
    assert inspect.signature(quote) == inspect.signature(host.live.pricing.quote, eval_str=True)
    assert quote.__doc__ == "All that an order costs."
    host.wait_for("pricing", old, VersionState.UNLOADED)


def test_a_commit_that_breaks_a_function_that_was_handed_out_is_refused(host: Host) -> None:
    host.take({"pricing.py": "def quote(order): return 1"})
    quote = host.supervisor.function("pricing:quote")

    done = host.take({"pricing.py": "def quote(order, customer): return 2"})

    assert done["pricing"].outcome is Outcome.FAILED
    assert quote(0) == 1


def test_with_follow_signature_it_changes_with_the_live_one(host: Host) -> None:
    host.take({"pricing.py": "class Order: ...\nasync def quote(order: Order): return 1"})
    quote = host.supervisor.function("pricing:quote", follow_signature=True)
    [old] = host.states("pricing")

    host.take({"pricing.py": "async def quote(order, customer): return order, customer"})
    assert list(inspect.signature(quote).parameters) == ["order", "customer"]
    assert inspect.iscoroutinefunction(quote)
    assert asyncio.run(quote(1, customer=2)) == (1, 2)
    host.wait_for("pricing", old, VersionState.UNLOADED)

    for broken in ("", "def quote(order, customer): return 1"):
        outcome = host.take({"pricing.py": broken})["pricing"]
        assert outcome.failure is not None
        assert "expected pricing:quote to be an async function, as the host requires" in outcome.failure.message
        assert asyncio.run(quote(1, customer=2)) == (1, 2)


def test_generators_methods_and_names_that_are_no_identifiers_can_be_handed_out(host: Host) -> None:
    host.take(
        {
            "shop/rules-2.py": """
                class Rule:
                    @staticmethod
                    def apply(n=1): return n
                def steps(n):
                    got = yield n
                    return got
                """
        }
    )
    steps = host.supervisor.function("shop/rules-2:steps")

    running = steps(3)
    assert next(running) == 3
    with pytest.raises(StopIteration) as ended:
        running.send("got")
    assert ended.value.value == "got"
    assert inspect.isgeneratorfunction(steps)
    assert host.supervisor.function("shop/rules-2:Rule.apply")(5) == 5


def test_what_cannot_be_handed_out_is_told_with_the_nearest_name(host: Host) -> None:
    host.take({"pricing.py": "def quote(order): return order\nRATE = 3"})

    with pytest.raises(
        NotLiveError, match=r"pricing:qoute to be a function .*: there is no 'qoute'; did you mean 'quote'"
    ):
        host.supervisor.function("pricing:qoute")
    with pytest.raises(NotLiveError, match=r"pricing:RATE to be a function .*: 3 is not a callable object"):
        host.supervisor.function("pricing:RATE")


def test_with_a_signature_it_is_made_before_the_start_and_looks_like_that_for_good(tmp_path: Path) -> None:
    async def quote(order: int, currency: str = "EUR") -> str:
        raise NotImplementedError

    with a_host(tmp_path / "first", files={"pricing.py": "async def quote(o, c='USD'): return o, c"}) as host:
        with pytest.raises(ContractError, match="missing a required argument: 'o'"):
            host.supervisor.function("pricing:quote", signature=quote)
        repository = host.repository
        repository.commit_files({"pricing.py": "async def quote(order, currency='USD', x=0): return order, currency"})
    supervisor = Supervisor(repository.path, data=tmp_path / "data", poll_seconds=3600)
    with pytest.raises(NotLiveError, match="start the supervisor first, or give a signature"):
        supervisor.function("pricing:quote")
    handed = supervisor.function("pricing:quote", signature=quote)

    with supervisor:
        assert inspect.signature(handed) == inspect.signature(quote, eval_str=True)
        assert asyncio.run(handed(1)) == (1, "USD")


def test_a_function_that_is_kept_nowhere_is_forgotten(host: Host) -> None:
    host.take({"m.py": "def f(): return 1"})
    host.supervisor.function("m:f")
    gc.collect()

    assert len(host.supervisor._calls._handed_out) == 0


def test_fastapi_takes_it_as_a_route(host: Host) -> None:
    host.take({"pricing.py": "def quote(product: int, quantity: int = 1) -> int:\n    return product * quantity * 10"})
    app = FastAPI()
    app.get("/quote")(host.supervisor.function("pricing:quote"))

    def get(**query: int | str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
                return await client.get("/quote", params=query)

        return asyncio.run(ask())

    assert get(product=2, quantity=3).json() == 60
    assert get(product="two").status_code == 422
    host.take({"pricing.py": "def quote(product: int, quantity: int = 1) -> int:\n    return product * quantity"})
    assert get(product=2, quantity=3).json() == 6
