"""Results and artifacts over the API: as what they are, and never as a page of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from livegraft.access import COOKIE
from tests.support.api import Api, an_api

SCRIPTS = {
    "frame.py": "import polars as pl\ndef run(): return pl.DataFrame({'name': ['a', 'b,\"c\"'], 'n': [1, None]})",
    "records.py": "def run(): return [{'n': 1, 'name': 'a'}, {'n': 2}]",
    "html.py": """
        class Page:
            def _repr_html_(self): return '<script>alert(1)</script>'
        def run(): return Page()
        """,
    "made.py": """
        class Page:
            def __init__(self, text): self.text = text
            def _repr_html_(self): return self.text
        def run(text: str): return Page(text)
        """,
    "svg.py": """
        class Picture:
            def _repr_svg_(self): return '<svg xmlns="http://www.w3.org/2000/svg"/>'
        def run(): return Picture()
        """,
    "words.py": "from livegraft import Markdown\ndef run(): return Markdown('# hi')",
    "leaves.py": """
        from livegraft import artifacts
        def run(fail: bool = False):
            folder = artifacts()
            (folder / "a b").mkdir()
            (folder / "a b" / "page.html").write_text("<script>alert(1)</script>")
            (folder / "link").symlink_to("/etc/passwd")
            if fail:
                raise ValueError
        """,
    "nothing.py": "def run(): raise ValueError",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("results"), SCRIPTS) as api:
        yield api


def result(api: Api, script: str, file: str = "result") -> tuple[Any, httpx.Response]:
    run = api.run(script)
    return run, api.send("GET", f"/runs/{run['id']}/{file}")


def test_a_table_is_told_by_its_columns_and_given_as_json_and_csv(api: Api) -> None:
    run, whole = result(api, "frame")

    assert (run["result_kind"], run["result"]) == ("table", {"columns": ["name", "n"], "row_count": 2})
    assert whole.json() == {"columns": ["name", "n"], "rows": [["a", 1], ['b,"c"', None]], "row_count": 2}
    csv = api.send("GET", f"/runs/{run['id']}/result.csv")
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in csv.headers["content-disposition"]
    assert csv.text == 'name,n\r\na,1\r\n"b,""c""",\r\n'


def test_records_are_json_and_csv(api: Api) -> None:
    run, whole = result(api, "records")

    assert whole.json() == run["result"] == [{"n": 1, "name": "a"}, {"n": 2}]
    assert api.send("GET", f"/runs/{run['id']}/result.csv").text == "n,name\r\n1,a\r\n2,\r\n"


@pytest.mark.parametrize(
    ("script", "kind", "media_type"),
    [
        ("html", "html", "text/html; charset=utf-8"),
        ("svg", "svg", "image/svg+xml; charset=utf-8"),
        ("words", "markdown", "text/markdown; charset=utf-8"),
    ],
)
def test_what_a_script_made_runs_no_code_and_reaches_no_host(api: Api, script: str, kind: str, media_type: str) -> None:
    run, whole = result(api, script)

    assert (run["result_kind"], run["result"]) == (kind, None)
    assert whole.headers["content-type"] == media_type
    policy = whole.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "script" not in policy
    assert whole.headers["x-content-type-options"] == "nosniff"


REACHING = {
    "<link rel=preconnect href=//a.example>": "<no-link rel=preconnect href=//a.example>",
    "<LINK/rel=preconnect>": "<no-LINK/rel=preconnect>",
    "<x:link a='1'></x:link>": "<x:no-link a='1'></x:no-link>",
    "<iframe srcdoc='&lt;link>'></iframe>": "<no-iframe srcdoc='&lt;link>'></no-iframe>",
    "<!ENTITY a '<link/>'>": "<!no-ENTITY a '<link/>'>".replace("<link", "<no-link"),
    "<!ENTITY a '&#60;link/>'>": "<!no-ENTITY a '&#60;link/>'>",
    "<!ENTITY % a 'x'>": "<!no-ENTITY % a 'x'>",
    "<!ENTITY ns 'http://x.example/'>": "<!ENTITY ns 'http://x.example/'>",
    "a link &lt;link <i>link</i> <a href=link>": "a link &lt;link <i>link</i> <a href=link>",
}


@pytest.mark.parametrize("made", REACHING)
def test_a_browser_gets_no_links_and_frames_and_a_program_gets_all(api: Api, made: str) -> None:
    run = api.run("made", text=made)
    session = {"Cookie": f"{COOKIE}={api.access.redeem(api.access.new_login_token())}"}

    assert api.send("GET", f"/runs/{run['id']}/result", headers=session).text == REACHING[made]
    assert api.send("GET", f"/runs/{run['id']}/result").text == made


def test_results_that_are_not_there_are_not_found(api: Api) -> None:
    _, answer = result(api, "nothing")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    assert result(api, "words", "result.csv")[1].status_code == 404
    assert api.send("GET", "/runs/none/result").status_code == 404
    assert api.send("GET", "/runs/none/artifacts").status_code == 404


@pytest.mark.parametrize("fail", [False, True])
def test_files_that_a_run_left_are_downloads(api: Api, fail: bool) -> None:
    run = api.run("leaves", fail=fail)

    assert api.get(f"/runs/{run['id']}/artifacts") == {"artifacts": [{"name": "a b/page.html", "bytes": 25}]}
    file = api.send("GET", f"/runs/{run['id']}/artifacts/a%20b/page.html")
    assert file.text == "<script>alert(1)</script>"
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert file.headers["content-security-policy"].startswith("sandbox;")
    output = api.send("GET", f"/runs/{run['id']}/output").text
    assert "livegraft: the artifact 'link' is not kept: it is a symbolic link" in output


@pytest.mark.parametrize("name", ["link", "..%2f..%2ftoken", "a%20b", "a%20b/../a%20b/page.html%00", "%2fetc%2fpasswd"])
def test_no_other_name_gives_a_file(api: Api, name: str) -> None:
    run = api.run("leaves")

    assert api.send("GET", f"/runs/{run['id']}/artifacts/{name}").status_code == 404


def test_the_host_gets_results_as_what_they_are(api: Api) -> None:
    supervisor = api.host.supervisor

    assert supervisor.run("frame").result.rows == [["a", 1], ['b,"c"', None]]
    assert supervisor.run("html").result == "<script>alert(1)</script>"
    assert supervisor.run("words").result == "# hi"
