"""One callable to hand out for a live function: a route, a task, a callback that is registered once.

It is a plain function made from text, with the parameters of the live one, so that a call costs one frame and
no ``*args``. It reads through ``live`` at each call and holds nothing of a version but what it shows as its signature,
which is exchanged with the release.
"""

from __future__ import annotations

import inspect
import keyword
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, Signature
from types import CodeType, FunctionType
from typing import Any, Final

from livegraft.live import Live

Store = tuple[object, str, object]


class _Unset:
    """Stands for an argument that was not given: the default of the live function then counts, not one of before."""

    def __repr__(self) -> str:
        return "..."


_UNSET: Final = _Unset()
_LIVE, _NOT_GIVEN, _SOME_GIVEN = "_livegraft_live", "_livegraft_unset", "_livegraft_some"


@dataclass(frozen=True, slots=True)
class Look:
    """How a callable looks from outside: its parameters, what kind of function it is, its docstring."""

    signature: Signature
    kind: str
    doc: str | None

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Look:
        """Raises ValueError and TypeError for what has no signature.

        Annotations that are text are resolved where the function stands, if they can be.
        """
        signature = inspect.signature(function)
        plain = inspect.unwrap(function)
        try:
            hints = typing.get_type_hints(
                plain.__init__ if isinstance(plain, type) else plain,  # type: ignore[misc]
                include_extras=True,
            )
        except Exception:  # noqa: BLE001 - whatever evaluating somebody's annotations raises: they stay as they are
            hints = {}
        returned = signature.return_annotation
        if returned is not None and returned is not Signature.empty and not isinstance(plain, type):
            returned = hints.get("return", returned)
        parameters = [
            each.replace(annotation=hints.get(name, each.annotation)) for name, each in signature.parameters.items()
        ]
        signature = signature.replace(parameters=parameters, return_annotation=returned)
        kind = "plain"
        if inspect.iscoroutinefunction(function):
            kind = "async"
        elif inspect.isgeneratorfunction(function):
            kind = "generator"
        return cls(signature, kind, inspect.getdoc(plain) if not isinstance(plain, type) else plain.__doc__)

    def bare(self) -> Look:
        """The same, without objects of whoever wrote it."""
        parameters = [
            each.replace(annotation=Parameter.empty, default=Parameter.empty if _is_required(each) else _UNSET)
            for each in self.signature.parameters.values()
        ]
        return Look(Signature(parameters), self.kind, self.doc)


def hand_out(live: Live, module: str, attribute: str, look: Look) -> FunctionType:
    """A function that calls ``attribute`` of ``module`` in the release of the moment."""
    name = attribute.rpartition(".")[2]
    scope = {_LIVE: live, _NOT_GIVEN: _UNSET, _SOME_GIVEN: _call_with_some, "__name__": module}
    exec(_compiled(module, attribute, look), scope)  # noqa: S102 - text of ours: names and nothing else
    function = scope[name]
    assert isinstance(function, FunctionType)  # noqa: S101 - the text defines it
    function.__qualname__ = attribute
    for _, key, value in stores(function, module, attribute, look):
        setattr(function, key, value)
    return function


def stores(function: FunctionType, module: str, attribute: str, look: Look) -> Iterator[Store]:
    """What to set on a handed-out function so that it looks like this."""
    scope: dict[str, Any] = {_NOT_GIVEN: _UNSET}
    exec(_compiled(module, attribute, look), scope)  # noqa: S102 - as above
    like = scope[attribute.rpartition(".")[2]]
    parameters = look.signature.parameters.values()
    annotations = {each.name: each.annotation for each in parameters if each.annotation is not Parameter.empty}
    if look.signature.return_annotation is not Signature.empty:
        annotations["return"] = look.signature.return_annotation
    yield function, "__code__", like.__code__
    yield function, "__defaults__", like.__defaults__
    yield function, "__kwdefaults__", like.__kwdefaults__
    yield function, "__annotations__", annotations
    yield function, "__signature__", look.signature
    yield function, "__doc__", look.doc


