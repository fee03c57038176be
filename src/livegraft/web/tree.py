"""A JSON value as a tree whose branches open and close: what is short stands on one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

LINE: Final = 72
"""Characters: a branch whose JSON is no longer is written as it is."""

DEEPEST: Final = 40
MOST_NODES: Final = 5_000
"""A value with more of either has no tree: its page would be slow."""

OPEN_NODES: Final = 60
OPEN_DEPTH: Final = 2
"""The branches of a tree with more nodes are open only so far from its root."""

_NONE: Final = object()
_Branch = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """``name`` is the key or the place in the branch around it, empty at the root.

    What stands on one line has its JSON as ``text``, and a ``kind`` (text, number, word or branch). Any other branch
    has ``nodes``, and says in ``text`` how many.
    """

    name: str
    text: str
    kind: str
    nodes: Sequence[Node] = ()
    is_open: bool = False


def tree(value: Any) -> Node | None:
    """None for what has no branches, or too many."""
    if not isinstance(value, dict | list) or _is_short(value):
        return None
    count = sum(1 for _ in islice(_below(value), MOST_NODES + 1))
    if count > MOST_NODES:
        return None
    try:
        return _node("", value, 0, is_small=count <= OPEN_NODES)
    except _TooDeepError:
        return None


class _TooDeepError(Exception):
    pass


def _below(value: Any) -> Iterator[Any]:
    """All values in a branch, at any depth."""
    waiting = [value]
    while waiting:
        branch = waiting.pop()
        for each in branch.values() if isinstance(branch, dict) else branch:
            yield each
            if isinstance(each, dict | list):
                waiting.append(each)


def _node(name: str, value: Any, depth: int, *, is_small: bool) -> Node:
    if depth > DEEPEST:
        raise _TooDeepError
    if not isinstance(value, dict | list):
        return Node(name, _json(value), _kind(value))
    if _is_short(value):
        return Node(name, _json(value), "branch")
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    nodes = tuple(_node(str(key), each, depth + 1, is_small=is_small) for key, each in entries)
    return Node(name, _told(value), "branch", nodes, is_open=is_small or depth < OPEN_DEPTH)


def _is_short(value: _Branch) -> bool:
    # Whatever has so many nodes is longer; to write all of it, at each level of a large tree, would take long.
    return next(islice(_below(value), LINE // 2, None), _NONE) is _NONE and len(_json(value)) <= LINE


def _told(value: _Branch) -> str:
    count, what = len(value), ("key" if isinstance(value, dict) else "item")
    return f"{count} {what}{'' if count == 1 else 's'}"


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "word" if value is None or isinstance(value, bool) else "number"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
