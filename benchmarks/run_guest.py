"""One system that runs functions: ``python -m benchmarks.run_guest SYSTEM FOLDER [REDIS]`` prints JSON.

The function returns at once, and returns when it ran: ``time.perf_counter()`` is the machine's clock, the same in all
its processes. Each system is used as its introduction says, with its own defaults, and keeps what the function returns.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

RUNS = 40
SERVED_RUNS = 10
"""One after the other by a served deployment, which looks for work every 10 s."""

WARM_RUNS = 5
START_SECONDS = 120.0
RUN_SECONDS = 600.0
LOOK_SECONDS = 0.1
"""Between two looks whether a served run has ended: little beside the seconds that it takes."""

ANSWER_SECONDS = 60
"""How long a request may wait for the end of a run."""


PLAIN = "import time\n\n\ndef run() -> float:\n    return time.perf_counter()\n"
ISOLATED = '# /// script\n# [tool.livegraft]\n# isolation = "process"\n# ///\n' + PLAIN
CELERY = """
import time
from celery import Celery

app = Celery("light", broker="{redis}/0", backend="{redis}/1")

@app.task
def light():
    return time.perf_counter()
"""
DRAMATIQ = """
import time
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url="{redis}/2")
broker.add_middleware(Results(backend=RedisBackend(url="{redis}/3")))
dramatiq.set_broker(broker)

@dramatiq.actor(store_results=True)
def light():
    return time.perf_counter()
"""
PREFECT = """
import time
from prefect import flow

recorded_at = []

def recorded(flow, run, state):
    recorded_at.append(time.perf_counter())

@flow(persist_result=True, on_completion=[recorded])
def light() -> float:
    return time.perf_counter()

if __name__ == "__main__":
    light.serve(name="served")
