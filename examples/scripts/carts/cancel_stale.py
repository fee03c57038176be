# cron: * * * * *
"""Cancel carts that nobody touched."""

import logging
from datetime import UTC, datetime, timedelta

from lib.tables import change, rows
from sqlalchemy import Engine

log = logging.getLogger(__name__)


def run(db: Engine, older_than: timedelta = timedelta(hours=2), limit: int = 25, dry_run: bool = False) -> dict:
    before = (datetime.now(UTC) - older_than).isoformat(timespec="seconds")
    stale = rows(
        db,
        "SELECT id, customer_id FROM carts WHERE status = 'open' AND touched_at < :before ORDER BY touched_at LIMIT :n",
        before=before,
        n=limit,
    )
    for cart in stale:
        log.info("cart %s of customer %s", cart["id"], cart["customer_id"])
        if not dry_run:
            change(db, "UPDATE carts SET status = 'cancelled' WHERE id = :id", id=cart["id"])
    return {"cancelled": 0 if dry_run else len(stale), "found": len(stale)}
