"""Source text as highlighted lines, made on the server and remembered."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

REMEMBERED_COUNT: Final = 256
"""How many sources stay highlighted: those that people look at, not those that exist."""

LONGEST: Final = 400_000
"""Characters; a longer source is shown plain, because highlighting it would hold up the page."""


@lru_cache(maxsize=REMEMBERED_COUNT)
def highlighted(code: str) -> tuple[Markup, ...]:
    """One piece of safe HTML per line. The text itself is what it is remembered by: equal keys have equal text."""
    if len(code) > LONGEST:
        return tuple(Markup.escape(line) for line in code.splitlines())
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    html = highlight(code, lexer, HtmlFormatter(nowrap=True))
    return tuple(Markup(line) for line in html.rstrip("\n").split("\n"))  # noqa: S704 - Pygments escaped it
