"""What the host requires of live code: functions that are there, and that take every call the host may make.

A signature is compared by calls, not by its text: every call that the required one allows must be
accepted by the one found. So a new optional parameter fits, and a renamed one does not, unless it was
positional only. Annotations are not compared: that is a type checker's work (``livegraft stubs``).
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, Signature
from types import CodeType, ModuleType
from typing import Any, Final

from livegraft.errors import ConfigurationError, ContractError
from livegraft.revision import Revision

Shape = Signature | Callable[..., Any] | str | type
"""What a host may give as a signature: one, a function that has it, its text, or a ``typing.Protocol`` class."""

_TARGET: Final = re.compile(r"[^:\s]+(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")
_IMPROBABLE: Final = "a_name_that_no_parameter_has"
_EMPTY: Final = Parameter.empty
_BY_POSITION: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One attribute of one module that the host needs.

    ``module`` is dotted, ``attribute`` may be (``Cart.total``). ``signature`` is bare: no default and no
    annotation of it is an object of a version; None asks for the attribute alone. ``is_async`` None takes both.
    ``text`` is the signature as people see it.
    """

    module: str
    attribute: str
    signature: Signature | None = None
    is_async: bool | None = None
    text: str = ""

    def __str__(self) -> str:
        return f"{self.module.replace('.', '/')}:{self.attribute}"

    def problem(self, module: ModuleType, revision: Revision, path: str) -> ContractError | None:
        """What is wrong with a module, or None; the error holds nothing of the module."""
        owner: Any = module
        for name in self.attribute.split("."):
            try:
                owner = getattr(owner, name)
            except AttributeError:
                return self._missing(owner, name, revision, path)
        found, line = _kind(owner), _line(owner)
        reason = ""
        if (self.signature is not None or self.is_async is not None) and not callable(owner):
            reason = "it cannot be called"
        elif self.is_async is not None and inspect.iscoroutinefunction(owner) is not self.is_async:
            reason = "its caller awaits it" if self.is_async else "its caller does not await it"
        elif self.signature is not None:
            reason = unfit(self.signature, owner)
        if not reason:
            return None
        return ContractError(path, line, self._expected, found, reason, revision.id, revision.author)

    def absent(self, revision: Revision) -> ContractError:
        """The module itself is not in the repository."""
        path = f"{self.module.replace('.', '/')}.py"
        return ContractError(path, 0, self._expected, "no such file", "", revision.id, revision.author)

    @property
    def calls(self) -> str | None:
        """The bare signature in words that ``told`` reads, for another process."""
        return None if self.signature is None else str(self.signature).replace("=Ellipsis", "=...")

    @property
    def _expected(self) -> str:
        return f"{self} to be {self.text or 'there'}"

    def _missing(self, owner: object, name: str, revision: Revision, path: str) -> ContractError:
        near = get_close_matches(name, [known for known in vars(owner) if not known.startswith("__")], 1)
        found, line = f"no {name!r}", 0
        if near:
            line = _line(vars(owner)[near[0]])
            found += f" (but {near[0]!r})"
        return ContractError(path, line, self._expected, found, "", revision.id, revision.author)


class Requirements:
    """All that the host of one supervisor requires, by module. Grows; changed under the drainer's turn."""

    def __init__(self) -> None:
        self._by_module: dict[str, tuple[Requirement, ...]] = {}

    @property
    def all(self) -> tuple[Requirement, ...]:
        return tuple(each for several in self._by_module.values() for each in several)

    @property
    def modules(self) -> tuple[str, ...]:
        """The dotted names of the modules that something is required of."""
        return tuple(self._by_module)

    def add(self, requirement: Requirement) -> None:
        known = self._by_module.get(requirement.module, ())
        if requirement not in known:
            self._by_module[requirement.module] = (*known, requirement)

    def of(self, name: str) -> tuple[Requirement, ...]:
        """What is required of a module, by dotted name."""
        return self._by_module.get(name, ())

    def absent(self, name: str, revision: Revision) -> ContractError:
        """A required module is not in the repository."""
        return self._by_module[name][0].absent(revision)


