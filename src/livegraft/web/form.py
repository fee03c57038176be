"""The run form: JSON Schema -> fields on a page, and what a browser sends back -> arguments.

Only what the form must know is read from the schema; whether the arguments fit is decided by
the script's parameters, whose problems are then shown beside the fields.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from livegraft.header_values import short_duration
from livegraft.offers import Offer
from livegraft.uploads import FILE_FORMAT, SIZE_LIMIT

LONG_TEXT: Final = 200
"""Strings that may be longer than this get several lines."""

SHORT_JSON: Final = 60
"""Characters: JSON that is longer gets a line for each value."""

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
    CHOICES = "choices"
    FILE = "file"
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
class SentFile:
    """A file that a browser sent; ``data`` is None when it is larger than is taken."""

    name: str
    data: bytes | None


Sent = Mapping[str, Sequence[str | SentFile]]
"""What a browser sent: a name has several values where several can be chosen."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter on the page. ``shown`` is the control's content; a checkbox has ``"true"`` or ``""``.

    Of choices ``chosen`` are the values, as JSON texts; of a file ``shown`` is the reference of the one that was sent
    before, and ``file_name`` its name. What ``is_secret`` is never shown, whatever its kind. ``remark`` says what is
    wrong with the choices that the script offers.

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
    is_secret: bool = False
    chosen: tuple[str, ...] = ()
    file_name: str = ""
    remark: str = ""

    @property
    def must_be_filled(self) -> bool:
        """Whether the browser should insist on an input. A checkbox always has one, and of choices none is one too."""
        has_one = self.kind in (Kind.CHECKBOX, Kind.CHOICES) or bool(self.file_name)
        return self.required and not self.nullable and not has_one


