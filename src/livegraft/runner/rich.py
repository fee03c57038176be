"""Values that show themselves, as they do in notebooks: pictures, HTML, Markdown, by their ``_repr_*_`` methods.

Nothing is imported for it: who returns a figure has imported what made it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from livegraft.runner.interrupt import RunCancelledError

_METHODS: Final = {
    "_repr_html_": "html",
    "_repr_svg_": "svg",
    "_repr_png_": "png",
    "_repr_jpeg_": "jpeg",
    "_repr_markdown_": "markdown",
}
"""How a value shows itself, best first, and the kind of result that this makes."""

_SIGNATURES: Final = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff"}


class _TooLargeError(Exception):
    """It is larger than what is kept."""


def shown(value: object, size_limit: int, problems: list[str]) -> tuple[str, bytes] | None:
    """The kind and the bytes of how a value shows itself; None when it does not.

    ``problems`` gets a line for each way that failed. Raises nothing but RunCancelledError.
    """
    for name, kind, show in _ways(value):
        try:
            body = _body(show(), kind, size_limit)
        except RunCancelledError:
            raise
        except _TooLargeError:
            problems.append(f"its {name} is larger than {size_limit} bytes: put it into a file of artifacts()")
        except BaseException as error:  # noqa: BLE001 - methods of the value are the script's code and may raise anything
            problems.append(f"its {name} raised {type(error).__qualname__}")
        else:
            if body is not None:
                return kind, body
    return None


def _ways(value: object) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    figure = _figure(value)
    if figure is not None:
        yield "picture", "png", partial(_saved, figure)
    for name, kind in _METHODS.items():
        # Asked of the type: an object that answers to every name is no picture.
        method = getattr(type(value), name, None)
        if callable(method):
            yield name, kind, partial(method, value)


def _figure(value: object) -> Any:
    """The figure that a value of matplotlib is or is part of."""
    figures, axes = sys.modules.get("matplotlib.figure"), sys.modules.get("matplotlib.axes")
    if figures is None or axes is None:
        return None
    try:
        if isinstance(value, figures.Figure):
            return value
        return value.figure if isinstance(value, axes.Axes) else None
    except AttributeError:
        return None


def _saved(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def _body(made: Any, kind: str, size_limit: int) -> bytes | None:
    """What a method gave, as bytes; None when it is of no use. Raises _TooLargeError."""
    if isinstance(made, tuple) and made:  # data and metadata
        made = made[0]
    if not isinstance(made, bytes if kind in _SIGNATURES else str):
        return None
    if len(made) > size_limit:
        raise _TooLargeError
    body = bytes(made) if isinstance(made, bytes) else str.__str__(made).encode("utf-8", "replace")
    if len(body) > size_limit:
        raise _TooLargeError
    return body if body.startswith(_SIGNATURES.get(kind, b"")) else None
