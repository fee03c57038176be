"""The programs of the README run as they are written."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.support import Repository

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "https://git.example.com/team/scripts"
CARTS = """
    def stale_carts(db, older_than):
        return [db.url.database, older_than.total_seconds()]

    def cancel(db, cart, dry_run):
        return not dry_run
    """


async def get(app: Any, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
        return await client.get(path)


def test_the_script_and_the_host_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, host = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    pricing = "def quote(product): return product * 3\n"
    repository = Repository.create(tmp_path / "scripts")
    repository.commit_files({"carts.py": script, "shop/carts.py": textwrap.dedent(CARTS), "pricing.py": pricing})
    answers: list[Any] = []
    names: dict[str, Any] = {}

    def ask(app: Any) -> None:
        answers.append(asyncio.run(get(app, "/quote?product=7")).json())
        answers.append(asyncio.run(get(app, "/livegraft/")).status_code)
        supervisor = names["supervisor"]
        answers.append(supervisor.run("carts", dry_run=False).result)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uvicorn, "run", ask)
    assert ADDRESS in host
    exec(compile(host.replace(ADDRESS, str(repository.path)), README, "exec"), names)

    names["engine"].dispose()
    assert answers == [21, 401, 2]
