"""A little of everything that pages show, and where the pages are: for what must hold on each of them."""

from __future__ import annotations

SCRIPTS = {
    "reports/daily.py": '''
# cron: 0 7 * * * Europe/Berlin
"""Counts the orders of a day."""
from datetime import date
from typing import Annotated, Literal
from pydantic import Field, SecretStr
import livegraft
def run(day: date = date(2026, 1, 31), count: Annotated[int, Field(ge=1, le=9)] = 3,
        kind: Literal["net", "gross"] = "net", tags: list[str] = [], token: SecretStr = SecretStr("")):
    print("\\x1b[31mred\\x1b[0m and \\x1b[2mdim\\x1b[0m")
    for each in livegraft.progress(range(3), "orders"):
        livegraft.shared("counters")["orders"] = each
    return [{"order": each, "total": each * 1.5} for each in range(3)]
''',
    "broken.py": "def run(:\n",
    "reports/report.py": """
from livegraft import Markdown, artifacts
def run():
    (artifacts() / "orders.csv").write_text("order,total")
    return Markdown("# Orders\\n\\n| who | total |\\n|:-:|--:|\\n| Dana | 7 |\\n")
""",
    "reports/branches.py": """
def run():
    return {"shop": "Berlin", "days": [{"day": day, "orders": [f"order {n}" for n in range(20)]} for day in range(9)]}
""",
    "reports/a_report_that_somebody_called_by_all_that_it_does_and_for_whom_and_why_it_was_ever_written.py": """
# cron: 0 7 * * *
# cron: 0 12 * * 1-5
# cron: 0 18 1 * *
from typing import Annotated
from pydantic import Field
def run(dry_run: Annotated[bool, Field(description="Only tell what would be done, and do nothing of it.")] = True):
    pass
""",
    "reports/עברית/سلام.py": "def run() -> None: ...\n",
    "reports/party_🎉.py": "def run() -> None: ...\n",
    "fails.py": "def run() -> None:\n    raise LookupError('no such order')\n",
}
LONG = next(path.removesuffix(".py") for path in SCRIPTS if len(path) > 60)
"""The script with a long name, several schedules, and a box to check with a long help."""

PATHS = ("/", "/scripts", "/runs", "/releases", "/releases/1", "/failures", "/schedule", "/system",
         "/system?stacks=1", "/shared", "/shared/counters", "/audit", "/access",
         "/scripts/reports/daily", "/scripts/reports/daily/changes", "/scripts/broken", "/scripts/fails",
         f"/scripts/{LONG}")  # fmt: skip

RAN = (LONG, "reports/daily", "reports/report", "reports/branches", "fails")
"""The scripts that have run once."""
