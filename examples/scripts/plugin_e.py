"""Plugin E says hello."""

from lib.greeting import greet


def run() -> str:
    return greet("E")
