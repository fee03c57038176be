"""A result that is Markdown: scripts import it from ``livegraft``."""

from __future__ import annotations


class Markdown:
    """Text that the page of a run shows as Markdown: ``return Markdown("# 12 orders\\n...")``.

    CommonMark with tables. HTML in it is shown as the text that it is.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Markdown({self.text!r})"

    def _repr_markdown_(self) -> str:
        return self.text
