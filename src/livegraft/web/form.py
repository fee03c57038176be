"""The run form: JSON Schema -> fields on a page, and what a browser sends back -> arguments.

Only what the form must know is read from the schema; whether the arguments fit is decided by
the script's parameters, whose problems are then shown beside the fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

LONG_TEXT: Final = 200
"""Strings that may be longer than this get several lines."""

EMPTY: Final = ""


class Kind(StrEnum):
    """How a field is shown. ``json`` is the way out for everything that has no control of its own."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - the name of a kind of field
    LONG_TEXT = "long text"
    INTEGER = "integer"
    NUMBER = "number"
    CHECKBOX = "checkbox"
    SELECT = "select"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    DURATION = "duration"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a select: what people read, and the JSON text that is sent."""

    label: str
    sent: str


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter on the page. ``shown`` is the control's content; a checkbox has ``"true"`` or ``""``.

    ``has_default`` and ``default`` say what the script uses when the field is left out;
    ``zoned`` is False for a date and time that the script takes without a zone.
    """

    name: str
    kind: Kind
    required: bool
    nullable: bool
    help: str = ""
    shown: str = EMPTY
    problem: str = ""
    has_default: bool = False
    default: Any = None
    options: tuple[Option, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    zoned: bool = True
    example: str = ""

    @property
    def must_be_filled(self) -> bool:
        """Whether the browser should insist on an input. A checkbox always has one."""
        return self.required and not self.nullable and self.kind is not Kind.CHECKBOX


@dataclass(frozen=True, slots=True)
class Form:
    """All fields of one script, in the order of its signature. ``problem`` belongs to no single field."""

    fields: tuple[Field, ...]
    problem: str = ""

    @classmethod
    def of(cls, schema: Mapping[str, Any], arguments: Mapping[str, Any] | None = None) -> Form:
        """The form of a schema, filled with ``arguments`` (of an earlier run), else with the defaults."""
        given = arguments or {}
        required = frozenset(schema.get("required", ()))
        definitions = schema.get("$defs", {})
        fields = [
            _field(name, _resolved(part, definitions), name in required)
            for name, part in schema.get("properties", {}).items()
        ]
        return cls(tuple(_filled(field, given[field.name]) if field.name in given else field for field in fields))

    def submitted(self, sent: Mapping[str, str]) -> Submission:
        """Read what a browser sent."""
        arguments: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for field in self.fields:
            try:
                _read(field, sent.get(field.name, EMPTY), arguments)
            except ValueError as error:
                problems[field.name] = str(error)
        shown = tuple(replace(field, shown=sent.get(field.name, EMPTY)) for field in self.fields)
        return Submission(Form(shown), arguments, problems)

    def with_problems(self, problems: Mapping[str, str]) -> Form:
        """The same form with each problem beside its field; what has no field stands above the form."""
        by_field: dict[str, list[str]] = {field.name: [] for field in self.fields}
        others: list[str] = []
        for name, problem in problems.items():
            field_name, _, inside = name.partition(".")
            text = f"{inside}: {problem}" if inside else problem
            by_field.get(field_name, others).append(text if field_name in by_field else f"{name}: {problem}")
        fields = tuple(replace(field, problem="; ".join(by_field[field.name])) for field in self.fields)
        return Form(fields, "; ".join(others))


@dataclass(frozen=True, slots=True)
class Submission:
    """What came back: the form as filled, the arguments read from it, and what could not be read."""

    form: Form
    arguments: Mapping[str, Any]
    problems: Mapping[str, str]


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with references replaced by what they name; what stands beside a reference wins."""
    part = dict(schema)
    while reference := part.pop("$ref", None) or _only(part.pop("allOf", ())).get("$ref"):
        part = {**definitions.get(str(reference).rsplit("/", 1)[-1], {}), **part}
    return part | {
        key: [_resolved(each, definitions) for each in part[key]] for key in ("anyOf", "oneOf") if key in part
    }


def _only(parts: Any) -> Mapping[str, Any]:
    return parts[0] if len(parts) == 1 else {}


def _field(name: str, schema: dict[str, Any], required: bool) -> Field:
    shape, nullable = _without_null(schema)
    if shape.get("type") == "boolean" and nullable:
        shape = {"enum": [True, False]}
    kind = _kind(shape, schema.get("default"))
    field = Field(
        name=name,
        kind=kind,
        required=required,
        nullable=nullable,
        help=str(schema.get("description") or shape.get("description") or ""),
        has_default="default" in schema,
        default=schema.get("default"),
        minimum=_minimum(shape, kind),
        maximum=_maximum(shape, kind),
        min_length=shape.get("minLength"),
        max_length=shape.get("maxLength"),
        pattern=str(shape.get("pattern", "")) if kind is Kind.TEXT else "",
        zoned=not (kind is Kind.DATETIME and _is_naive(schema.get("default"))),
        example=_example(schema, shape, kind),
    )
    if kind is Kind.SELECT:
        field = replace(field, options=_options(field, shape))
    return _filled(field, field.default) if field.has_default else field


def _without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of what is given when it is not null, and whether null is allowed."""
    variants = schema.get("anyOf") or schema.get("oneOf")
    if not variants:
        return schema, schema.get("type") == "null"
    others = [variant for variant in variants if variant.get("type") != "null"]
    nullable = len(others) < len(variants)
    if len(others) == 1:
        return others[0], nullable
    types = {variant.get("type") for variant in others}
    # A decimal number comes as "number or string"; text keeps all of its digits.
    return ({"type": "string"} if types == {"number", "string"} else {}), nullable


_FORMATS: Final = {
    "date": Kind.DATE,
    "date-time": Kind.DATETIME,
    "time": Kind.TIME,
    "duration": Kind.DURATION,
    "password": Kind.SECRET,
    "multiline": Kind.LONG_TEXT,
    "textarea": Kind.LONG_TEXT,
}
_TYPES: Final = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.CHECKBOX}


