"""The figures of livegraft: ``make bench`` prints them and writes ``build/bench.json``."""
