"""Secrets as arguments: they reach the run, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator

from livegraft.errors import ArgumentsError
from livegraft.header import Retries
from livegraft.parameters import SECRET_MASK, Parameters, Resources
from livegraft.run import RunState
from tests.support.host import a_host
from tests.support.running import Running, running
from tests.support.waiting import eventually

SECRET = "hunter2-correct-horse"


class Login(BaseModel):
    user: str
    password: SecretStr


class Picky(BaseModel):
    token: SecretStr

    @field_validator("token")
    @classmethod
    def repeats_it(cls, value: SecretStr) -> SecretStr:
        raise ValueError(f"bad token {value.get_secret_value()}")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as host:
        yield host


def kept_in(folder: Path) -> list[str]:
    """The files below a folder in which the secret stands."""
    return [file.name for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def parameters(function: Any) -> Parameters:
    return Parameters(function, script="s", resources=Resources())


def test_a_run_gets_it_and_the_history_does_not(host: Running, tmp_path: Path) -> None:
    def run(token: SecretStr, day: int) -> int:
        return len(token.get_secret_value()) + day

    handle = host.run(run, token=SECRET, day=3)

    assert handle.result == len(SECRET) + 3
    assert handle.record.arguments == {"token": SECRET_MASK, "day": 3}
    host.dispatcher.stop(1)
    host.store.close()
    assert kept_in(tmp_path) == []


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (SecretStr | None, SECRET),
        (list[SecretStr], [SECRET]),
        (Login, {"user": "dana", "password": SECRET}),
        (dict[str, Login], {"a": {"user": "dana", "password": SECRET}}),
        (Annotated[str, Field(json_schema_extra={"format": "password"})], SECRET),
        (SecretStr, SecretStr(SECRET)),
    ],
)
def test_wherever_it_stands_in_an_argument_that_is_masked(host: Running, annotation: Any, given: Any) -> None:
    def run(value: Any) -> None: ...

    run.__annotations__["value"] = annotation
    record = host.run(run, value=given).wait(60)

    assert record.state is RunState.SUCCEEDED
    assert record.arguments == {"value": SECRET_MASK}
    assert "default" not in parameters(run).schema["properties"]["value"]
    assert parameters(run).schema["properties"]["value"]["writeOnly"]


def test_a_default_is_not_shown(host: Running) -> None:
    def run(token: SecretStr = SecretStr(SECRET)) -> int:  # noqa: B008
        return len(token.get_secret_value())

    assert SECRET not in str(parameters(run).schema)
    assert SECRET_MASK not in str(parameters(run).schema)
    assert host.run(run).result == len(SECRET)


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (Annotated[SecretStr, Field(min_length=100)], SECRET),
        (Picky, {"token": SECRET}),
        (list[SecretStr], SECRET),
        (Login, {"user": "dana", "password": SECRET, "more": {SECRET: 1}, "user_": 1, "x": [SECRET]}),
        (SecretStr, [SECRET]),
    ],
)
def test_what_is_wrong_with_it_is_told_without_it(annotation: Any, given: Any) -> None:
    def run(value: Any, other: int) -> None: ...

    run.__annotations__["value"] = annotation
    with pytest.raises(ArgumentsError) as raised:
        parameters(run).bind({"value": given, "other": "no number"})

    assert SECRET not in str(raised.value) + repr(raised.value.details)


def test_the_mask_is_not_taken_for_it() -> None:
    def run(token: SecretStr) -> None: ...

    with pytest.raises(ArgumentsError, match="is a secret, which is not kept: please give it again"):
        parameters(run).bind({"token": SECRET_MASK})


def test_a_retry_gets_it_from_memory(host: Running, tmp_path: Path) -> None:
    seen: list[str] = []
    done = threading.Event()

    def run(token: SecretStr) -> None:
        seen.append(token.get_secret_value())
        if len(seen) == 2:
            done.set()
            return
        raise ValueError("once")

    work = host.work(run, retries=Retries(times=1, delay=timedelta(milliseconds=10)))
    host.live[work.script] = work
    first = host.submit(work, token=SECRET)
    assert done.wait(60)
    [again] = eventually(lambda: host.store.runs.repeats(first.id))

    assert seen == [SECRET, SECRET]
    assert again.arguments == {"token": SECRET_MASK}


def test_an_isolated_run_gets_it_and_a_rerun_asks_for_it(tmp_path: Path) -> None:
    script = """
        # /// script
        # [tool.livegraft]
        # isolation = "process"
        # ///
        from pydantic import SecretStr
        def run(token: SecretStr): return len(token.get_secret_value())
        """
    with a_host(tmp_path, files={"apart.py": script}) as host:
        run = host.supervisor.run("apart", token=SECRET)
        assert run.result == len(SECRET)
        with pytest.raises(ArgumentsError, match="give it again"):
            host.supervisor.rerun(run.id, trigger=run.record.trigger, actor="dana")
    assert kept_in(tmp_path) == []