"""


Ran = tuple[float, float]
"""When the first line of a run ran, and when its result was recorded: ``time.perf_counter()``."""


class System(Protocol):
    """What is measured."""

    package: str
    runs: int

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        """Start its services and workers, which end with ``opened``."""

    def run(self) -> Ran:
        """One run, awaited: when its first line ran, and when its result was recorded."""

    def run_many(self, count: int) -> None:
        """So many runs started at once, and awaited as one is."""


class Concurrent:
    """Runs that are started at once, each by a thread that awaits it."""

    runs = RUNS

    def run(self) -> Ran:
        raise NotImplementedError

    def run_many(self, count: int) -> None:
        with ThreadPoolExecutor(count) as callers:
            for each in [callers.submit(self.run) for _ in range(count)]:
                each.result()


class Submitted:
    """Runs that are handed in without waiting; what that gives is awaited later."""

    runs = RUNS
    submit: Callable[[], Any]

    def result(self, handed_in: Any) -> float:
        raise NotImplementedError

    def run(self) -> Ran:
        return self.result(self.submit()), time.perf_counter()

    def run_many(self, count: int) -> None:
        for handed_in in [self.submit() for _ in range(count)]:
            self.result(handed_in)


class Livegraft(Submitted):
    """A call of the supervisor in its own process."""

    package = "livegraft"

    def __init__(self, text: str) -> None:
        self.text = text

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        from livegraft import Supervisor

        supervisor = Supervisor(repository(folder, self.text), data=folder / "data", poll_seconds=600)
        opened.enter_context(supervisor)
        self.submit = lambda: supervisor.run("light")

    def result(self, handed_in: Any) -> float:
        handed_in.wait(RUN_SECONDS)
        return float(handed_in.result)


class LivegraftServer(Concurrent):
    """A request to the HTTP API of ``livegraft serve`` that is answered when the run has ended."""

    package = "livegraft"

    def __init__(self, text: str) -> None:
        self.text = text

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        from livegraft.cli.client import Client

        command = [sys.executable, "-m", "livegraft", "serve", str(repository(folder, self.text))]
        command += ["--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--json"]
        said = opened.enter_context(service(command, folder))
        eventually(lambda: said.read_text(encoding="utf-8").endswith("\n"))
        about = json.loads(said.read_text(encoding="utf-8"))
        self.client = Client(about["url"], Path(about["token_file"]).read_text(encoding="ascii").strip())

    def run(self) -> Ran:
        ran = self.client.post("/scripts/light/runs", {}, wait=ANSWER_SECONDS)["result"]
        return float(ran), time.perf_counter()


class Celery(Submitted):
    package = "celery"

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        module = module_of(folder, CELERY.format(redis=redis))
        opened.enter_context(service([sys.executable, "-m", "celery", "-A", "light", "worker"], folder))
        self.submit = module.light.delay

    def result(self, handed_in: Any) -> float:
        return float(handed_in.get(timeout=RUN_SECONDS))


class Dramatiq(Submitted):
    package = "dramatiq"

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        module = module_of(folder, DRAMATIQ.format(redis=redis))
        opened.enter_context(service([sys.executable, "-m", "dramatiq", "light"], folder))
        self.submit = module.light.send

    def result(self, handed_in: Any) -> float:
        return float(handed_in.get_result(block=True, timeout=int(RUN_SECONDS * 1000)))


class PrefectFlow(Concurrent):
    """A flow that is called; its run and its states are recorded by a server of its own."""

    package = "prefect"

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        from benchmarks.redis_server import free_port

        port = free_port()
        url = f"http://127.0.0.1:{port}/api"
        os.environ.update(PREFECT_HOME=str(folder / "prefect"), PREFECT_API_URL=url)
        os.environ.update(PREFECT_SERVER_ANALYTICS_ENABLED="false", DO_NOT_TRACK="1")
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        opened.enter_context(service(command, folder))
        eventually(lambda: urllib.request.urlopen(f"{url}/health", timeout=5).status == 200)
        self.module = module_of(folder, PREFECT)

    def run(self) -> Ran:
        ran = self.module.light()
        # The call returns a second after that: it waits for the thread of its heartbeats.
        return float(ran), self.module.recorded_at[-1]


class PrefectServed(Submitted, PrefectFlow):
    """A run of a served deployment: a process of its own each time."""

    runs = SERVED_RUNS

    def start(self, folder: Path, redis: str, opened: ExitStack) -> None:
        super().start(folder, redis, opened)
        opened.enter_context(service([sys.executable, "light.py"], folder))
        run_deployment = importlib.import_module("prefect.deployments").run_deployment
        client = importlib.import_module("prefect.client.orchestration").get_client(sync_client=True)
        self.client = opened.enter_context(client)
        self.submit = lambda: run_deployment("light/served", timeout=0, as_subflow=False).id

    def result(self, handed_in: Any) -> float:
        deadline = time.monotonic() + RUN_SECONDS
        while not (state := self.client.read_flow_run(handed_in).state).is_final():
            if time.monotonic() > deadline:
                raise TimeoutError(f"a run had not ended after {RUN_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)
        return float(state.result())


SYSTEMS: Mapping[str, Callable[[], System]] = {
    "livegraft, a call, thread": lambda: Livegraft(PLAIN),
    "livegraft, a call, process": lambda: Livegraft(ISOLATED),
    "livegraft, HTTP, thread": lambda: LivegraftServer(PLAIN),
    "livegraft, HTTP, process": lambda: LivegraftServer(ISOLATED),
    "Celery on Redis": Celery,
    "Dramatiq on Redis": Dramatiq,
    "Prefect, a flow that is called": PrefectFlow,
    "Prefect, a served deployment": PrefectServed,
}


def repository(folder: Path, text: str) -> Path:
    from benchmarks.repositories import commit_one, repository_of

    made = repository_of(folder / "repository", 1)
    commit_one(made, "light.py", text)
    return made.path


def module_of(folder: Path, text: str) -> Any:
    (folder / "light.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    return importlib.import_module("light")


@contextmanager
def service(command: Sequence[str], folder: Path) -> Iterator[Path]:
    """A process that runs meanwhile: the file with what it prints. What it logs is in a file beside it."""
    said = folder / "said.txt"
    with said.open("w", encoding="utf-8") as out, (folder / "services.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=log)
    try:
        yield said
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(Exception):  # it is not there yet
            if holds():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"it was not ready within {START_SECONDS:.0f} s")
        time.sleep(0.1)


def warm(system: System) -> None:
    """Have everything that a run needs started and loaded, as it is in a worker that has worked before."""
    served = system.runs == SERVED_RUNS
    eventually(lambda: bool(system.run()))
    for _ in range(0 if served else WARM_RUNS):
        system.run()
    if not served:
        system.run_many(RUNS)


def experience(system: System) -> dict[str, Any]:
    first, recorded = [], []
    for _ in range(system.runs):
        begin = time.perf_counter()
        ran, written = system.run()
        first.append((ran - begin) * 1000)
        recorded.append((written - begin) * 1000)
    begin = time.perf_counter()
    system.run_many(RUNS)
    return {"first_ms": first, "recorded_ms": recorded, "at_once_ms": (time.perf_counter() - begin) * 1000}


def main() -> None:
    name, folder, redis = sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    folder.mkdir(parents=True)
    system = SYSTEMS[name]()
    found: dict[str, Any]
    try:
        with ExitStack() as opened:
            system.start(folder, redis, opened)
            warm(system)
            found = experience(system)
        if system.package != "livegraft":
            found["version"] = importlib.metadata.version(system.package)
    except BaseException as error:  # noqa: BLE001 - told to who measures
        found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
