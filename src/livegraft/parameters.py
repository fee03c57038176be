"""What a script's ``run`` is given: people's arguments, checked by its signature, and the host's resources.

A parameter whose name the host provides, or whose type exactly one provided object has, is a
resource: it is filled in and does not show. All others are described by pydantic. A parameter
without annotation takes the type of its default when that is a plain one (``limit=10`` is an
``int``), and any JSON value otherwise.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from livegraft.errors import ArgumentsError, LoadError
from livegraft.offers import Choices
from livegraft.uploads import FILE_FORMAT

SHOWN_VALUE_LIMIT: Final = 80
"""Characters of a wrong value that an error message repeats."""

SECRET_MASK: Final = "*" * 10
"""Stands in the history for an argument that is a secret."""

_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_DURATION_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ParametersError(LoadError):
    """A parameter of ``run`` cannot be described to people, and nothing provides it: the version does not load."""

    code = "parameters"


class Resources:
    """The host's live objects by name, as scripts may ask for them."""

    def __init__(self, provide: Mapping[str, object] | None = None) -> None:
        self._provided = dict(provide or {})

    def __contains__(self, name: str) -> bool:
        return name in self._provided

    def __getitem__(self, name: str) -> object:
        return self._provided[name]

    def of_type(self, annotation: object) -> list[str]:
        """Names of all objects of the annotated class; an optional one (``Engine | None``) counts as its class.

        Built-in types and what people type in (``str``, ``date`` ...) never ask for a resource.
        """
        wanted = _without_none(annotation)
        if not isinstance(wanted, type) or wanted.__module__ == "builtins" or wanted in _PLAIN_TYPES:
            return []
        return [name for name, value in self._provided.items() if _is_instance(value, wanted)]

    def __str__(self) -> str:
        return ", ".join(f"{name} ({type(value).__qualname__})" for name, value in self._provided.items()) or "nothing"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that people fill in.

    A secret one, or one with a secret in it, is kept nowhere as a whole. ``source`` gives the choices of the script.
    """

    name: str
    adapter: TypeAdapter[Any]
    default: object
    description: str
    is_secret: bool = False
    has_file: bool = False
    is_plain: bool = False
    source: Callable[[], Any] | None = None

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


class Parameters:
    """The parameters of one version's ``run``: their JSON Schema, and arguments made from what people give."""

    __slots__ = ("_asked", "_resources", "_schema", "_script")

    def __init__(self, function: Callable[..., Any], *, script: str, resources: Resources) -> None:
        """Read the signature of ``run``. Raises ParametersError."""
        self._script = script
        self._asked: Mapping[str, Parameter]
        self._resources: Mapping[str, object]
        self._asked, self._resources = _Reader(function, script, resources).parameters()
        self._schema: dict[str, Any] | None = None

    @property
    def provided(self) -> Collection[str]:
        """The parameters that the host fills in."""
        return self._resources.keys()

    @property
    def names(self) -> Collection[str]:
        """Every parameter of ``run``, those that the host provides too."""
        return {*self._asked, *self._resources}

    @property
    def secrets(self) -> Collection[str]:
        """The parameters whose arguments are never kept or shown."""
        return {name for name, parameter in self._asked.items() if parameter.is_secret}

    @property
    def files(self) -> frozenset[str]:
        """The parameters that are files or have files in them."""
        return frozenset(name for name, parameter in self._asked.items() if parameter.has_file)

    @property
    def sources(self) -> Mapping[str, Callable[[], Any]]:
        """What to call for the choices of the parameters that have such."""
        return {name: parameter.source for name, parameter in self._asked.items() if parameter.source is not None}

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of what people give: an object whose properties are the parameters."""
        if self._schema is None:
            self._schema = _schema(self._asked)
        return self._schema

    def bind(self, arguments: Mapping[str, Any], *, uploads: Path | None = None) -> dict[str, Any]:
        """Python values by parameter name, resources included.

        Takes Python values, JSON values, and the strings that a form or a command line gives; files by their names in
        the folder ``uploads``. Raises ArgumentsError with every problem at once.
        """
        problems = {name: self._unknown(name) for name in arguments if name not in self._asked}
        bound: dict[str, Any] = dict(self._resources)
        for name, parameter in self._asked.items():
            if name in arguments and parameter.is_secret and arguments[name] == SECRET_MASK:
                problems[name] = "is a secret, which is not kept: please give it again"
            elif name in arguments:
                try:
                    bound[name] = _validate(parameter.adapter, arguments[name], {"uploads": uploads})
                except ValidationError as error:
                    problems.update(_secret_problems(name, error) if parameter.is_secret else _problems(name, error))
                except Exception as error:  # noqa: BLE001 - validators are the script's code and may raise anything
                    problems[name] = type(error).__qualname__ + ("" if parameter.is_secret else f": {error}")
            elif parameter.required:
                problems[name] = "expected a value, got: none"
            else:
                bound[name] = parameter.default
        if problems:
            raise ArgumentsError(self._script, problems)
        return bound

    def _unknown(self, name: str) -> str:
        if name in self._resources:
            return "is provided by the host, please leave it out"
        near = get_close_matches(name, self._asked, n=1)
        return "expected the name of a parameter" + (f"; did you mean {near[0]!r}?" if near else "")


class _Reader:
    """Reads the parameters of one function."""

    def __init__(self, function: Callable[..., Any], script: str, resources: Resources) -> None:
        self._function = function
        self._script = script
        self._resources = resources

    def parameters(self) -> tuple[dict[str, Parameter], dict[str, object]]:
        """What people fill in, and the host's objects that fill in the rest. Raises ParametersError."""
        function = self._function
        plain = inspect.unwrap(function)
        self._globals: dict[str, Any] = getattr(plain, "__globals__", {})
        self._line: int = getattr(getattr(plain, "__code__", None), "co_firstlineno", 0)
        self._docstring = inspect.getdoc(function) or ""
        asked: dict[str, Parameter] = {}
        provided: dict[str, object] = {}
        for parameter in inspect.signature(function).parameters.values():
            resource = self.resource(parameter)
            if resource is not None:
                provided[parameter.name] = self._resources[resource]
            else:
                asked[parameter.name] = self.read(parameter)
        return asked, provided

    def resource(self, parameter: inspect.Parameter) -> str | None:
        """The name of the provided object that fills this parameter in."""
        if parameter.name in self._resources:
            return parameter.name
        matches = self._resources.of_type(self._annotation(parameter))
        if len(matches) > 1:
            raise self._error(parameter, f"fits more than one resource: {' and '.join(matches)}; name it after one")
        return matches[0] if matches else None

    def read(self, parameter: inspect.Parameter) -> Parameter:
        """The parameter as people fill it in."""
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise self._error(parameter, f"expected to be passed by keyword, got: {parameter.kind.description}")
        if type(parameter.default).__module__ == "pydantic.fields":
            raise self._error(parameter, "expected a plain default, got: Field(...); write Annotated[TYPE, Field(...)]")
        annotation = self._annotation(parameter)
        name, default = parameter.name, parameter.default
        if _is_plain(annotation):
            return Parameter(name, _plain_adapter(annotation), default, self._description(name), is_plain=True)
        adapter, schema = self._described(parameter, annotation)
        return Parameter(
            name,
            adapter,
            default,
            self._description(name),
            is_secret=_has_format(schema, "password"),
            has_file=_has_format(schema, FILE_FORMAT),
            source=self._source(parameter, annotation),
        )

    def _source(self, parameter: inspect.Parameter, annotation: Any) -> Callable[[], Any] | None:
        """What to call for the choices of a parameter, if its annotation names that."""
        found = _choices_in(annotation)
        if found is None:
            return None
        function = self._globals.get(found.source) if isinstance(found.source, str) else found.source
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise self._error(parameter, f"expected choices() to name a function of this file, got: {found.source!r}")
        return partial(_called, function, self._script, self._resources)

    def _annotation(self, parameter: inspect.Parameter) -> Any:
        if parameter.annotation is inspect.Parameter.empty:
            return type(parameter.default) if type(parameter.default) in _PLAIN_TYPES else Any
        holder = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        try:
            hints = typing.get_type_hints(holder, globalns=self._globals, include_extras=True)
        except Exception as error:  # noqa: BLE001 - an annotation is any expression of the script
            problem = f"{type(error).__qualname__}: {error}"
        else:
            return hints[parameter.name]
        raise self._error(parameter, f"has an annotation that cannot be evaluated: {problem}")

    def _described(self, parameter: inspect.Parameter, annotation: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
        """How pydantic takes a value of this type, and its schema."""
        # Classes describe themselves to pydantic by code of their own, which may raise anything.
        with contextlib.suppress(Exception):
            adapter = TypeAdapter(annotation)
            return adapter, adapter.json_schema()
        # Raised out here: an error is kept with its version, and the one from pydantic would hold the version's code.
        what = getattr(annotation, "__qualname__", annotation)
        reason = f"expected a type that people can fill in or that the host provides, got: {what}"
        raise self._error(parameter, f"{reason}; provided: {self._resources}")

    def _description(self, name: str) -> str:
        """The text of a docstring's line ``name: text``."""
        found = re.search(rf"^\s*{re.escape(name)}\s*:\s+(\S.*)$", self._docstring, re.MULTILINE)
        return found[1].strip() if found else ""

    def _error(self, parameter: inspect.Parameter, reason: str) -> ParametersError:
        return ParametersError(f"{self._script}.py", self._line, f"parameter {parameter.name!r} {reason}")


def _read_duration(value: object) -> object:
    """``90s``, ``3h`` and ``2h30m`` beside what pydantic reads (ISO 8601, ``HH:MM:SS``, seconds)."""
    if not isinstance(value, str) or _DURATION_PART.sub("", value).strip() or not value.strip():
        return value
    parts = (timedelta(**{_DURATION_UNITS[unit]: float(count)}) for count, unit in _DURATION_PART.findall(value))
    return sum(parts, timedelta())


_Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
_PLAIN_TYPES: Final = frozenset({str, int, float, bool, date, datetime, time, timedelta, Decimal, UUID})
_PLAIN: Final = frozenset({Any, *_PLAIN_TYPES, *(plain | None for plain in _PLAIN_TYPES)})


def is_plainly_fine(function: Callable[..., Any], resources: Resources) -> bool:
    """Whether reading a signature cannot fail: plain types throughout, nothing that the host provides.

    Then it is read when somebody asks: thousands load, few are looked at.
    """
    if type(function) is not types.FunctionType or function.__dict__:  # it may be wrapped, or tell another signature
        return False
    code = function.__code__
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS) or code.co_posonlyargcount:
        return False
    annotations = function.__annotations__
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        annotation = annotations.get(name, Any)
        if isinstance(annotation, str):
            annotation = function.__globals__.get(annotation, getattr(builtins, annotation, None))
        if name in resources or not _is_plain(annotation):
            return False
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return all(type(default).__module__ == "builtins" for default in defaults)


