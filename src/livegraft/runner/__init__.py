"""Executing runs: the port, with one runner for sync and one for async code."""
