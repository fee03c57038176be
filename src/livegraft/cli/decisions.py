"""Decisions of which a person is shown what they change first."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from livegraft.cli.asking import ask
from livegraft.cli.client import Client
from livegraft.cli.printing import print_json, print_table


def roll_back_there(client: Client, revision: str, *, reason: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Roll a release of a server back."""
    path = f"/releases/{quote(revision)}/roll-back"
    plan = client.get(path)
    if not as_json:
        _show(plan)
    count = len(plan["returns"])
    if not dry_run and count:  # else the server says why there is nothing to do
        ask(
            f"Pin {count} {'script' if count == 1 else 'scripts'} to the version before {plan['revision'][:8]}?",
            yes=yes,
        )
    answer = plan if dry_run else client.post(path, {"reason": reason})
    if as_json:
        print_json(answer)
    elif not count:
        print(f"no script goes back: release {plan['revision'][:8]} brought no version in place of another")
    elif not dry_run:
        print(
            f"{count} pinned; `livegraft undo-roll-back {plan['revision'][:8]}` lets them follow the repository again"
        )


def _show(plan: dict[str, Any]) -> None:
    going = [(each["script"], (each["now"] or "-")[:8], each["to"]["key"][:8]) for each in plan["returns"]]
    if going:
        print_table(("script", "version", "goes back to"), going)
    for each in plan["remains"]:
        print(f"{each['script']} stays: {each['why']}")