def _is_plain(annotation: Any) -> bool:
    try:
        return annotation in _PLAIN
    except TypeError:  # unhashable metadata in an Annotated
        return False


@cache
def _plain_adapter(annotation: Any) -> TypeAdapter[Any]:
    """An adapter shared by all scripts: only for the types of ``_PLAIN``, so that no version is kept alive by it."""
    if annotation == timedelta:
        return TypeAdapter(_Duration)
    if annotation == timedelta | None:
        return TypeAdapter(_Duration | None)
    return TypeAdapter(annotation)


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return members[0] if len(members) == 1 else None
    return annotation


def _is_instance(value: object, wanted: type) -> bool:
    try:
        return isinstance(value, wanted)
    except TypeError:  # a Protocol that cannot be checked at run time
        return False


def _validate(adapter: TypeAdapter[Any], value: Any, context: Mapping[str, Any]) -> Any:
    try:
        return adapter.validate_python(value, context=context)
    except ValidationError:
        # A list or an object from a command line or a form is JSON text.
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            return adapter.validate_json(value, context=context)
        raise


def _problems(name: str, error: ValidationError) -> dict[str, str]:
    """One entry for each wrong value, dotted for nested ones: ``{"order.lines.0": "input should be ..."}``."""
    problems = {}
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in (name, *fault["loc"]))
        said = fault["msg"].removeprefix("Value error, ")  # a validator of the script's own says all of it
        message = said[:1].lower() + said[1:]
        problems[place] = f"{message}, got: {_shown(fault['input'])}"
    return problems


