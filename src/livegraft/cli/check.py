"""``livegraft check``: what is wrong with a work tree, and what its next commit would do to a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livegraft.check import Fault, check_against, check_tree
from livegraft.cli.client import Client
from livegraft.cli.resources import resources
from livegraft.difference import Change, Difference


def check(folder: Path, provide: Sequence[str], *, against: str | None, token: str | None, as_json: bool) -> int:
    """Check, print, and return the exit status: 1 for a fault or for something that the commit would break."""
    provided = resources(provide, placeholders=True)
    if against is None:
        count, faults = check_tree(folder, provided)
        answer = _faults_as_json(count, faults)
        lines = [*map(str, faults), f"{_counted(count, 'script')}, {_counted(_real(faults), 'fault')}"]
        is_bad = _real(faults) > 0
    else:
        client = Client(against, token)
        taken = client.get("/releases")["releases"]
        revision = next((each["revision"] for each in taken if each["state"] == "live"), "")
        count, faults, difference = check_against(
            folder, provided, client.scripts(), client.get("/requirements")["requirements"]
        )
        answer = _faults_as_json(count, faults) | {"against": _as_json(client.url, revision, difference)}
        lines = [*map(str, faults), *_as_text(client.url, revision, difference), _summary(faults, difference)]
        is_bad = _real(faults) > 0 or difference.break_count > 0
    if as_json:
        json.dump(answer, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines))
    return 1 if is_bad else 0


def _real(faults: Sequence[Fault]) -> int:
    return sum(not fault.is_warning for fault in faults)


def _faults_as_json(count: int, faults: Sequence[Fault]) -> dict[str, Any]:
    rows = [{"path": f.path, "line": f.line, "message": f.message, "warning": f.is_warning} for f in faults]
    return {"scripts": count, "faults": rows}


def _as_json(url: str, revision: str, difference: Difference) -> dict[str, Any]:
    changes = [
        {"script": each.script, "change": each.change.value, "breaks": list(each.breaks), "notes": list(each.notes)}
        for each in difference.changes
    ]
    return {"url": url, "revision": revision, "changes": changes, "unchanged": len(difference.unchanged)}


def _as_text(url: str, revision: str, difference: Difference) -> list[str]:
    lines = [f"compared with {url} at {revision[:8] or 'no commit'}:"]
    for each in difference.changes:
        lines.append(f"  {each.change.value:<8} {each.script}")
        lines += [f"    breaks: {text}" for text in each.breaks]
        lines += [f"    {text}" for text in each.notes]
    return lines


def _summary(faults: Sequence[Fault], difference: Difference) -> str:
    counts = [f"{sum(each.change is change for each in difference.changes)} {change.value}" for change in Change]
    breaks = f"{_counted(difference.break_count, 'script')} would break" if difference.break_count else "nothing breaks"
    return f"{', '.join(counts)}, {len(difference.unchanged)} unchanged; {_counted(_real(faults), 'fault')}; {breaks}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
