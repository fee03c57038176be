"""A result on the page of its run: which way it is shown, and the part of it that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from livegraft.api.files import table_of
from livegraft.run import RunRecord, RunResult
from livegraft.supervisor import Supervisor
from livegraft.table import Cell, Table
from livegraft.web.tree import Node, tree
from livegraft.web.wording import pretty

SHOWN_ROWS: Final = 500
"""A longer table is shown by its first rows; all that is kept are in the CSV."""

MARKDOWN_LIMIT: Final = 200_000
"""Longer Markdown is shown as its text: a page must not take seconds."""


def _picture(renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    """A picture that stands in the text itself; one from an address becomes a link: a page asks no other host."""
    token = tokens[place]
    address = str(token.attrs.get("src", ""))
    if address.startswith("data:"):
        return renderer.image(tokens, place, options, env)
    words = renderer.renderInlineAsText(token.children, options, env) or address
    return Markup('<a href="{}">{}</a>').format(address, words)


_ALIGNED: Final = {"text-align:right": "num", "text-align:center": "centred"}
"""Classes for the styles that the library writes into tables: the policy of the pages allows no style in an element."""

_HEADING: Final = 2
"""Headings of a result stand so many levels below that of its card."""


def _reader() -> MarkdownIt:
    """Without raw HTML, which becomes text; links to ``javascript:`` and the like are left as text by the library."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", _picture)
    return reader


_MARKDOWN: Final = _reader()


def _rendered(text: str) -> Markup:
    environment: dict[str, object] = {}
    tokens = _MARKDOWN.parse(text, environment)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _HEADING, 6)}"
        if style := _ALIGNED.get(str(token.attrs.pop("style", ""))):
            token.attrs["class"] = style
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, environment))  # noqa: S704 - it has no raw HTML


@dataclass(frozen=True, slots=True)
class ShownTable:
    """The first rows of a table in the chosen order. ``numeric`` are places of columns."""

    columns: Sequence[str]
    numeric: frozenset[int]
    rows: Sequence[Sequence[Cell]]
    row_count: int
    sorted_by: int | None
    descending: bool


@dataclass(frozen=True, slots=True)
class ShownResult:
    """How a result is shown: ``as_`` is table, markdown, picture, frame, tree or text."""

    as_: str
    note: str
    table: ShownTable | None = None
    markup: Markup | None = None
    tree: Node | None = None
    text: str = ""
    byte_count: int = 0


def shown_result(supervisor: Supervisor, run: RunRecord, order: str) -> ShownResult | None:
    """None when nothing was returned.

    ``order`` is the place of a column by which a table is sorted, with a minus in front for the reverse.
    """
    if run.result is None or (run.result.kind == "json" and run.result.value is None):
        return None
    result = supervisor.result(run.id)
    assert result is not None  # noqa: S101 - it was there a moment ago, and stays
    table = table_of(result)
    if table is not None:
        return ShownResult("table", result.note, _shown_table(table, order))
    match result.kind:
        case "svg" | "png" | "jpeg":
            return ShownResult("picture", result.note, byte_count=len(result.body))
        case "html":
            return ShownResult("frame", result.note, byte_count=len(result.body))
        case "markdown":
            return _shown_markdown(result)
        case "text":
            return ShownResult("text", result.note, text=str(result.value))
    if isinstance(result.value, str):
        return ShownResult("text", result.note, text=result.value)
    branches = tree(result.value)
    if branches is not None:
        return ShownResult("tree", result.note, tree=branches)
    return ShownResult("text", result.note, text=pretty(result.value))


def _shown_table(table: Table, order: str) -> ShownTable:
    place, descending = order.removeprefix("-"), order.startswith("-")
    sorted_by = int(place) if place.isdecimal() and len(place) < 6 and int(place) < len(table.columns) else None
    if sorted_by is not None:
        table = table.sorted_by(sorted_by, descending=descending)
    rows = table.rows[:SHOWN_ROWS]
    return ShownTable(table.columns, table.numeric, rows, table.row_count, sorted_by, descending)


def _shown_markdown(result: RunResult) -> ShownResult:
    text = result.body.decode("utf-8", "replace")
    if len(text) > MARKDOWN_LIMIT:
        return ShownResult("text", result.note or f"longer than {MARKDOWN_LIMIT} characters, shown as text", text=text)
    return ShownResult("markdown", result.note, markup=_rendered(text))
