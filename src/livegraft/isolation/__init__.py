"""Isolated runs: each in a process of its own, which the host can end with all that it started.

``livegraft.isolation.runner`` is the host's side, ``livegraft.isolation.worker`` what runs in the process.
"""
