"""``livegraft doctor``: prints what the doctor finds."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from livegraft.cli.printing import print_json, print_table
from livegraft.doctor import FAULT, findings


def examine(data: Path, repository: str, store: str, *, as_json: bool) -> int:
    """Look at everything and print it; 1 when there is a fault."""
    store = store or os.environ.get("LIVEGRAFT_STORE", "")
    found = list(findings(data, repository, store))
    if as_json:
        print_json({"ok": not any(each.state == FAULT for each in found), "findings": [asdict(each) for each in found]})
    else:
        print_table(
            ("", "", "found", "what to do"), [(each.what, each.state, each.found, each.advice) for each in found]
        )
    return 1 if any(each.state == FAULT for each in found) else 0
