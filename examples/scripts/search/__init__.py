"""The search of the shop."""
