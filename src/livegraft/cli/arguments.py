"""``--older-than 3h --dry-run``: options of the command line as a script's arguments, by its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from livegraft.errors import ArgumentsError


def read_arguments(script: str, options: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that options name; values stay text unless the schema wants JSON.

    ``--flag`` and ``--no-flag`` are booleans, a repeated option makes a list. Raises ArgumentsError.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    found: dict[str, Any] = {}
    rest = list(options)
    while rest:
        option = rest.pop(0)
        name, given, value = option.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not option.startswith("--"):
            raise ArgumentsError(script, {option: "expected an option: --parameter value"})
        if name not in properties and name.startswith("no_") and name[3:] in properties:
            found[name[3:]] = False
            continue
        if name not in properties:
            raise ArgumentsError(script, {name: _unknown(name, properties)})
        kinds = _kinds(properties[name], schema)
        if "boolean" in kinds and not given and (not rest or rest[0].startswith("--")):
            found[name] = True
            continue
        if not given:
            if not rest:
                raise ArgumentsError(script, {name: "expected a value after the option"})
            value = rest.pop(0)
        if "array" in kinds and not (value == "null" and "null" in kinds):
            found.setdefault(name, []).extend(_items(value, properties[name], schema))
        else:
            found[name] = _value(value, kinds)
    return found


def usage(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every option of a script and what it is for."""
    required = set(schema.get("required", ()))
    lines = []
    for name, about in schema.get("properties", {}).items():
        kinds = "|".join(_choices(about, schema) or sorted(_kinds(about, schema))) or "value"
        note = "required" if name in required else f"default {json.dumps(about.get('default'))}"
        lines.append((f"--{name.replace('_', '-')} {kinds}", f"{about.get('description', '')} ({note})".strip()))
    return lines


def _choices(about: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """The values of which a property takes one; none when it takes others."""
    values = _resolved(about, schema).get("enum", [])
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _items(text: str, about: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Any]:
    """The items of a JSON list, or the one item that a text is."""
    listed = _value(text, {"array"})
    return listed if isinstance(listed, list) else [_value(text, _kinds_of_items(about, schema))]


def _value(text: str, kinds: set[str]) -> Any:
    """Text as it is, for the parameter's own type to read; JSON where the schema wants an object, list or null."""
    if "string" not in kinds or (text == "null" and "null" in kinds):
        try:
            return json.loads(text, parse_constant=_no_json)
        except ValueError:
            return text
    return text


def _no_json(constant: str) -> Any:
    """NaN and the infinities, which Python's JSON takes and nobody else's does."""
    raise ValueError(constant)


def _kinds(about: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property takes."""
    about = _resolved(about, schema)
    if "enum" in about:
        return {"string"} if all(isinstance(each, str) for each in about["enum"]) else set()
    kinds = about.get("type", [])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found.union(*(_kinds(each, schema) for each in _alternatives(about)))


def _kinds_of_items(about: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that the items of a list take."""
    about = _resolved(about, schema)
    found = _kinds(about["items"], schema) if "items" in about else set()
    return found.union(*(_kinds_of_items(each, schema) for each in _alternatives(about)))


def _resolved(about: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = about
    if "$ref" in about:
        found = schema.get("$defs", {}).get(about["$ref"].rpartition("/")[2], {})
    return found


def _alternatives(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*about.get("anyOf", ()), *about.get("allOf", ()), *about.get("oneOf", ())]


def _unknown(name: str, properties: Mapping[str, Any]) -> str:
    near = get_close_matches(name, properties, 1)
    return "expected the name of a parameter" + (f"; did you mean {near[0]!r}?" if near else "")
