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
        _add(found, name, _value(value, kinds), "array" in kinds)
    return found


def usage(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every option of a script and what it is for."""
    required = set(schema.get("required", ()))
    lines = []
    for name, about in schema.get("properties", {}).items():
        kinds = "|".join(sorted(_kinds(about, schema))) or "value"
        note = "required" if name in required else f"default {json.dumps(about.get('default'))}"
        lines.append((f"--{name.replace('_', '-')} {kinds}", f"{about.get('description', '')} ({note})".strip()))
    return lines


def _add(found: dict[str, Any], name: str, value: Any, is_list: bool) -> None:
    if not is_list:
        found[name] = value
    else:
        found.setdefault(name, []).extend(value if isinstance(value, list) else [value])


def _value(text: str, kinds: set[str]) -> Any:
    """Text as it is, for the parameter's own type to read; JSON where the schema wants an object, list or null."""
    if "string" not in kinds or (text == "null" and "null" in kinds):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _kinds(about: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property takes."""
    if "$ref" in about:
        about = schema.get("$defs", {}).get(about["$ref"].rpartition("/")[2], {})
    if "enum" in about:
        return {"string"} if all(isinstance(each, str) for each in about["enum"]) else set()
    kinds = about.get("type", [])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    for each in (*about.get("anyOf", ()), *about.get("allOf", ()), *about.get("oneOf", ())):
        found |= _kinds(each, schema)
    return found


def _unknown(name: str, properties: Mapping[str, Any]) -> str:
    near = get_close_matches(name, properties, 1)
    return "expected the name of a parameter" + (f"; did you mean {near[0]!r}?" if near else "")
