"""Take prices over from a list: one `SKU;price` a line."""

import csv
import io
from typing import Annotated

from lib import money
from lib.tables import change, rows
from pydantic import Field
from sqlalchemy import Engine

from livegraft import progress

EXAMPLE = "TEA-0001;4.20\nCOF-0002;7,90\n"


def run(
    db: Engine,
    prices: Annotated[str, Field(description="CSV text: SKU;price", max_length=100_000)] = EXAMPLE,
    dry_run: Annotated[bool, Field(description="only count, change nothing")] = True,
) -> dict:
    known = {row["sku"]: row["price_cents"] for row in rows(db, "SELECT sku, price_cents FROM products")}
    counts = {"changed": 0, "same": 0, "unknown": 0, "wrong": 0}
    for number, line in enumerate(progress(list(csv.reader(io.StringIO(prices), delimiter=";")), "prices"), 1):
        try:
            sku, cents = line[0].strip(), money.parse(line[1])
        except (IndexError, ValueError) as error:
            print(f"line {number}: {error}")
            counts["wrong"] += 1
            continue
        kind = "unknown" if sku not in known else "same" if known[sku] == cents else "changed"
        counts[kind] += 1
        if kind == "changed":
            print(f"{sku}: {money.shown(known[sku])} -> {money.shown(cents)}")
            if not dry_run:
                change(db, "UPDATE products SET price_cents = :cents WHERE sku = :sku", cents=cents, sku=sku)
    return counts
