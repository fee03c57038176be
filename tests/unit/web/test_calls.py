"""The call of a form as text to copy: what a shell reads of it is what was meant."""

from __future__ import annotations

import json
import shlex

from livegraft.cli.arguments import read_arguments
from livegraft.web.calls import as_command, as_curl

ARGUMENTS = {
    "name": "it's $HOME; rm -rf --no",
    "dry_run": False,
    "loud": True,
    "days": [1, 2],
    "text": "--x",
    "none": None,
}
SCHEMA = {
    "properties": {
        "name": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "loud": {"type": "boolean"},
        "days": {"type": "array", "items": {"type": "integer"}},
        "text": {"type": "string"},
        "none": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }
}


def test_the_command_gives_the_same_arguments() -> None:
    words = shlex.split(as_command("http://here:1", "reports/daily", ARGUMENTS))

    assert words[:5] == ["livegraft", "start", "--url", "http://here:1", "reports/daily"]
    assert read_arguments("reports/daily", words[5:], SCHEMA) == ARGUMENTS


def test_the_request_gives_the_same_arguments() -> None:
    words = shlex.split(as_curl("http://here:1/app", "reports/a b", ARGUMENTS))

    assert words[1] == "http://here:1/app/api/v1/scripts/reports/a%20b/runs?wait=60"
    assert json.loads(words[-1]) == {"arguments": ARGUMENTS}
