"""The templates, with what they may use: links, wording, small pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from livegraft.web import pictures, wording
from livegraft.web.scatter import scatter
from livegraft.web.static_files import address

_PLACE: Final = "\0{}\0"
"""Where a part of an address stands; no part that is quoted can look like it."""


def link(request: Request, route: str, /, **parts: str) -> str:
    """The address of a route of the pages, below whatever prefix they are mounted at."""
    known: dict[tuple[str, ...], str] = request.app.state.addresses
    address = known.get((route, *parts))
    if address is None:
        # To find a route takes long among so many, and pages have hundreds of links.
        places = {name: _PLACE.format(name) for name in parts}
        address = known[route, *parts] = str(request.app.url_path_for(route, **places))
    for name, part in parts.items():
        address = address.replace(_PLACE.format(name), quote(str(part), safe="/"))
    return str(request.scope.get("root_path", "")) + address


def query(**values: object) -> str:
    """``?state=failed&before=...`` of the values that are not empty."""
    given = {name: value for name, value in values.items() if value}
    return "?" + urlencode(given) if given else ""


@pass_context
def _link(context: Context, route: str, /, **parts: str) -> str:
    return link(context["request"], route, **parts)


@pass_context
def _static(context: Context, path: str) -> str:
    return link(context["request"], "static", path=address(path))


@pass_context
def _relative(context: Context, at: datetime) -> str:
    return wording.relative(at, context["now"])


def _breakable(name: str) -> Markup:
    """A name of a script, that goes on in the next line behind a slash or an underscore where it is long."""
    return Markup(re.sub("[/_]", r"\g<0><wbr>", str(escape(name))))  # noqa: S704 - it is escaped


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("livegraft.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        link=_link,
        static=_static,
        query=query,
        run_bars=pictures.run_bars,
        trend=pictures.trend,
        step_bars=pictures.step_bars,
        scatter=scatter,
        tab_icon=pictures.tab_icon,
    )
    environment.filters.update(
        short=wording.short,
        exact=wording.exact,
        machine=wording.machine,
        relative=_relative,
        duration=wording.duration,
        left=wording.left,
        size=wording.size,
        span=wording.span,
        plain=wording.plain,
        argument=wording.argument,
        slug=wording.slug,
        breakable=_breakable,
    )
    return environment


_ENVIRONMENT: Final = _environment()


def render(request: Request, template: str, values: Mapping[str, Any]) -> str:
    """One template as HTML; ``values`` must hold ``now`` for relative times."""
    return _ENVIRONMENT.get_template(template).render({"request": request, **values})
