"""``--older-than 3h --dry-run``: options of the command line as a script's arguments, by its JSON Schema."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from getpass import getpass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from livegraft.errors import ArgumentsError
from livegraft.header_values import short_duration
from livegraft.uploads import FILE_FORMAT

SHOWN_OFFERS = 20


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
        if properties[name].get("writeOnly") and value == "-":
            value = getpass(f"{name}: ")
        if _is_file(properties[name], schema):
            found[name] = _file(script, name, value)
        elif "array" in kinds and not (value == "null" and "null" in kinds):
            found.setdefault(name, []).extend(_items(value, properties[name], schema))
        else:
            found[name] = _value(value, kinds)
    return found


def usage(
    schema: Mapping[str, Any], offers: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> list[tuple[str, str]]:
    """Every option of a script and what it is for; ``offers`` are its choices of the moment, as the API tells them."""
    required = set(schema.get("required", ()))
    lines = []
    for name, about in schema.get("properties", {}).items():
        notes = [*_notes(about, schema), *_offer_notes(offers.get(name))]
        if name in required:
            notes.append("required")
        elif "default" in about:
            notes.append(f"default {_default(about)}")
        described = about.get("description", "")
        lines.append(
            (f"--{name.replace('_', '-')} {_form(about, schema)}", f"{described} ({'; '.join(notes)})".strip())
        )
    return [(option, about.removesuffix("()").strip()) for option, about in lines]


def _default(about: Mapping[str, Any]) -> str:
    value = about["default"]
    if about.get("format") == "duration":
        return short_duration(str(value))
    return json.dumps(value, ensure_ascii=False)


def _form(about: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value looks like, in a word."""
    if _is_file(about, schema):
        return "FILE"
    if about.get("writeOnly"):
        return "SECRET"
    several = _choices_of_items(about, schema)
    return "|".join(_choices(about, schema) or several or sorted(_kinds(about, schema))) or "value"


def _notes(about: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    notes = ["- asks for it"] if about.get("writeOnly") else []
    if "array" in _kinds(about, schema):
        notes.append("may be repeated")
    parts = [_resolved(about, schema), *(_resolved(each, schema) for each in _alternatives(about))]
    for part in parts:
        notes += [f"{word} {part[key]:g}" for key, word in _BOUNDS.items() if isinstance(part.get(key), int | float)]
        if part.get("format") in _FORMATS:
            notes.append(_FORMATS[part["format"]])
    return notes


_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
_FORMATS = {
    "date": "like 2026-01-31",
    "date-time": "like 2026-01-31T10:00Z",
    "time": "like 10:00",
    "duration": "like 2h30m",
}


def _offer_notes(offer: Mapping[str, Any] | None) -> list[str]:
    if offer is None:
        return []
    if offer["problem"]:
        return [offer["problem"]]
    values = [
        each["value"] if isinstance(each["value"], str) else json.dumps(each["value"]) for each in offer["values"]
    ]
    return [f"now one of {', '.join(values[:SHOWN_OFFERS])}{' ...' if len(values) > SHOWN_OFFERS else ''}"]


def _is_file(about: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    parts = (about, *_alternatives(about))
    return any(_resolved(each, schema).get("format") == FILE_FORMAT for each in parts)


def _file(script: str, name: str, path: str) -> dict[str, str]:
    """A file of this machine as an argument."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ArgumentsError(
            script, {name: f"expected a file that can be read, got: {path!r}: {error.strerror}"}
        ) from None
    return {"name": Path(path).name, "content": base64.b64encode(content).decode()}


def _choices_of_items(about: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    about = _resolved(about, schema)
    return _choices(about["items"], schema) if isinstance(about.get("items"), dict) else []


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
