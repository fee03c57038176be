"""Kills processes over one history again and again, and holds the history to what it promises."""