@dataclass(frozen=True, slots=True)
class Form:
    """All fields of one script, in the order of its signature. ``problem`` belongs to no single field."""

    fields: tuple[Field, ...]
    problem: str = ""

    @classmethod
    def of(
        cls,
        schema: Mapping[str, Any],
        arguments: Mapping[str, Any] | None = None,
        offers: Mapping[str, Offer] = MappingProxyType({}),
    ) -> Form:
        """The form of a schema, filled with ``arguments`` (of an earlier run), else with the defaults.

        ``offers`` are the choices that the script has at the moment, by parameter.
        """
        given = arguments or {}
        required = frozenset(schema.get("required", ()))
        definitions = schema.get("$defs", {})
        fields = [
            _offered(_field(name, _resolved(part, definitions), name in required, definitions), offers.get(name))
            for name, part in schema.get("properties", {}).items()
        ]
        return cls(tuple(_filled(field, given[field.name]) if field.name in given else field for field in fields))

    def submitted(self, sent: Sent) -> Submission:
        """Read what a browser sent."""
        arguments: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for field in self.fields:
            try:
                _read(field, sent.get(field.name, ()), arguments)
            except ValueError as error:
                problems[field.name] = str(error)
        shown = tuple(_as_sent(field, sent.get(field.name, ())) for field in self.fields)
        return Submission(Form(shown), arguments, problems)

    def told(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What of some arguments has to be said: neither the defaults, which apply by themselves, nor secrets."""
        fields = {field.name: field for field in self.fields}
        return {
            name: value
            for name, value in arguments.items()
            if (field := fields.get(name)) is not None
            and not field.is_secret
            and not (field.has_default and field.default == value)
        }

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


def _field(name: str, schema: dict[str, Any], required: bool, definitions: Mapping[str, Any]) -> Field:
    shape, nullable = _without_null(schema)
    if shape.get("type") == "boolean" and nullable:
        shape = {"enum": [True, False]}
    items = _items(shape, definitions)
    kind = Kind.CHOICES if items else _kind(shape, schema.get("default"))
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
        is_secret=bool(schema.get("writeOnly")),
    )
    if kind is Kind.CHOICES:
        field = replace(field, options=tuple(Option(_label(value), json.dumps(value)) for value in items))
    if kind is Kind.SELECT:
        field = replace(field, options=_options(field, shape))
    return _filled(field, field.default) if field.has_default else field


def _items(shape: Mapping[str, Any], definitions: Mapping[str, Any]) -> Sequence[Any]:
    """The values of which a list may have several; none when its items are free."""
    items = shape.get("items")
    if shape.get("type") != "array" or not isinstance(items, dict):
        return ()
    items = definitions.get(str(items.get("$ref", "")).rsplit("/", 1)[-1], items)
    return tuple(items.get("enum", [items["const"]] if "const" in items else ()))


def _offered(field: Field, offer: Offer | None) -> Field:
    """The field with the choices that the script offers at the moment; what it has already stays among them."""
    if offer is None:
        return field
    if offer.problem:
        return replace(field, remark=offer.problem)
    if field.kind is Kind.JSON:
        options = tuple(Option(choice.label, json.dumps(choice.value)) for choice in offer.choices)
        return _filled(replace(field, kind=Kind.CHOICES, options=options), field.default or [])
    values = [choice.value for choice in offer.choices]
    field = replace(field, kind=Kind.SELECT)
    options = _options(field, {"enum": values})
    labels = {json.dumps(choice.value): choice.label for choice in offer.choices}
    named = tuple(replace(each, label=labels.get(each.sent, each.label)) for each in options)
    field = replace(field, options=named)
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
    if shape.get("format") == FILE_FORMAT:
        return Kind.FILE
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
    if field.is_secret:
        return field
    if field.kind is Kind.CHOICES:
        chosen = tuple(json.dumps(each) for each in value) if isinstance(value, list) else ()
        return replace(_with_options(field, chosen), chosen=chosen)
    if field.kind is Kind.FILE:
        return _with_file(field, value)
    shown = _shown(field.kind, value)
    return replace(_with_options(field, (shown,)) if field.kind is Kind.SELECT else field, shown=shown)


def _with_options(field: Field, sent: Sequence[str]) -> Field:
    """The field with these among its options: one that was chosen once may not be offered any more."""
    known = {option.sent for option in field.options}
    missing = tuple(Option(_label(json.loads(each)), each) for each in sent if each not in known)
    return replace(field, options=field.options + missing) if missing else field


def _with_file(field: Field, value: Any) -> Field:
    """The field with the file that was sent for an earlier run."""
    match value:
        case {"name": str(name), "upload": str()}:
            return replace(field, shown=json.dumps(value), file_name=name)
    return field


def _as_sent(field: Field, sent: Sequence[str | SentFile]) -> Field:
    """The field as it was filled in; secrets and files have to be given again."""
    texts = [each for each in sent if isinstance(each, str)]
    if field.is_secret:
        return field
    if field.kind is Kind.CHOICES:
        return replace(field, chosen=tuple(texts))
    if field.kind is Kind.FILE:
        return _with_file(field, _json_or_none(texts[0])) if texts else field
    return replace(field, shown=texts[0] if texts else EMPTY)


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


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
            return _written(value)
        case Kind.DATETIME:
            return str(value).removesuffix("Z").partition("+")[0]
        case Kind.DURATION:
            return short_duration(str(value))
    return str(value)


def _written(value: Any) -> str:
    """JSON on one line where it is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= SHORT_JSON else json.dumps(value, indent=2, ensure_ascii=False)


def _read(field: Field, sent: Sequence[str | SentFile], arguments: dict[str, Any]) -> None:
    """Put one field's argument into ``arguments``; nothing when the script's default is to apply.

    Raises ValueError with what is wrong when the text cannot be read.
    """
    texts = [each for each in sent if isinstance(each, str)]
    text = texts[0] if texts else EMPTY
    if field.kind is Kind.CHOICES:
        if texts or not field.nullable or field.chosen:
            arguments[field.name] = [_json(each) for each in texts]
    elif field.kind is Kind.FILE and (file := _chosen_file(sent)) is not None:
        arguments[field.name] = file
    elif field.kind is Kind.CHECKBOX:
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
        case Kind.SELECT | Kind.JSON | Kind.FILE:
            return _json(text)
        case Kind.DATETIME:
            return text + "Z" if field.zoned else text
        case Kind.LONG_TEXT:
            return text.replace("\r\n", "\n")
    return text


def _chosen_file(sent: Sequence[str | SentFile]) -> dict[str, str] | None:
    for each in sent:
        if isinstance(each, SentFile) and each.name:
            if each.data is None:
                raise ValueError(f"expected a file of at most {SIZE_LIMIT} bytes")
            return {"name": each.name, "content": base64.b64encode(each.data).decode()}
    return None


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
