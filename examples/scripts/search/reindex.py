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
    count = 0
    for number, product in enumerate(progress(products, "products"), 1):
        if cancelled():
            print(f"stopped after {number - 1} products")
            break
        found = [{"word": word, "id": product["id"]} for word in sorted(words(product))]
        with db.begin() as connection:
            connection.execute(text("INSERT INTO search_words (word, product_id) VALUES (:word, :id)"), found)
        count += len(found)
        if number % 50 == 0:
            print(f"{number} products, {count} words")
        time.sleep(pause_ms / 1000)
    return {"products": number, "words": count}
