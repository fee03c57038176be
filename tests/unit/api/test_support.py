"""The support bundle: what it tells, and that nothing secret is in it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from tests.support.api import Api, an_api
from tests.support.waiting import eventually

SCRIPTS = {
    "waits.py": """
        import asyncio
        import livegraft, pydantic
        async def run(db: object, password: pydantic.SecretStr, note: str):
            print("output-hush", note)
            while not livegraft.cancelled():
                await asyncio.sleep(0.01)
        """,
    "returns.py": "def run(): return 'result-hush'\n",
    "breaks.py": "raise OSError('message-hush')\ndef run(): ...\n",
}


class Database:
    def __init__(self) -> None:
        self.password = "provided-hush"

    def __repr__(self) -> str:
        return f"Database({self.password})"


def files_of(api: Api) -> dict[str, str]:
    answer = api.send("GET", "/support")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_support_bundle_tells_states_and_stacks_and_nothing_secret(tmp_path: Path) -> None:
    with an_api(tmp_path, SCRIPTS, provide={"db": Database()}, git_token="git-hush") as api:
        api.run("returns")
        run = api.start("waits", password="secret-hush", note="argument-hush")
        eventually(lambda: "output-hush" in api.send("GET", f"/runs/{run}/output").text, what="it is under way")

        files = files_of(api)
        api.post(f"/runs/{run}/cancel")

    assert [name for name, text in files.items() if "hush" in text or api.access.token in text] == []
    scripts = {each["name"]: each for each in json.loads(files["scripts.json"])}
    assert {name: each["state"] for name, each in scripts.items()} == {
        "breaks": "failed", "returns": "live", "waits": "live"
    }  # fmt: skip
    assert (scripts["breaks"]["failed"]["path"], scripts["breaks"]["failed"]["line"]) == ("breaks.py", 1)
    assert 'File "waits.py"' in files["threads.txt"]
    assert "livegraft-syncer" in files["threads.txt"]
    assert json.loads(files["health.json"])["status"] == "ok"
    assert json.loads(files["settings.json"])["poll_seconds"] == 3600.0
    assert [each["state"] for each in json.loads(files["findings.json"]) if each["what"] == "history"] == ["ok"]
    assert [each["state"] for each in json.loads(files["releases.json"])] == ["live"]
