"""Amounts are whole cents; people read them with two digits."""


def shown(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def parse(text: str) -> int:
    """``12``, ``12.5`` and ``12,50`` -> cents. Raises ValueError."""
    units, _, rest = text.strip().replace(",", ".").partition(".")
    if not units.isdigit() or (rest and not rest.isdigit()) or len(rest) > 2:
        raise ValueError(f"expected an amount like 12.50, got: {text!r}")
    return int(units) * 100 + int(rest.ljust(2, "0") or 0)