def _secret_problems(name: str, error: ValidationError) -> dict[str, str]:
    """What is wrong with a secret, without a word of it: what validators of scripts say may repeat it."""
    kinds = {fault["type"].replace("_", " ") for fault in error.errors(include_url=False, include_context=False)}
    return {name: f"is not taken: {', '.join(sorted(kinds))}"}


def _has_format(schema: object, wanted: str) -> bool:
    """Whether a schema, or one in it, is of a format."""
    if isinstance(schema, dict):
        return schema.get("format") == wanted or any(_has_format(each, wanted) for each in schema.values())
    return isinstance(schema, list) and any(_has_format(each, wanted) for each in schema)


def _called(function: Callable[..., Any], script: str, resources: Resources) -> Any:
    """What a function of a script returns when it is given what the host provides, and defaults."""
    return function(**Parameters(function, script=script, resources=resources).bind({}))


def _choices_in(annotation: Any) -> Choices | None:
    """The choices that an annotation names, for itself or for the items of its list."""
    parts = (*getattr(annotation, "__metadata__", ()), *typing.get_args(annotation))
    for part in parts:
        found = part if isinstance(part, Choices) else _choices_in(part)
        if found is not None:
            return found
    return None


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value of the host may have any __repr__
        text = f"<{type(value).__qualname__}>"
    return text if len(text) <= SHOWN_VALUE_LIMIT else text[:SHOWN_VALUE_LIMIT] + "…"


