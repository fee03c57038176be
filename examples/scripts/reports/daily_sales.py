# /// script
# [tool.livegraft]
# cron = "0 7 * * *"
# timezone = "Europe/Berlin"
# timeout = "2m"
# owner = "sales"
# tags = ["report"]
# ///
"""Sales of a day, by category."""

from datetime import UTC, date, datetime, timedelta

from lib.money import shown
from lib.tables import rows
from sqlalchemy import Engine

SALES = """
SELECT p.category, COUNT(DISTINCT o.id) AS orders, SUM(l.quantity) AS pieces, SUM(l.quantity * l.price_cents) AS cents
FROM orders o JOIN order_lines l ON l.order_id = o.id JOIN products p ON p.id = l.product_id
WHERE o.status <> 'returned' AND o.ordered_at >= :begin AND o.ordered_at < :end
GROUP BY p.category ORDER BY cents DESC
"""


def run(db: Engine, day: date | None = None) -> list[dict]:
    """The day before today unless another one is given."""
    day = day or datetime.now(UTC).date() - timedelta(days=1)
    sales = rows(db, SALES, begin=day.isoformat(), end=(day + timedelta(days=1)).isoformat())
    # An order may have lines of several categories: pieces add up, orders do not.
    print(f"{day}: {sum(row['pieces'] for row in sales)} pieces, {shown(sum(row['cents'] for row in sales))} in all")
    return [
        {"category": row["category"], "orders": row["orders"], "pieces": row["pieces"], "sales": shown(row["cents"])}
        for row in sales
    ]
