"""What the shop asks for: called by its /quote route on every request."""

from lib.money import shown

DISCOUNT = 10
"""Per cent, from three pieces on."""

TAXES = {"tea": 7, "coffee": 7, "cocoa": 7, "jam": 7, "honey": 7}


def quote(price_cents: int, quantity: int, category: str) -> int:
    """The price of so many pieces, in cents, tax included."""
    total = price_cents * quantity
    if quantity >= 3:
        total -= total * DISCOUNT // 100
    return total + total * TAXES.get(category, 19) // 100


def run(price_cents: int = 1000, quantity: int = 3, category: str = "tea") -> str:
    """Try the rule without the shop."""
    return shown(quote(price_cents, quantity, category))