def first_problem(
    requirements: Iterable[Requirement], module: ModuleType, revision: Revision, path: str
) -> ContractError | None:
    """The first thing that is wrong with a module, or None."""
    problems = (requirement.problem(module, revision, path) for requirement in requirements)
    return next((problem for problem in problems if problem is not None), None)


def of_kind(target: str, *, is_async: bool) -> Requirement:
    """That a function is there, whatever its parameters, and is async or is not."""
    module, attribute = split_target(target)
    return Requirement(module, attribute, None, is_async, f"{'an async' if is_async else 'a'} function")


def told(target: str, calls: str | None, is_async: bool | None, text: str) -> Requirement:
    """What the host of another process requires, as it told. Raises ConfigurationError."""
    module, attribute = split_target(target)
    return Requirement(module, attribute, None if calls is None else _read_signature(calls)[0], is_async, text)


def split_target(target: str) -> tuple[str, str]:
    """``shop/pricing:Cart.total`` -> ``shop.pricing`` and ``Cart.total``; the attribute is "" without a colon.

    Raises ConfigurationError.
    """
    if not _TARGET.fullmatch(target):
        raise ConfigurationError(f"expected a target to be MODULE:ATTRIBUTE, as in 'pricing:quote', got: {target!r}")
    module, _, attribute = target.partition(":")
    return module.strip("/").removesuffix(".py").replace("/", "."), attribute


def requirements_of(target: str, shape: Shape | None) -> tuple[Requirement, ...]:
    """What a host's ``require`` asks for: one attribute, or each member of a protocol. Raises ConfigurationError."""
    module, attribute = split_target(target)
    if isinstance(shape, type) and getattr(shape, "_is_protocol", False):
        return tuple(_members(module, attribute, shape))
    if not attribute:
        raise ConfigurationError(
            f"expected {target!r} to name a function, as in '{target}:quote', or a Protocol class beside it"
        )
    return (_requirement(module, attribute, shape),)


def _requirement(module: str, attribute: str, shape: Shape | None) -> Requirement:
    if shape is None:
        return Requirement(module, attribute)
    if isinstance(shape, Signature):
        return Requirement(module, attribute, _bare(shape), None, str(shape))
    if isinstance(shape, str):
        signature, is_async = _read_signature(shape)
        return Requirement(module, attribute, signature, is_async, " ".join(shape.split()))
    try:
        signature = inspect.signature(shape)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"expected a signature for {module}:{attribute}, got: {shape!r}") from error
    is_async = inspect.iscoroutinefunction(shape)
    return Requirement(module, attribute, _bare(signature), is_async, f"{'async ' if is_async else ''}{signature}")


def _members(module: str, attribute: str, protocol: type) -> Iterator[Requirement]:
    """The members of a protocol: functions lose ``self`` where a module stands for the object."""
    prefix = f"{attribute}." if attribute else ""
    members: dict[str, Any] = {}
    for base in reversed(protocol.__mro__):
        if getattr(base, "_is_protocol", False) and base.__module__ != "typing":
            members.update(dict.fromkeys(vars(base).get("__annotations__", ())))
            members.update((name, value) for name, value in vars(base).items() if not name.startswith("_"))
    for name, member in members.items():
        if isinstance(member, staticmethod):
            yield _requirement(module, prefix + name, member.__func__)
        elif isinstance(member, classmethod) or inspect.isfunction(member):
            function = member.__func__ if isinstance(member, classmethod) else member
            signature = inspect.signature(function)
            parameters = list(signature.parameters.values())
            # On a class, an ordinary method is found with its ``self``, however that is called.
            own = [parameters[0].replace(kind=Parameter.POSITIONAL_ONLY)] if attribute and member is function else []
            rest = parameters[1:]
            if own and rest and rest[0].kind is Parameter.POSITIONAL_ONLY:
                own = [parameters[0]]
            signature = signature.replace(parameters=[*own, *rest])
            is_async = inspect.iscoroutinefunction(function)
            text = f"{'async ' if is_async else ''}{signature}"
            yield Requirement(module, prefix + name, _bare(signature), is_async, text)
        else:
            yield Requirement(module, prefix + name)


