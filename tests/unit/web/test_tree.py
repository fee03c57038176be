"""JSON as a tree: what is a branch, what stands on one line, what has no tree."""

from __future__ import annotations

from typing import Any

import pytest

from livegraft.web.tree import DEEPEST, MOST_NODES, Node, tree

LONG = "x" * 100


def branches(node: Node) -> list[str]:
    """The names of the open branches."""
    inner = [name for each in node.nodes for name in branches(each)]
    return [node.name, *inner] if node.is_open else inner


def deep(levels: int) -> Any:
    return {"in": deep(levels - 1), "long": LONG} if levels else 1


@pytest.mark.parametrize("value", [None, True, 1.5, "text", {}, [], {"a": 1}, [1, 2, 3]])
def test_what_is_short_has_no_tree(value: object) -> None:
    assert tree(value) is None


def test_a_leaf_is_its_json_and_what_is_short_is_one() -> None:
    root = tree({"text": LONG, "number": 1, "word": None, "short": {"a": [1]}, "list": [1, 2]})

    assert root is not None
    assert root.text == "5 keys"
    assert [(each.name, each.kind, each.text) for each in root.nodes[1:]] == [
        ("number", "number", "1"),
        ("word", "word", "null"),
        ("short", "branch", '{"a": [1]}'),
        ("list", "branch", "[1, 2]"),
    ]


def test_the_branches_of_a_small_tree_are_open_and_of_a_large_one_those_near_the_root() -> None:
    small, large = tree({"a": {"b": {"c": LONG}}}), tree({"a": {"b": {"c": [LONG] * 100}}})

    assert small is not None
    assert large is not None
    assert branches(small) == ["", "a", "b"]
    assert branches(large) == ["", "a"]


def test_too_much_and_too_deep_has_no_tree() -> None:
    assert tree([LONG] * MOST_NODES) is not None
    assert tree([LONG] * (MOST_NODES + 1)) is None
    assert tree(deep(DEEPEST)) is not None
    assert tree(deep(DEEPEST + 1)) is None
