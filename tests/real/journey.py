"""One package from its first release to its last: ``python -m tests.real.journey NAME FOLDER``.

Each release is a commit. It is loaded beside the one before, which still answers and must then leave the process;
then its test suite runs. What happened is written to ``FOLDER/journey.json``.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hypothesis import settings

from livegraft.version import VersionState
from tests.real.outcomes import Outcomes
from tests.real.packages import PACKAGES, RealPackage
from tests.real.registry import contents, fetch, fetch_requirements
from tests.real.suite import arguments, run_suite
from tests.support.host import Host, a_host
from tests.support.waiting import eventually

_SUITE_SECONDS = 900.0
_UNLOAD_SECONDS = 30.0
_PLACE = Path(__file__).parent


@dataclass
class Stage:
    """What happened to one release.

    ``ends`` counts the tests of the suite by how they ended under livegraft; ``worse`` are those that pass in a
    plain checkout and do not here, with the text; ``left_out`` counts tests by the pattern that excluded them.
    ``modules`` and ``states`` tell how many versions were loaded, and what became of them once superseded;
    ``stayed`` names those that did not leave, each with its state and who held it.
    """

    version: str
    ends: dict[str, int] = field(default_factory=dict)
    plain: dict[str, int] = field(default_factory=dict)
    worse: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    answered_beside: bool = False
    modules: int = 0
    states: dict[str, int] = field(default_factory=dict)
    stayed: dict[str, list[str]] = field(default_factory=dict)


def files_of(package: RealPackage, version: str) -> dict[str, bytes]:
    """What the repository holds at a release: the code of the wheel, the tests of the sdist, a script."""
    wheel = contents(fetch(package.name, version, "wheel"))
    files = {path: data for path, data in wheel.items() if path.partition("/")[0] in package.tops}
    if package.tests:
        sdist = contents(fetch(package.name, version, "sdist"))
        folder = package.tests + "/"
        files |= {f"tests/{path.removeprefix(folder)}": data for path, data in sdist.items() if path.startswith(folder)}
        for begin, place in package.also.items():
            files |= {place + path.removeprefix(begin): data for path, data in sdist.items() if path.startswith(begin)}
    files |= dict.fromkeys(package.empty, b"")
    files = {path: data for path, data in files.items() if path not in package.without}
    top = package.tops[0].removesuffix(".py")
    files["script.py"] = f"import {top}\ndef run():\n    return {version!r}, {top}.__file__\n".encode()
    return files


def commit(host: Host, files: dict[str, bytes], message: str) -> None:
    """Make the repository exactly these files."""
    tree = host.repository.path
    host.repository.git("rm", "-rq", "--ignore-unmatch", ".")
    for path, data in files.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    host.repository.commit(message)
    host.supervisor.sync(timeout=600)


def plain_run(tree: Path, suite: tuple[str, ...], requirements: str) -> dict[str, str]:
    """How the suite ends without livegraft, in the plain checkout."""
    file = tree.parent / "plain.json"
    paths = [str(_PLACE), str(tree), requirements]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OUTCOMES": str(file)}
    command = [sys.executable, "-m", "pytest", "-p", "outcomes", *arguments(tree, suite)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=_SUITE_SECONDS)
    if not file.exists():
        raise AssertionError(f"the plain run did not come to its end: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    ends: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return ends


def take_stage(host: Host, package: RealPackage, version: str) -> Stage:
    """Make one release live beside the one before."""
    stage = Stage(version)
    old = host.live.script if host.supervisor.scripts else None
    before = old.run() if old else None
    commit(host, files_of(package, version), version)
    if not host.supervisor.scripts or host.live.script.run()[0] != version:
        raise AssertionError(f"{version} did not go live: {host.supervisor.scripts}")
    stage.answered_beside = old is None or old.run() == before
    return stage


def examine(host: Host, package: RealPackage, stage: Stage) -> None:
    """Run the suite of the live release, in a plain checkout as well."""
    if not package.suite:
        return
    tree = host.repository.path
    plain = plain_run(tree, package.suite, str(fetch_requirements(package.requires)))
    outcomes = Outcomes(package.excluded)
    run_suite(host.supervisor, tree, package.suite, outcomes)
    stage.ends, stage.plain = dict(Counter(outcomes.ends.values())), dict(Counter(plain.values()))
    stage.worse = {
        test: outcomes.failures.get(test, "it was not collected")
        for test, end in plain.items()
        if end == "passed"
        and outcomes.ends.get(test) != "passed"
        and not any(pattern in test for pattern in package.excluded)
    }
    stage.left_out = outcomes.left_out


def leave(host: Host, stage: Stage, keys: set[tuple[str, str]]) -> None:
    """Wait until the versions of a superseded release are gone, or are called leaked."""
    gc.collect()  # what pytest left behind is garbage of this host, not of livegraft

    def all_gone() -> bool:
        host.supervisor._drainer.wake()
        return all(
            each.state is VersionState.UNLOADED for each in host.supervisor.versions() if (each.name, each.key) in keys
        )

    with contextlib.suppress(AssertionError):  # what is still there is told by its state
        eventually(all_gone, _UNLOAD_SECONDS / 2)
    gc.collect()  # versions with finalizers wait for a full collection, which a host with a large heap rarely has
    with contextlib.suppress(AssertionError):
        eventually(all_gone, _UNLOAD_SECONDS / 2)
    left = [each for each in host.supervisor.versions() if (each.name, each.key) in keys]
    states = Counter(each.state.value for each in left)
    # The list of those that left is bounded: what is not known any more is gone.
    states["unloaded"] = len(keys) - sum(count for state, count in states.items() if state != "unloaded")
    stage.modules, stage.states = len(keys), dict(states)
    stage.stayed = {
        each.name: [each.state.value, *each.holders, *each.stacks]
        for each in left
        if each.state is not VersionState.UNLOADED
    }


def known(host: Host) -> set[tuple[str, str]]:
    return {(version.name, version.key) for version in host.supervisor._loader.versions if version.failure is None}


def planned_keys(host: Host) -> set[tuple[str, str]]:
    release = host.supervisor.release
    assert release is not None
    return {(name, module.key) for name, module in release.plan.modules.items()}


def travel(package: RealPackage, folder: Path) -> list[Stage]:
    """The whole journey."""
    stages: list[Stage] = []
    tempfile.gettempdir()  # pytest has asked for it before it imports a test; some of click's read the answer
    requirements = str(fetch_requirements(package.requires))
    sys.path.append(requirements)
    # How long an example of Hypothesis takes tells how busy the machine is, and no more.
    settings.register_profile("without limit", deadline=None)
    with a_host(folder, import_seconds=120.0, probe=False) as host:
        past: set[tuple[str, str]] = set()
        for version in package.versions:
            settings.load_profile("without limit")  # test modules take what there is when they load
            stage = take_stage(host, package, version)
            planned = planned_keys(host)
            if stages:
                leave(host, stages[-1], past - planned)
            examine(host, package, stage)
            past = known(host) & planned
            stages.append(stage)
        commit(host, {"README.md": b"nothing is left\n"}, "remove all")
        leave(host, stages[-1], past)
    return stages


def main(name: str, folder: Path) -> None:
    package = next(package for package in PACKAGES if package.name == name)
    stages = travel(package, folder)
    (folder / "journey.json").write_text(json.dumps([asdict(stage) for stage in stages], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
