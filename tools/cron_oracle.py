"""``make cron-oracle``: the slots of 200 lines around every change of the clocks in ten years, in every IANA zone, held
against what Debian's cron would do minute by minute.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import available_timezones

from livegraft.schedule import Schedule
from tests.support.cron_oracle import EXPRESSIONS, Difference, compare, transitions

YEARS: Final = (2020, 2029)
QUIET: Final = datetime(2026, 7, 1, tzinfo=UTC)
"""Where zones are looked at whose clocks do not change."""
SHOWN: Final = 20


def main() -> int:
    zones = sorted(available_timezones() - {"localtime", "Factory"})
    began, count, windows = time.monotonic(), 0, 0
    differences: list[Difference] = []
    for number, zone in enumerate(zones, start=1):
        for around in transitions(zone, *YEARS) or [QUIET]:
            compared, found = compare(zone, around, EXPRESSIONS, slots)
            count += compared
            windows += 1
            differences += found
        if not number % 50:
            print(f"{number} zones, {count:,} due times, {len(differences)} differences", flush=True)
    for each in differences[:SHOWN]:
        print(each)
    seconds = time.monotonic() - began
    print(
        f"{len(zones)} zones, {windows} changes of clocks, {len(EXPRESSIONS)} lines: {count:,} due times, "
        f"{len(differences)} differences, {seconds:.0f} s"
    )
    return 1 if differences else 0


def slots(cron: str, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    return Schedule(cron, zone).between(after, until)


if __name__ == "__main__":
    sys.exit(main())