def _schema(asked: Mapping[str, Parameter]) -> dict[str, Any]:
    special = [(name, "validation", parameter.adapter) for name, parameter in asked.items() if not parameter.is_plain]
    found: Mapping[Any, Any] = {}
    common: Mapping[str, Any] = {}
    if special:
        found, common = TypeAdapter.json_schemas(special)  # type: ignore[arg-type] # a list of three-tuples, as asked
    properties = {
        name: _property(
            parameter, _plain_schema(parameter.adapter) if parameter.is_plain else found[name, "validation"]
        )
        for name, parameter in asked.items()
    }
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    schema["required"] = [name for name, parameter in asked.items() if parameter.required]
    return schema | {"$defs": common["$defs"]} if "$defs" in common else schema


@cache
def _plain_schema(adapter: TypeAdapter[Any]) -> Mapping[str, Any]:
    """Pydantic takes most of a millisecond for each."""
    return adapter.json_schema()


def _property(parameter: Parameter, described: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(described)
    if parameter.is_secret:
        shown["writeOnly"] = True
        shown.pop("default", None)
    elif not parameter.required:
        try:
            shown["default"] = to_jsonable_python(parameter.default, inf_nan_mode="null")
        except Exception:  # noqa: BLE001 - a default that is no JSON is used all the same, and not shown
            shown.pop("default", None)
    if parameter.description:
        shown.setdefault("description", parameter.description)
    return shown
