"""Asking a person before much is changed at once."""

from __future__ import annotations

import sys

import typer

from livegraft.errors import ConfigurationError


def ask(question: str, *, yes: bool) -> None:
    """Return when a person says so, or ``yes`` was given; else end the command.

    Raises ConfigurationError where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Expected --yes, because there is no terminal to ask at")
    typer.confirm(question, abort=True, err=True)
