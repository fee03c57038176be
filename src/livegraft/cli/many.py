"""Runs of a server that are found by filters: to list them, or to do one thing with all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from livegraft.cli.asking import ask
from livegraft.cli.client import Client
from livegraft.cli.printing import print_json, print_table
from livegraft.errors import ConfigurationError
from livegraft.header_values import read_duration
from livegraft.run import OPEN_STATES, RunState

OPEN: Final = "open"
"""Among states: every one in which a run has not ended. The pages call it so too."""

MAY_STOP: Final = tuple(sorted(OPEN_STATES | {RunState.STUCK}))

MOST: Final = 10_000
"""Runs that one command changes."""

_PAGE: Final = 500
"""Runs of one answer, and of one request that changes them."""

_SHOWN_REFUSALS: Final = 10


def read_filters(given: Mapping[str, str | Sequence[str] | None]) -> dict[str, Any]:
    """What the API is asked for, of the options that were given. Raises ConfigurationError."""
    filters = {name: value for name, value in given.items() if value}
    for bound in ("since", "until"):
        if bound in filters:
            filters[bound] = _instant(bound, str(filters[bound]))
    if states := filters.get("state"):
        if unknown := [state for state in states if state not in (OPEN, *RunState)]:
            raise ConfigurationError(
                f"expected --state to be one of {', '.join((OPEN, *RunState))}, got: {unknown[0]!r}"
            )
        filters["state"] = [each for state in states for each in (sorted(OPEN_STATES) if state == OPEN else [state])]
    return filters


def list_runs(client: Client, filters: Mapping[str, Any], *, limit: int, as_json: bool) -> None:
    """Print the newest runs that match."""
    found = list(islice(_matching(client, filters, limit), limit))
    if as_json:
        print_json({"runs": found})
        return
    rows = [
        (each["id"], each["script"], each["state"], each["trigger"], each["actor"], _second(each["queued_at"]))
        for each in found
    ]
    print_table(("run", "script", "state", "trigger", "asked by", "asked (UTC)"), rows)


def do_with_all(client: Client, action: str, filters: Mapping[str, Any], *, yes: bool, as_json: bool) -> int:
    """``cancel`` or ``rerun`` all runs that match, after telling how many they are; the exit status."""
    wanted = dict(filters)
    if action == "cancel":
        wanted["state"] = [state for state in wanted.get("state", MAY_STOP) if state in MAY_STOP]
        if not wanted["state"]:
            raise ConfigurationError(f"expected a state in which a run can stop, one of: {', '.join(MAY_STOP)}")
    ids = [each["id"] for each in islice(_matching(client, wanted, _PAGE), MOST + 1)]
    if len(ids) > MOST:
        raise ConfigurationError(f"expected filters that match at most {MOST:,} runs, these match more: narrow them")
    if ids:
        ask(f"{'Cancel' if action == 'cancel' else 'Repeat'} {_count(len(ids))}?", yes=yes)
    done: list[dict[str, Any]] = []
    oldest_first = ids[::-1]
    for n in range(0, len(ids), _PAGE):
        done += client.post(f"/runs/{action}", {"runs": oldest_first[n : n + _PAGE]})["done"]
    refused = [each for each in done if each["refused"]]
    if as_json:
        print_json({"done": done})
    else:
        _tell(action, len(done) - len(refused), refused)
    return 1 if refused else 0


def _matching(client: Client, filters: Mapping[str, Any], at_once: int) -> Iterable[dict[str, Any]]:
    """All that match, the newest first."""
    before = None
    while True:
        page = client.get("/runs", **filters, before=before, limit=min(at_once, _PAGE))
        yield from page["runs"]
        before = page["next"]
        if before is None:
            return


def _tell(action: str, count: int, refused: Sequence[Mapping[str, Any]]) -> None:
    print(f"{_count(count)} {'asked to stop' if action == 'cancel' else 'repeated'}, {len(refused)} refused")
    for each in refused[:_SHOWN_REFUSALS]:
        print(f"  {each['run']} {each['refused']['message']}")
    if len(refused) > _SHOWN_REFUSALS:
        print(f"  and {len(refused) - _SHOWN_REFUSALS} more")


def _count(count: int) -> str:
    return f"{count:,} {'run' if count == 1 else 'runs'}"


def _instant(option: str, text: str) -> str:
    """An instant with its zone as it is; ``2h`` is that long ago."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = datetime.now(UTC) - read_duration(text)
        except ValueError:
            at = None
    if at is None or at.tzinfo is None:
        raise ConfigurationError(
            f"expected --{option} to be an instant with its zone, as 2026-03-01T07:00Z, or how long ago, as 2h, "
            f"got: {text!r}"
        )
    return at.astimezone(UTC).isoformat()


def _second(at: str) -> str:
    return at.partition(".")[0].removesuffix("Z")
