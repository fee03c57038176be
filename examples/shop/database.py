"""The shop's database: SQLite, filled with the same customers, products, orders and carts each time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, city TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT UNIQUE, name TEXT, category TEXT, price_cents INTEGER,
                       stock INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, ordered_at TEXT, status TEXT);
CREATE TABLE order_lines (order_id INTEGER, product_id INTEGER, quantity INTEGER, price_cents INTEGER);
CREATE TABLE carts (id INTEGER PRIMARY KEY, customer_id INTEGER, touched_at TEXT, status TEXT);
CREATE TABLE search_words (word TEXT, product_id INTEGER);
CREATE INDEX orders_by_time ON orders (ordered_at);
CREATE INDEX lines_by_order ON order_lines (order_id);
CREATE INDEX carts_by_status ON carts (status, touched_at);
"""
CITIES = ("Aachen", "Bremen", "Chemnitz", "Dresden", "Essen", "Freiburg")
CATEGORIES = ("tea", "coffee", "cocoa", "spices", "jam", "honey")
KINDS = ("mild", "strong", "organic", "roasted", "green", "dark", "fine", "classic")
CUSTOMERS, PRODUCTS, ORDERS, CARTS = 2_000, 600, 4_000, 900


def open_database(file: Path) -> Engine:
    """The shop's database, made and filled if the file is missing."""
    is_new = not file.exists()
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 10})
    if is_new:
        fill(engine, random.Random(7), datetime.now(UTC))
    return engine


def fill(engine: Engine, chance: random.Random, now: datetime) -> None:
    customers = [
        {"id": n, "name": f"Customer {n}", "email": f"customer{n}@example.com", "city": chance.choice(CITIES)}
        for n in range(1, CUSTOMERS + 1)
    ]
    products = [product(n, chance) for n in range(1, PRODUCTS + 1)]
    orders = [
        {
            "id": n,
            "customer_id": chance.randint(1, CUSTOMERS),
            "ordered_at": (now - timedelta(minutes=chance.randint(0, 30 * 24 * 60))).isoformat(timespec="seconds"),
            "status": chance.choice(("paid", "paid", "sent", "sent", "sent", "returned")),
        }
        for n in range(1, ORDERS + 1)
    ]
    lines = [
        line(order["id"], chance.choice(products), chance) for order in orders for _ in range(chance.randint(1, 4))
    ]
    carts = [
        {
            "id": n,
            "customer_id": chance.randint(1, CUSTOMERS),
            "touched_at": (now - timedelta(minutes=chance.randint(0, 8 * 60))).isoformat(timespec="seconds"),
            "status": "open",
        }
        for n in range(1, CARTS + 1)
    ]
    with engine.begin() as connection:
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(text(statement))
        for table, rows in (
            ("customers", customers),
            ("products", products),
            ("orders", orders),
            ("order_lines", lines),
            ("carts", carts),
        ):
            columns = ", ".join(rows[0])
            values = ", ".join(f":{column}" for column in rows[0])
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), rows)


def product(n: int, chance: random.Random) -> dict[str, object]:
    category = chance.choice(CATEGORIES)
    return {
        "id": n,
        "sku": f"{category[:3].upper()}-{n:04}",
        "name": f"{chance.choice(KINDS)} {chance.choice(KINDS)} {category}",
        "category": category,
        "price_cents": chance.randint(199, 4999),
        "stock": chance.choice((0, 1, 2, 3, 5, 8, 20, 50, 120, 400)),
    }


def line(order_id: object, product: dict[str, object], chance: random.Random) -> dict[str, object]:
    quantity = chance.randint(1, 5)
    return {
        "order_id": order_id,
        "product_id": product["id"],
        "quantity": quantity,
        "price_cents": product["price_cents"],
    }
