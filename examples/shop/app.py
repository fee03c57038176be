"""The shop: a FastAPI service. Its prices come from a live script, on every request."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import Engine, text

from livegraft import Supervisor


def build_shop(supervisor: Supervisor, db: Engine) -> FastAPI:
    shop = FastAPI(title="shop")
    live = supervisor.live

    @shop.get("/health")
    def health() -> dict[str, str]:
        with db.connect() as connection:
            connection.execute(text("SELECT 1"))
        return {"status": "ok"}

    @shop.get("/products")
    def products(limit: int = 20) -> list[dict[str, Any]]:
        with db.connect() as connection:
            rows = connection.execute(text("SELECT * FROM products ORDER BY id LIMIT :limit"), {"limit": limit})
            return [dict(row._mapping) for row in rows]

    @shop.get("/orders/{id}")
    def order(id: int) -> dict[str, Any]:
        with db.connect() as connection:
            row = connection.execute(text("SELECT * FROM orders WHERE id = :id"), {"id": id}).first()
        if row is None:
            raise HTTPException(404, f"no order {id}")
        return dict(row._mapping)

    @shop.get("/quote")
    def quote(product: int = 1, quantity: int = 1) -> dict[str, Any]:
        with db.connect() as connection:
            row = connection.execute(text("SELECT * FROM products WHERE id = :id"), {"id": product}).first()
        if row is None:
            raise HTTPException(404, f"no product {product}")
        # The one line that matters: read through `live` at the call, and the newest commit answers.
        cents: int = live.pricing.quote(row.price_cents, quantity, row.category)
        return {"product": row.name, "quantity": quantity, "total": f"{cents / 100:.2f}"}

    # Pages and API of livegraft, below a path of the shop's own.
    shop.mount("/livegraft", supervisor.web)
    return shop
