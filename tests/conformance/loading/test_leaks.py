"""Whatever can keep an old version in memory, row by row: it is freed, or taken back, or its holder is named.

Each row is code of a version (``act``), called by the host, which then supersedes the version. What holds beyond a
process's life runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import codecs
import contextlib
import contextvars
import faulthandler
import gc
import logging
import signal
import socket
import sys
import textwrap
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, singledispatch
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from livegraft import holders
from livegraft.catalog import VersionStatus
from livegraft.version import VersionState
from tests.support import eventually
from tests.support.host import Host, a_host
from tests.support.modules import module_with

BASE = """
PAYLOAD = bytearray(1000)

class C:
    def method(self, *args, **kwargs):
        return PAYLOAD

class Bare:
    pass

def f(*args, **kwargs):
    return PAYLOAD

def run():
    pass

"""


@dataclass(frozen=True)
class Row:
    """``code`` is the body of ``act(app)``; what it returns is kept by the host until ``Hazard`` lets go."""

    name: str
    code: str
    told: str = ""
    top: str = ""
    since: tuple[int, int] = (3, 11)

    def script(self) -> str:
        body = textwrap.indent(textwrap.dedent(self.code).strip(), "    ")
        return f"{BASE}{textwrap.dedent(self.top)}\ndef act(app):\n{body}\n"


FREED = [
    Row("nothing", "return None"),
    Row(
        "cycles between globals",
        "C.other, C.own = f, C\nPAYLOAD[:] = b''",
        top="CYCLE = []\nCYCLE.append([CYCLE, C(), f])",
    ),
    Row(
        "its own lru_cache",
        "mine(C)\nmine(C())",
        top="import functools\n@functools.lru_cache\ndef mine(x): return [x, C]",
    ),
    Row("ABC.register", "app.Abstract.register(C)\nassert isinstance(C(), app.Abstract)"),
    Row("subclass of a host's class", "class D(app.Base): pass\nassert D in app.Base.__subclasses__()"),
    Row("cache of singledispatch", "app.generic(C())"),
    Row("a thread that ended", "import threading\nt = threading.Thread(target=f)\nt.start()\nt.join()"),
    Row(
        "an executor of its own",
        "with ThreadPoolExecutor(1) as pool: pool.submit(f).result()",
        top="from concurrent.futures import ThreadPoolExecutor",
    ),
    Row("an executor of the host", "app.pool.submit(f, C()).result()"),
    Row("its own thread local", "LOCAL.x = C()", top="import threading\nLOCAL = threading.local()"),
    Row("a thread local of the host, set at import", "return None", top="import app\napp.local.x = C()"),
    Row(
        "its own pickles and copies",
        "copy.deepcopy([C(), f])\npickle.loads(pickle.dumps(C()))",
        top="import copy, pickle",
    ),
    Row(
        "dataclasses, enums, named tuples, protocols",
        "assert D(1) and E.A and isinstance(C(), P) is False",
        top="""
        import enum, typing, dataclasses
        @dataclasses.dataclass
        class D: x: int
        @dataclasses.dataclass(slots=True)
        class S: x: int
        class E(enum.Enum):
            A = 1
            def m(self): return C
        class T(typing.NamedTuple): x: int
        class K(typing.TypedDict): x: "D"
        @typing.runtime_checkable
        class P(typing.Protocol):
            def missing(self): ...
        """,
    ),
    Row(
        "classes that name another module as theirs",
        "assert D(1).m() and N().m()",
        top="""
        import dataclasses, types
        def m(self): return [C, type(self).__module__]
        D = dataclasses.make_dataclass("D", ["x"], namespace={"m": m})
        N = types.new_class("N", (), {}, lambda body: body.update(m=m))
        """,
    ),
    Row("builtin generics", "app.kept = None\nreturn [str(t) for t in (list[C], C | None, dict[str, C], type[C])]"),
    Row(
        "generics of typing",
        "return [str(t) for t in (Optional[C], List[C], Annotated[int, f], Literal[1], Callable[[C], int])]",
        top="from typing import Optional, List, Annotated, Literal, Callable",
    ),
    Row(
        "type hints in text",
        "typing.get_type_hints(hinted)",
        top="import typing\ndef hinted(x: 'typing.Optional[C]') -> 'Bare': ...",
    ),
    Row("static attributes", "inspect.getattr_static(C(), 'method')", top="import inspect"),
    Row(
        "a logger with a standard handler",
        "log.warning('said')",
        top="""
        import logging, io
        log = logging.getLogger(__name__)
        log.addHandler(logging.StreamHandler(io.StringIO()))
        log.propagate = False
        """,
    ),
    Row(
        "a traceback as text",
        "try: 1 / 0\nexcept ZeroDivisionError as e: return traceback.TracebackException.from_exception(e)",
        top="import traceback",
    ),
    Row("a code object", "return f.__code__"),
    Row("plain data", "return {'a': [1, 'x', (2.0, None)]}"),
    Row("weak references", "app.weak[C()] = 1\napp.weakly.add(C)\nreturn weakref.ref(f)", top="import weakref"),
    Row(
        "ctypes callbacks and structures",
        "CALLBACK(3)\nctypes.POINTER(Struct)",
        top="""
        import ctypes
        CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n)
        class Struct(ctypes.Structure): _fields_ = []
        """,
    ),
    Row(
        "tasks that ended",
        "asyncio.run(some())",
        top="""
        import asyncio, contextlib
        async def failing(): raise KeyError(C())
        async def some():
            done = asyncio.create_task(asyncio.sleep(0, C()))
            with contextlib.suppress(KeyError): await asyncio.create_task(failing())
            await done
        """,
    ),
    Row(
        "a context variable of its own, set at import",
        "return None",
        top="import contextvars\nV = contextvars.ContextVar('v')\nV.set(C())",
    ),
    Row(
        "a warning shown once",
        "with warnings.catch_warnings(record=True):\n    warnings.simplefilter('once')\n    warnings.warn('x', W)",
        top="import warnings\nclass W(UserWarning): ...",
    ),
    Row(
        "models of pydantic",
        "assert M(x=1).model_dump() == {'x': 1, 'e': 1}\nM.model_validate({'x': 2})",
        top="""
        import enum, pydantic, typing
        class E(enum.Enum):
            A = 1
            def m(self): return C
        class M(pydantic.BaseModel):
            x: typing.Annotated[int, pydantic.AfterValidator(lambda n: n)]
            e: E = E.A
            @pydantic.field_serializer("e")
            def dump(self, e): return e.value
        """,
    ),
    Row(
        "models of SQLAlchemy",
        "assert str(sqlalchemy.select(U))",
        top="""
        import sqlalchemy
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        class Model(DeclarativeBase): pass
        class U(Model):
            __tablename__ = "u"
            id: Mapped[int] = mapped_column(primary_key=True)
        """,
    ),
    Row("classes of attrs", "assert A(1) == A(1)", top="import attrs\n@attrs.define\nclass A: x: int"),
]

UNDONE = [
    Row("atexit, a function", "import atexit\natexit.register(f)", "atexit: f unregistered"),
    Row("atexit, a bound method", "import atexit\natexit.register(C().method)", "atexit: C.method unregistered"),
    Row(
        "atexit, a partial",
        "import atexit, functools\natexit.register(functools.partial(f, 1))",
        "atexit: f unregistered",
    ),
    Row(
        "atexit, a partial of a function of the host",
        "import atexit, functools\natexit.register(functools.partial(app.fail, C()))",
        "fail unregistered",
    ),
    Row(
        "logging, a handler",
        "logging.getLogger().addHandler(H())",
        "handler H removed from root",
        top="import logging\nclass H(logging.Handler):\n    def emit(self, record): ...",
    ),
    Row(
        "logging, a filter",
        "logging.getLogger('host').addFilter(f)",
        "filter f removed from host",
        top="import logging",
    ),
    Row(
        "logging, the record factory",
        "logging.setLogRecordFactory(factory)",
        "logging.setLogRecordFactory: factory taken off",
        top="import logging\nold = logging.getLogRecordFactory()\ndef factory(*a, **k): return old(*a, **k)",
    ),
    Row("signal", "signal.signal(signal.SIGUSR2, f)", "signal SIGUSR2: f taken off", top="import signal"),
    Row(
        "signal, a partial of a function of the host",
        "signal.signal(signal.SIGUSR2, functools.partial(app.forget, C()))",
        "signal SIGUSR2: an_app.<locals>.forget taken off",
        top="import functools, signal",
    ),
    Row(
        "signal, a partial of a function of the host with a keyword",
        "signal.signal(signal.SIGUSR2, functools.partial(app.forget, value=C()))",
        "signal SIGUSR2: an_app.<locals>.forget taken off",
        top="import functools, signal",
    ),
    Row("singledispatch", "app.generic.register(C, f)", "singledispatch: C taken from"),
    Row("singledispatch, a method", "app.Base.shown.register(Bare, f)", "singledispatch: Bare taken from"),
    Row("copyreg", "copyreg.pickle(C, f)", "copyreg: C removed", top="import copyreg"),
    Row(
        "copyreg, an extension",
        "copyreg.add_extension(__name__, 'C', 4242)\npickle.loads(pickle.dumps(C, 2))",
        "copyreg, extensions: C removed",
        top="import copyreg, pickle",
    ),
    Row(
        "a reducer of multiprocessing",
        "ForkingPickler.register(C, f)",
        "multiprocessing: C removed",
        top="from multiprocessing.reduction import ForkingPickler",
    ),
    Row("sqlite3", "sqlite3.register_adapter(C, f)", "sqlite3: C removed", top="import sqlite3"),
    Row(
        "codecs, a search",
        "codecs.register(search)",
        "codecs: search function search",
        top="import codecs\ndef search(name): return None",
    ),
    Row(
        "codecs, a search by a bound method",
        "codecs.register(S().find)",
        "codecs: search function S.find",
        top="import codecs\nclass S:\n    def find(self, name): return None",
    ),
    Row(
        "codecs, a search by an instance",
        "codecs.register(S())",
        "codecs: search function S",
        top="import codecs\nclass S:\n    def __call__(self, name): return None",
    ),
    Row(
        "codecs, a search within a function",
        "def search(name): return None\ncodecs.register(search)",
        "search function act.<locals>.search",
        top="import codecs",
    ),
    Row(
        "codecs, an error handler",
        "codecs.register_error('leaky.handler', f)",
        "'leaky.handler' replaced",
        top="import codecs",
    ),
    Row("weakref.finalize", "weakref.finalize(app.thing, f)", "weakref.finalize: f detached", top="import weakref"),
    Row(
        "weakref.finalize, arguments",
        "weakref.finalize(app.thing, app.forget, x=C())\nweakref.finalize(app.thing, functools.partial(app.fail, C()))",
        "weakref.finalize: C detached",
        top="import functools, weakref",
    ),
    Row(
        "multiprocessing.util.Finalize",
        "Finalize(None, f, exitpriority=1)",
        "Finalize: f cancelled",
        top="from multiprocessing.util import Finalize",
    ),
    Row(
        "a filter of warnings",
        "warnings.simplefilter('ignore', W)",
        "warnings: filter for W removed",
        top="import warnings\nclass W(UserWarning): ...",
    ),
    Row("a cache of the host, by class", "app.cached(C)\napp.cached(Bare)", "emptied the cache of "),
    Row("a cache of the host, by instance", "app.cached(C())", "emptied the cache of "),
    Row(
        "a timer",
        "t = threading.Timer(600, f)\nt.daemon = True\nt.start()",
        "threading.Timer: f cancelled",
        top="import threading",
    ),
    Row(
        "a timer with arguments",
        "t = threading.Timer(600, app.fail, [C()])\nt.daemon = True\nt.start()",
        "fail cancelled",
        top="import threading",
    ),
    Row(
        "a timer of a class of its own",
        "class T(threading.Timer): ...\nt = T(600, app.fail)\nt.daemon = True\nt.start()",
        "fail cancelled",
        top="import threading",
    ),
    Row("loop.call_later with arguments", "app.on_loop('call_later', 600, app.forget, C())", "forget cancelled"),
    Row("loop.call_later", "app.on_loop('call_later', 600, f)", "loop.call_later: f cancelled"),
    Row("loop.add_reader", "app.on_loop('add_reader', app.ends[0], f)", "loop.add_reader: f removed from descriptor"),
    Row("loop.add_writer", "app.on_loop('add_writer', app.ends[0], f)", "loop.add_writer: f removed from descriptor"),
    Row("sys.excepthook", "sys.excepthook = f", "sys.excepthook: f taken off", top="import sys"),
    Row(
        "threading.excepthook", "threading.excepthook = f", "threading.excepthook: f taken off", top="import threading"
    ),
    Row("warnings.showwarning", "warnings.showwarning = f", "warnings.showwarning: f taken off", top="import warnings"),
    Row("readline", "readline.set_completer(f)", "set_completer: f taken off", top="import readline"),
    Row("gc.callbacks", "gc.callbacks.append(f)", "gc.callbacks: f removed", top="import gc"),
    Row("builtins, a new name", "builtins.leaky_name = f", "builtins.leaky_name: f taken off", top="import builtins"),
    Row("builtins, a name replaced", "builtins.ascii = f", "builtins.ascii: f taken off", top="import builtins"),
    Row(
        "sys.meta_path",
        "sys.meta_path.append(M())",
        "sys.meta_path: M removed",
        top="import sys\nclass M:\n    def find_spec(self, *a): return None",
    ),
    Row(
        "sys.monitoring",
        """
        m = sys.monitoring
        m.use_tool_id(4, 'mine')
        m.register_callback(4, m.events.PY_START, f)
        m.set_events(4, m.events.PY_START)
        """,
        "sys.monitoring: f of tool 'mine' removed",
        top="import sys",
        since=(3, 12),
    ),
]

HELD = [
    Row("a function in a list", "app.registry.append(f)", "list registry in module app -> function f"),
    Row("a class in a dict", "app.by_name['c'] = C", "key 'c' of dict by_name in module app -> class C"),
    Row("an instance in a set", "app.instances.add(C())", "in set instances in module app"),
    Row("a bound method in an attribute", "app.thing.callback = C().method", "thing in module app"),
    Row(
        "a partial",
        "app.registry.append(functools.partial(f, C()))",
        "partial in list registry in module app",
        top="import functools",
    ),
    Row("a name of a host's module", "app.patched = f", "name patched in module app -> function f"),
    Row(
        "a method of a host's class replaced",
        "app.Base.patched = f",
        "attribute patched of class Base in module app -> function f",
    ),
    Row(
        "an __init_subclass__ registry", "class D(app.Plugin):\n    def m(self): return C", "list plugins in module app"
    ),
    Row("what a host's decorator keeps", "app.decorate(f)", "list registry in module app -> function f"),
    Row(
        "another name in sys.modules",
        "sys.modules['leaky_alias'] = sys.modules[__name__]",
        "sys.modules['leaky_alias']",
        top="import sys",
    ),
    Row(
        "an instance in sys.modules",
        "sys.modules['leaky_alias'] = C()",
        "sys.modules['leaky_alias'] -> class C",
        top="import sys",
    ),
    Row(
        "a profile function of a thread",
        "sys.setprofile(f)",
        "line 19 calls setprofile: what it sets stays in its threads",
        top="import sys",
    ),
    Row(
        "a file of faulthandler",
        "faulthandler.register(signal.SIGUSR2, F())",
        "line 24 calls faulthandler.register: the file that it is given stays",
        top="""
        import faulthandler, signal, sys
        class F:
            def fileno(self): return sys.__stderr__.fileno()
            def flush(self): ...
        """,
    ),
    Row(
        "a thread that runs",
        "threading.Thread(target=stay, args=(app.gate,), name='stayer', daemon=True).start()",
        "thread stayer in stay",
        top="import threading\ndef stay(gate): gate.wait(60)",
    ),
    Row("a generator", "g = items()\nnext(g)\nreturn g", "suspended", top="def items():\n    yield 1\n    yield C()"),
    Row("a generator expression", "g = (C() for _ in 'ab')\nnext(g)\nreturn g", "suspended"),
    Row(
        "an async generator",
        "g = items()\nwith contextlib.suppress(StopIteration): g.asend(None).send(None)\nreturn g",
        "suspended",
        top="import contextlib\nasync def items():\n    yield 1\n    yield C()",
    ),
    Row("a coroutine", "return waits()", "suspended", top="async def waits(): return C()"),
    Row(
        "a task that waits",
        "app.submit(waits(app.future))",
        "in waits, line",
        top="async def waits(future): await future",
    ),
    Row("a thread local of the host", "app.local.x = C()", "class C"),
    Row("a context variable of the host", "app.variable.set(C())", "C in context variable variable -> class C"),
    Row(
        "a context variable of a host's task",
        "app.submit(app.calls(lambda: app.variable.set(C())))",
        "C in context variable variable",
    ),
    Row(
        "hooks of asynchronous generators",
        "sys.set_asyncgen_hooks(f)",
        "calls set_asyncgen_hooks: what it sets stays in its thread",
        top="import sys",
    ),
    Row(
        "an error handler of codecs by a name that code made",
        "codecs.register_error('leaky' + str(2), f)",
        "line 19 calls codecs.register_error: a handler whose name is made by code stays",
        top="import codecs",
    ),
    Row(
        "arguments of atexit",
        "import atexit\natexit.register(app.forget, C())",
        "line 20 calls atexit.register: arguments that it is given stay",
    ),
    Row(
        "an exception",
        "try: raise KeyError(1)\nexcept KeyError as e: app.registry.append(e)",
        "in KeyError in list registry in module app",
    ),
    Row(
        "an exception of its own class",
        "class E(Exception):\n    def m(self): return C\napp.registry.append(E())",
        "list registry in module app",
    ),
    Row(
        "a context of a host's exception",
        """
        try: raise KeyError(1)
        except KeyError:
            try: app.fail()
            except ValueError as e: app.registry.append(e)
        """,
        "in list registry in module app",
    ),
    Row(
        "a frame",
        "app.registry.append(sys._getframe())",
        "frame of act in list registry in module app",
        top="import sys",
    ),
    Row(
        "a callback of a weak reference",
        "app.registry.append(weakref.ref(app.thing, f))",
        "list registry in module app",
        top="import weakref",
    ),
    Row(
        "a listener of SQLAlchemy",
        "app.registry.append(create_engine('sqlite://'))\nevent.listen(app.registry[0], 'connect', f)",
        "function f",
        top="from sqlalchemy import create_engine, event",
    ),
]


class Loop:
    """An event loop of the host on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.tasks: set[Any] = set()
        self.future = asyncio.run_coroutine_threadsafe(self._future(), self.loop).result()

    async def _future(self) -> Any:
        return self.loop.create_future()

    def submit(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._start(coroutine), self.loop).result()

    def on_loop(self, method: str, *arguments: Any) -> None:
        """Call a method of the loop on its thread, and wait until that is done."""

        async def call() -> None:
            getattr(self.loop, method)(*arguments)

        self.submit(self._stay())
        asyncio.run_coroutine_threadsafe(call(), self.loop).result()

    async def calls(self, function: Callable[[], object]) -> None:
        function()
        await self.future

    async def _stay(self) -> None:
        await self.future

    async def _start(self, coroutine: Any) -> None:
        task = self.loop.create_task(coroutine, name="waiter")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def release(self) -> None:
        self.loop.call_soon_threadsafe(self.future.cancel)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@contextlib.contextmanager
