"""Fails on purpose, to show what a failure looks like."""

from lib import money


def run(amount: str = "twelve") -> int:
    print("reading an amount ...")
    return double(amount)


def double(amount: str) -> int:
    return money.parse(amount) * 2