def _kind(shape: Mapping[str, Any], default: Any) -> Kind:
    if "enum" in shape or "const" in shape:
        return Kind.SELECT
    if shape.get("type") != "string":
        return _TYPES.get(str(shape.get("type")), Kind.JSON)
    if shape.get("format") in _FORMATS:
        return _FORMATS[shape["format"]]
    long = shape.get("maxLength", 0) > LONG_TEXT or "\n" in str(default)
    return Kind.LONG_TEXT if long else Kind.TEXT


def _minimum(shape: Mapping[str, Any], kind: Kind) -> int | float | None:
    if kind is Kind.INTEGER and "exclusiveMinimum" in shape:
        return _bound(shape["exclusiveMinimum"] + 1)
    return _bound(shape.get("minimum", shape.get("exclusiveMinimum")))


def _maximum(shape: Mapping[str, Any], kind: Kind) -> int | float | None:
    if kind is Kind.INTEGER and "exclusiveMaximum" in shape:
        return _bound(shape["exclusiveMaximum"] - 1)
    return _bound(shape.get("maximum", shape.get("exclusiveMaximum")))


def _bound(bound: int | float | None) -> int | float | None:
    """A bound without the zero that a whole number got on its way: people read it."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _example(schema: Mapping[str, Any], shape: Mapping[str, Any], kind: Kind) -> str:
    examples = schema.get("examples") or shape.get("examples")
    if examples:
        return _shown(kind, examples[0])
    return "2h30m" if kind is Kind.DURATION else ""


def _options(field: Field, shape: Mapping[str, Any]) -> tuple[Option, ...]:
    values = shape.get("enum", [shape["const"]] if "const" in shape else [])
    named = tuple(Option(_label(value), json.dumps(value)) for value in values)
    if field.nullable:
        return (Option("none", "null"), *named)
    if field.has_default:
        return named
    return (Option("choose one" if field.required else "as the script decides", EMPTY), *named)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)


def _filled(field: Field, value: Any) -> Field:
    return replace(field, shown=_shown(field.kind, value))


def _shown(kind: Kind, value: Any) -> str:
    """A JSON value as the control's content."""
    if kind is Kind.SELECT:
        return json.dumps(value)
    if value is None:
        return EMPTY
    match kind:
        case Kind.CHECKBOX:
            return "true" if value is True else EMPTY
        case Kind.JSON:
            return json.dumps(value, indent=2, ensure_ascii=False)
        case Kind.DATETIME:
            return str(value).removesuffix("Z").partition("+")[0]
        case Kind.DURATION:
            return _short_duration(str(value))
    return str(value)


_ISO_DURATION: Final = re.compile(r"P(\d+D)?(?:T(\d+H)?(\d+M)?([\d.]+S)?)?")


def _short_duration(text: str) -> str:
    """``PT2H30M`` as people write it, ``2h30m``; what is neither positive nor simple stays as it is."""
    found = _ISO_DURATION.fullmatch(text)
    return "".join(filter(None, found.groups())).lower() or text if found else text


def _read(field: Field, text: str, arguments: dict[str, Any]) -> None:
    """Put one field's argument into ``arguments``; nothing when the script's default is to apply.

    Raises ValueError with what is wrong when the text cannot be read.
    """
    if field.kind is Kind.CHECKBOX:
        arguments[field.name] = text == "true"
    elif text.strip() != EMPTY:
        arguments[field.name] = _value(field, text)
    elif field.nullable:
        arguments[field.name] = None
    elif _takes_empty_text(field):
        arguments[field.name] = EMPTY


def _takes_empty_text(field: Field) -> bool:
    """A text that has a default and was cleared means the empty text, not the default."""
    return field.kind in (Kind.TEXT, Kind.LONG_TEXT) and field.has_default and isinstance(field.default, str)


def _value(field: Field, text: str) -> Any:
    match field.kind:
        case Kind.INTEGER:
            return _number(text, int, "a whole number")
        case Kind.NUMBER:
            return _number(text, float, "a number")
        case Kind.SELECT | Kind.JSON:
            return _json(text)
        case Kind.DATETIME:
            return text + "Z" if field.zoned else text
        case Kind.LONG_TEXT:
            return text.replace("\r\n", "\n")
    return text


def _number(text: str, convert: type[int] | type[float], what: str) -> int | float:
    try:
        return convert(text)
    except ValueError:
        raise ValueError(f"expected {what}, got: {text!r}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON, got a fault at line {error.lineno}: {error.msg.lower()}") from None


def _is_naive(default: Any) -> bool:
    """Whether a default date and time has no zone: ``2026-01-31T10:00:00``."""
    if not isinstance(default, str) or "T" not in default:
        return False
    time_of_day = default.partition("T")[2]
    return not any(sign in time_of_day for sign in "Z+-")