def an_app() -> Iterator[ModuleType]:
    """The host's own module ``app``, with what hosts have: registries, caches, a pool, a loop."""
    import weakref
    from concurrent.futures import ThreadPoolExecutor
    from functools import singledispatchmethod

    class Thing:
        callback: Any = None

    class Base:
        @singledispatchmethod
        def shown(self, value: Any) -> str:
            return "plain"

    class Abstract(ABC):
        @abstractmethod
        def missing(self) -> None: ...

    plugins: list[type] = []
    registry: list[Any] = []

    class Plugin:
        def __init_subclass__(cls) -> None:
            plugins.append(cls)

    @singledispatch
    def generic(value: Any) -> str:
        return "plain"

    @lru_cache
    def cached(value: Any) -> list[Any]:
        return [1]

    def decorate(function: Any) -> Any:
        registry.append(function)
        return function

    def fail() -> None:
        raise ValueError("the host's own")

    def forget(value: Any) -> None: ...

    loop, ends = Loop(), socket.socketpair()
    for kind in (Thing, Base, Abstract, Plugin):
        kind.__module__, kind.__qualname__ = "app", kind.__name__
    pool = ThreadPoolExecutor(1)
    gate = threading.Event()
    offered: dict[str, Any] = {
        "Base": Base,
        "Abstract": Abstract,
        "Plugin": Plugin,
        "plugins": plugins,
        "registry": registry,
        "generic": generic,
        "cached": cached,
        "decorate": decorate,
        "fail": fail,
        "forget": forget,
        "thing": Thing(),
        "by_name": {},
        "instances": set(),
        "weak": weakref.WeakKeyDictionary(),
        "weakly": weakref.WeakSet(),
        "pool": pool,
        "gate": gate,
        "local": threading.local(),
        "variable": contextvars.ContextVar("variable"),
        "future": loop.future,
        "submit": loop.submit,
        "on_loop": loop.on_loop,
        "calls": loop.calls,
        "ends": ends,
        "loop": loop,
        "kept": None,
    }
    with module_with("app", **offered) as app:
        try:
            yield app
        finally:
            gate.set()
            pool.shutdown()
            loop.release()
            loop.close()
            for end in ends:
                end.close()


