"""The run of a form as other ways to ask for it: a command of the shell, and a request by curl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shlex import join, quote
from typing import Any
from urllib.parse import quote as quote_path


def as_command(url: str, script: str, arguments: Mapping[str, Any]) -> str:
    """``livegraft start``, for the server at an address."""
    words = ["livegraft", "start", "--url", url, script]
    for name, value in arguments.items():
        option = name.replace("_", "-")
        match value:
            case bool():
                words.append(f"--{option}" if value else f"--no-{option}")
            case str():
                words.append(f"--{option}={value}")
            case _:
                words.append(f"--{option}={json.dumps(value, ensure_ascii=False)}")
    return join(words)


def as_curl(url: str, script: str, arguments: Mapping[str, Any]) -> str:
    """The same of the API; the token stands in the environment."""
    body = quote(json.dumps({"arguments": dict(arguments)}, ensure_ascii=False))
    address = quote(f"{url}/api/v1/scripts/{quote_path(script)}/runs?wait=60")
    return (
        f"curl {address} \\\n"
        '  -H "Authorization: Bearer $LIVEGRAFT_TOKEN" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d {body}"
    )
