"""Plugin A says hello."""

from lib.greeting import greet


def run() -> str:
    return greet("A")