def release(app: Any) -> None:
    """The host lets go of everything."""
    app.registry.clear()
    app.by_name.clear()
    app.instances.clear()
    app.plugins.clear()
    app.thing.callback = None
    if hasattr(app.kept, "close"):
        app.kept.close()
    app.patched = app.kept = None
    app.Base.patched = None
    app.gate.set()
    app.loop.release()
    vars(app.local).clear()
    sys.set_asyncgen_hooks(None, None)
    sys.setprofile(None)
    faulthandler.unregister(signal.SIGUSR2)
    atexit.unregister(app.forget)
    codecs.register_error("leaky2", app.forget)
    app.variable.set(None)
    sys.modules.pop("leaky_alias", None)


@pytest.fixture(autouse=True)
def small_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named on one; how much other tests of this process left must not count."""
    monkeypatch.setattr(holders, "SMALL_HEAP_BLOCKS", 1 << 62)


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with a_host(tmp_path_factory.mktemp("leaks"), tick=False) as host:
        yield host


def play(host: Host, row: Row, app: Any) -> str:
    """Have the version act, keep what it returns, and supersede it; its key."""
    if sys.version_info < row.since:
        pytest.skip(f"CPython {sys.version_info.major}.{sys.version_info.minor} does not have it")
    host.take({"s.py": row.script()})
    key = host.key("s")
    app.kept = host.live.s.act(app)
    host.take({"s.py": "def run(): ..."})
    return key


def look_until(host: Host, key: str, is_so: Callable[[VersionStatus], bool], timeout: float = 120.0) -> VersionStatus:
    def found() -> VersionStatus | None:
        host.supervisor._drainer.look()
        status = host.status("s", key)
        return status if is_so(status) else None

    try:
        return eventually(found, timeout)  # type: ignore[return-value]
    except AssertionError:
        raise AssertionError(str(host.status("s", key))) from None


def is_unloaded(status: VersionStatus) -> bool:
    return status.state is VersionState.UNLOADED


@pytest.mark.parametrize("row", FREED, ids=lambda row: row.name)
def test_what_does_not_hold_a_version_is_freed_with_it(lean: Host, row: Row) -> None:
    with an_app() as app:
        key = play(lean, row, app)

        lean.supervisor._drainer.look()
        gc.collect()
        look_until(lean, key, is_unloaded)


@pytest.mark.parametrize("row", UNDONE, ids=lambda row: row.name)
def test_what_a_version_registered_is_taken_back_and_told(lean: Host, row: Row) -> None:
    before = (
        signal.getsignal(signal.SIGUSR2),
        sys.excepthook,
        threading.excepthook,
        logging.getLogRecordFactory(),
        ascii,
    )
    with an_app() as app:
        key = play(lean, row, app)

        lean.supervisor._drainer.look()
        gc.collect()
        status = look_until(lean, key, is_unloaded)
    assert any(row.told in text for text in status.undone), status.undone
    assert before == (
        signal.getsignal(signal.SIGUSR2),
        sys.excepthook,
        threading.excepthook,
        logging.getLogRecordFactory(),
        ascii,
    )


def test_hooks_of_asynchronous_generators_that_a_run_sets_leave_its_thread_with_it(lean: Host) -> None:
    script = BASE.replace("def run():", "def run():\n    import sys; sys.set_asyncgen_hooks(f, f)")
    lean.take({"s.py": script, "reads.py": "import sys\ndef run(): return str(sys.get_asyncgen_hooks())"})
    key = lean.key("s")
    assert lean.supervisor.run("s").wait(20).state == "succeeded"

    assert "None, finalizer=None" in str(lean.supervisor.run("reads").wait(20).result)
    lean.take({"s.py": "def run(): ..."})
    look_until(lean, key, is_unloaded)


def test_a_signal_handler_of_a_loop_is_taken_off_and_the_hosts_own_comes_back(lean: Host) -> None:
    def own(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGUSR2, own)
    loop = asyncio.new_event_loop()
    waits = loop.create_task(asyncio.sleep(600))
    row = Row("", "app.loop.add_signal_handler(signal.SIGUSR2, f)", top="import signal")
    try:
        key = play(lean, row, SimpleNamespace(loop=loop))
        lean.supervisor._drainer.look()
        loop.run_until_complete(asyncio.sleep(0))

        status = look_until(lean, key, is_unloaded)
        assert status.undone == ("loop.add_signal_handler: f taken off SIGUSR2",)
        assert signal.getsignal(signal.SIGUSR2) is own
    finally:
        waits.cancel()
        loop.run_until_complete(asyncio.gather(waits, return_exceptions=True))
        loop.close()
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("row", HELD, ids=lambda row: row.name)
def test_what_the_host_holds_is_named_and_unloads_once_released(lean: Host, row: Row) -> None:
    with an_app() as app:
        key = play(lean, row, app)

        look_until(lean, key, lambda status: any(row.told in holder for holder in status.holders))
        assert lean.states("s")[key] is not VersionState.UNLOADED
        release(app)
        gc.collect()
        look_until(lean, key, is_unloaded)
