"""A history as years leave it behind, made in a minute or two: by SQL inside of SQLite, beside the store's own ways."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from livegraft.store.sqlite import open_store

RUNS: Final = 1_000_000
SCRIPTS: Final = 10_000

_SCRIPT: Final = "printf('team%02d/script%05d', (i % :scripts) % 50, i % :scripts)"
_AT: Final = ":now - (:runs - i) * 1000000"
"""A run each second until now."""

_FILL: Final = (
    f"""
    INSERT INTO runs (id, script, key, revision, trigger, actor, arguments, state, process, queued_at, started_at,
                      ended_at, failure, output_bytes, attempt, slot_at)
    SELECT printf('0%015d', i), {_SCRIPT}, 'k' || (i % :scripts), printf('%040x', i / 1000), iif(i % 10, 'cron', 'api'),
           iif(i % 10, 'cron', 'dana'), '{{"days":' || (i % 30) || '}}',
           iif(i % 20 <> 3, 'succeeded', iif(i % 1000 <> 3, 'failed', 'lost')), '1:2:3', {_AT}, {_AT} + 1000,
           {_AT} + 500000,
           iif(i % 20 <> 3, NULL, '{{"type":"ValueError","message":"no stock","path":"a.py","line":3,"traceback":""}}'),
           80, 1, iif(i % 10, {_AT}, NULL)
    FROM n
    """,
    """
    INSERT INTO output (run_id, offset, data)
    SELECT printf('0%015d', i), 0, CAST(printf('%.*c', 80, 'x') AS BLOB) FROM n
    """,
    f"""
    INSERT INTO slots (script, schedule, slot_at, state, decided_at, run_id, reason)
    SELECT {_SCRIPT}, '*/15 * * * * UTC', {_AT}, iif(i % 500 = 1, 'missed', 'ran'), {_AT},
           iif(i % 500 = 1, NULL, printf('0%015d', i)), iif(i % 500 = 1, 'the process was not running', '')
    FROM n WHERE i % 10
    """,
    """
    INSERT INTO schedules (script, schedule, since_at, trimmed_to)
    SELECT printf('team%02d/script%05d', i % 50, i), '*/15 * * * * UTC', :now, NULL FROM n
    WHERE i < :scripts
    """,
    f"""
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT {_AT}, 'dana', 'run', {_SCRIPT}, '{{}}' FROM n WHERE i % 10 = 0
    """,
    """
    INSERT INTO versions (script, key, revision, author, subject, loaded_at)
    SELECT printf('team%02d/script%05d', i / 5 % 50, i / 5), 'k' || i, printf('%040x', i), 'dana', 'change', :now - i
    FROM n WHERE i < :scripts * 5
    """,
    """
    INSERT INTO releases (revision, author, subject, committed_at, state, unchanged, error)
    SELECT printf('%040x', i), 'dana', 'change', :now, 'superseded', 9000, '' FROM n
    WHERE i < :runs / 1000
    """,
    "INSERT INTO release_steps (release_id, step, at) SELECT id, step, :now FROM releases, "
    "(SELECT 'seen' AS step UNION ALL SELECT 'fetched' UNION ALL SELECT 'loaded' UNION ALL SELECT 'live')",
    "INSERT INTO release_scripts (release_id, script, outcome, key, failure) "
    "SELECT id, printf('script%05d', id), 'loaded', 'k', NULL FROM releases",
)


def fill(file: Path, *, runs: int = RUNS, scripts: int = SCRIPTS) -> None:
    """Make a history in a new file: a run each second until now, of scripts in turn, with what belongs to them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    open_store(file).close()
    values = {"runs": runs, "scripts": scripts, "now": time.time_ns() // 1_000}
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :runs - 1)"
    with closing(sqlite3.connect(file)) as connection:
        # Nobody needs it after a power cut.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        for statement in _FILL:
            body = statement.strip()
            connection.execute(f"{numbers} {body}" if "FROM n" in body else body, values)
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
