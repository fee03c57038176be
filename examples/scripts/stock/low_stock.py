"""Products that run out: with a parameter of almost every kind."""

from datetime import date
from enum import Enum
from typing import Annotated, Literal

from lib.money import shown
from lib.tables import rows
from pydantic import Field
from sqlalchemy import Engine


class Order(Enum):
    STOCK = "stock"
    NAME = "name"
    PRICE = "price_cents"


def run(
    db: Engine,
    below: Annotated[int, Field(ge=1, le=500, description="pieces left")] = 5,
    categories: Annotated[list[str], Field(description="all if empty")] = [],  # noqa: B006 - read only
    order: Order = Order.STOCK,
    detail: Literal["short", "full"] = "short",
    min_price: Annotated[float | None, Field(ge=0, description="leave out cheaper ones")] = None,
    include_sold_out: bool = True,
    until: date | None = None,
) -> list[dict]:
    found = rows(db, f"SELECT * FROM products WHERE stock < :below ORDER BY {order.value}", below=below)
    kept = [
        row
        for row in found
        if (not categories or row["category"] in categories)
        and (min_price is None or row["price_cents"] >= min_price * 100)
        and (include_sold_out or row["stock"] > 0)
    ]
    print(f"{len(kept)} of {len(found)} products" + (f", to be ordered until {until}" if until else ""))
    if detail == "full":
        return [{**row, "price_cents": shown(row["price_cents"])} for row in kept]
    return [{"sku": row["sku"], "stock": row["stock"]} for row in kept]
