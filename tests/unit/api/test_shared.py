"""Shared data by the API: listed, read page by page, deleted with an audit row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.api import Api, an_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with an_api(tmp_path, {"README.md": "scripts\n"}) as api:
        yield api


def test_names_are_listed_with_how_much_is_kept(api: Api) -> None:
    assert api.get("/shared") == {"shared": []}
    api.host.supervisor.shared("reports/daily")["sums"] = [1, 2]
    api.host.supervisor.shared("counters").add("seen")

    one, two = api.get("/shared")["shared"]

    assert (one["name"], one["keys"], one["bytes"]) == ("counters", 1, 1)
    assert (two["name"], two["keys"], two["bytes"]) == ("reports/daily", 1, 5)
    assert one["changed_at"].endswith("Z")


def test_values_are_read_page_by_page_with_their_expiry(api: Api) -> None:
    data = api.host.supervisor.shared("reports/daily")
    data["a"], data["b/ü ?"] = {"n": 1}, "<b>"
    data.put("c", None, expires_in=timedelta(hours=1))

    page = api.get("/shared/reports/daily?limit=2")
    last = api.send("GET", "/shared/reports/daily", params={"limit": 2, "after": page["next"]}).json()

    assert (page["name"], page["keys"]) == ("reports/daily", 3)
    assert [(each["key"], each["value"], each["expires_at"]) for each in page["values"]] == [
        ("a", {"n": 1}, None),
        ("b/ü ?", "<b>", None),
    ]
    (value,) = last["values"]
    assert (value["key"], value["value"], last["next"]) == ("c", None, None)
    assert value["changed_at"] < value["expires_at"]


def test_a_key_is_deleted_and_then_the_name_each_with_an_audit_row(api: Api) -> None:
    data = api.host.supervisor.shared("counters")
    data["a & b"], data["c"], data["d"] = 1, 2, 3

    assert api.send("DELETE", "/shared/counters", params={"key": "a & b"}).status_code == 204
    assert list(data) == ["c", "d"]
    assert api.send("DELETE", "/shared/counters").status_code == 204
    assert api.get("/shared") == {"shared": []}

    rows = [(row["action"], row["subject"], row["actor"], row["detail"]) for row in api.get("/audit")["audit"]]
    assert rows == [
        ("delete shared data", "counters", "token", {}),
        ("delete shared data", "counters", "token", {"key": "a & b"}),
    ]


def test_what_is_not_there_is_not_found_with_the_nearest_name(api: Api) -> None:
    api.host.supervisor.shared("counters")["a"] = 1

    missing = api.get("/shared/counter", status=404)["error"]
    key = api.send("DELETE", "/shared/counters", params={"key": "b"})
    odd = api.send("DELETE", "/shared/counters", params={"key": "a\nb"})

    assert "did you mean 'counters'?" in missing["message"]
    assert (key.status_code, key.json()["error"]["code"]) == (404, "not_found")
    assert (odd.status_code, odd.json()["error"]["code"]) == (422, "shared_data")
    assert api.send("DELETE", "/shared/nothing").status_code == 404
    assert api.get("/audit")["audit"] == []