def _read_signature(text: str) -> tuple[Signature, bool]:
    """``(order, /, *, currency='EUR') -> Decimal``, with ``async`` before it for a coroutine function."""
    words = text.strip()
    is_async = words.startswith("async")
    words = words.removeprefix("async").strip()
    try:
        tree = ast.parse(f"def required{words}: ...") if words.startswith("(") else None
    except SyntaxError:
        tree = None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise ConfigurationError(f"expected a signature like '(order, /, *, currency=\"EUR\") -> int', got: {text!r}")
    return Signature(list(_parameters(tree.body[0].args))), is_async


def _parameters(args: ast.arguments) -> Iterator[Parameter]:
    positional = [*args.posonlyargs, *args.args]
    required = len(positional) - len(args.defaults)
    for place, argument in enumerate(positional):
        kind = Parameter.POSITIONAL_ONLY if place < len(args.posonlyargs) else Parameter.POSITIONAL_OR_KEYWORD
        yield Parameter(argument.arg, kind, default=_EMPTY if place < required else ...)
    if args.vararg is not None:
        yield Parameter(args.vararg.arg, Parameter.VAR_POSITIONAL)
    for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield Parameter(argument.arg, Parameter.KEYWORD_ONLY, default=_EMPTY if default is None else ...)
    if args.kwarg is not None:
        yield Parameter(args.kwarg.arg, Parameter.VAR_KEYWORD)


def _bare(signature: Signature) -> Signature:
    """The same parameters, with nothing of whoever wrote them: annotations and defaults may be a version's objects."""
    return Signature(
        [
            Parameter(each.name, each.kind, default=_EMPTY if each.default is _EMPTY else ...)
            for each in signature.parameters.values()
        ]
    )


def unfit(required: Signature, found: Callable[..., Any]) -> str:
    """Why a call that the required signature allows would not be accepted; "" when all are.

    For each number of positional arguments two calls decide: one with the fewest keywords shows what is
    missing, one with the most shows what is not known or given twice; all others lie between.
    """
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return "its signature cannot be read"
    for positional, keywords in _calls(required, signature):
        try:
            signature.bind(*[None] * positional, **dict.fromkeys(keywords))
        except TypeError as error:
            names = [each.name for each in required.parameters.values() if each.kind in _BY_POSITION]
            shown = [names[place] if place < len(names) else "..." for place in range(positional)]
            call = ", ".join([*shown, *(f"{name}=..." for name in keywords)])
            return f"a call with ({call}) would fail: {error}"
    return ""


def _calls(required: Signature, found: Signature) -> Iterator[tuple[int, list[str]]]:
    """The calls that decide: how many positional arguments, and the names of the keywords."""
    parameters = list(required.parameters.values())
    kinds = {each.kind for each in parameters}
    by_position = [each for each in parameters if each.kind in _BY_POSITION]
    fewest = sum(each.kind is Parameter.POSITIONAL_ONLY and each.default is _EMPTY for each in by_position)
    most = len(by_position)
    if Parameter.VAR_POSITIONAL in kinds:
        most = max(most, sum(each.kind in _BY_POSITION for each in found.parameters.values())) + 1
    for positional in range(fewest, most + 1):
        taken = {each.name for each in by_position[:positional]}
        open_names = [each for each in parameters if each.kind in _BY_NAME and each.name not in taken]
        keywords = [each.name for each in open_names]
        if Parameter.VAR_KEYWORD in kinds:
            own = {each.name for each in parameters if each.kind in _BY_NAME}
            keywords += [_IMPROBABLE, *(name for name in found.parameters if name not in own)]
        yield positional, [each.name for each in open_names if each.default is _EMPTY]
        yield positional, keywords


def _kind(found: object) -> str:
    """What stands in the place, for people."""
    if inspect.isfunction(found) or inspect.ismethod(found):
        try:
            return f"{'async ' if inspect.iscoroutinefunction(found) else ''}{inspect.signature(found)}"
        except (TypeError, ValueError):
            return "a function without a signature"
    if isinstance(found, type):
        return f"class {found.__qualname__}"
    return f"a value of type {type(found).__qualname__}"


def _line(found: Any) -> int:
    """The first line of a function or of a class's ``__init__``; 0 for anything else."""
    function = inspect.unwrap(found) if callable(found) else found
    if isinstance(function, type):
        function = vars(function).get("__init__")
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if isinstance(code, CodeType) else 0