def _compiled(module: str, attribute: str, look: Look) -> CodeType:
    file = f"<livegraft function {module.replace('.', '/')}:{attribute}>"
    return _compile("\n".join(_lines(module, attribute, look)), file)


@lru_cache(maxsize=512)
def _compile(text: str, file: str) -> CodeType:
    code: CodeType = compile(text, file, "exec", dont_inherit=True)
    return code


def _lines(module: str, attribute: str, look: Look) -> Iterator[str]:
    """The text of the function: all given, none of the optional ones given, or, seldom, some."""
    parameters = list(look.signature.parameters.values())
    optional = [each.name for each in parameters if not _is_required(each)]
    target = _LIVE
    for part in (*module.split("."), *attribute.split(".")):
        plain = part.isidentifier() and not keyword.iskeyword(part)
        target = f"{target}.{part}" if plain else f"getattr({target}, {part!r})"
    before, after = {"async": ("await ", ""), "generator": ("(yield from ", ")")}.get(look.kind, ("", ""))
    name = attribute.rpartition(".")[2]
    yield f"{'async ' if look.kind == 'async' else ''}def {name}({_declared(parameters)}):"
    if optional:
        yield f"    if {' and '.join(f'{each} is {_NOT_GIVEN}' for each in optional)}:"
        yield f"        return {before}{target}({_passed([p for p in parameters if _is_required(p)])}){after}"
    if len(optional) > 1:
        yield f"    if {' or '.join(f'{each} is {_NOT_GIVEN}' for each in optional)}:"
        yield f"        return {before}{_SOME_GIVEN}({target}, {_some(parameters)}){after}"
    yield f"    return {before}{target}({_passed(parameters)}){after}"


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty


def _declared(parameters: Sequence[Parameter]) -> str:
    bare = [
        each.replace(annotation=Parameter.empty, default=each.default if _is_required(each) else _Name(_NOT_GIVEN))
        for each in parameters
    ]
    return str(Signature(bare))[1:-1]


class _Name:
    """A default that is written as a name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


def _passed(parameters: Sequence[Parameter]) -> str:
    words: dict[Any, str] = {
        Parameter.VAR_POSITIONAL: "*{0}",
        Parameter.KEYWORD_ONLY: "{0}={0}",
        Parameter.VAR_KEYWORD: "**{0}",
    }
    return ", ".join(words.get(each.kind, "{0}").format(each.name) for each in parameters)


def _some(parameters: Sequence[Parameter]) -> str:
    by_kind: dict[Any, list[str]] = {}
    for each in parameters:
        by_kind.setdefault(each.kind, []).append(each.name)
    ordered = by_kind.get(Parameter.POSITIONAL_ONLY, []) + by_kind.get(Parameter.POSITIONAL_OR_KEYWORD, [])
    positional = "".join(f"({name!r}, {name}), " for name in ordered)
    [extra] = by_kind.get(Parameter.VAR_POSITIONAL, ["()"])
    named = [f"{name!r}: {name}" for name in by_kind.get(Parameter.KEYWORD_ONLY, [])]
    named += [f"**{name}" for name in by_kind.get(Parameter.VAR_KEYWORD, [])]
    return f"({positional}), {extra}, {{{', '.join(named)}}}"


def _call_with_some(
    function: Callable[..., Any],
    ordered: Sequence[tuple[str, object]],
    extra: Sequence[object],
    named: Mapping[str, object],
) -> Any:
    """Call with the arguments that were given: by position up to the first that was not, by name from there on."""
    given = [value for _, value in ordered]
    first = next((place for place, value in enumerate(given) if value is _UNSET), len(given))
    by_name = {name: value for name, value in (*ordered[first:], *named.items()) if value is not _UNSET}
    return function(*given[:first], *extra, **by_name)
