# /// script
# [tool.livegraft]
# timeout = "10m"
# owner = "search"
# tags = ["long"]
# ///
"""Build the search index anew, product by product."""

import time

from lib.tables import rows
from sqlalchemy import Engine, text

from livegraft import cancelled, progress

from .words import words


def run(db: Engine, pause_ms: int = 20) -> dict:
    products = rows(db, "SELECT id, sku, name, category FROM products")
    with db.begin() as connection:
        connection.execute(text("DELETE FROM search_words"))
    done = count = 0
    for product in progress(products, "products"):
        if cancelled():
            print(f"stopped after {done} products")
            break
        found = [{"word": word, "id": product["id"]} for word in sorted(words(product))]
        with db.begin() as connection:
            connection.execute(text("INSERT INTO search_words (word, product_id) VALUES (:word, :id)"), found)
        done += 1
        count += len(found)
        if done % 50 == 0:
            print(f"{done} products, {count} words")
        time.sleep(pause_ms / 1000)
    return {"products": done, "words": count}
