"""Type stubs of the live code, for the editors and the type checker of a host.

A work tree becomes a package of ``.pyi`` files, one for each module, and a class ``Live`` whose attributes are
these modules: ``cast("Live", supervisor.live)`` completes and is checked. Nothing is executed: a stub is the
module's own text without what it does.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegraft.graph import Plan, PlannedModule, Planner
from livegraft.mirror.worktree import WorkTree

PACKAGE: Final = "livegraft_live"
"""The name of the package of stubs. It exists for type checkers only."""

_MARK: Final = "# Written by `livegraft stubs`: it is written anew, do not edit it."
_ANY: Final = "_Any"
_FACTORIES: Final = frozenset(
    {"TypeVar", "ParamSpec", "TypeVarTuple", "NewType", "NamedTuple", "TypedDict", "namedtuple"}
)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written where; ``unread`` are paths whose text has no syntax tree: all of them is Any."""

    folder: Path
    modules: tuple[str, ...]
    unread: tuple[str, ...]


def write_stubs(tree: Path, out: Path) -> Written:
    """Write the package of stubs of a work tree into a folder, and remove stubs of before.

    Raises ConfigurationError and MirrorError when the tree cannot be read.
    """
    mirror = WorkTree(tree)
    try:
        planner = Planner(read=mirror.read, snapshot=lambda revision: mirror.snapshot(mirror.revision(revision)))
        plan = planner.plan(mirror.snapshot(mirror.fetch()))
    finally:
        mirror.close()
    folder = out / PACKAGE
    texts = dict(_texts(plan))
    for file in folder.rglob("*.pyi") if folder.is_dir() else ():
        if file.relative_to(folder).as_posix() not in texts and file.read_text(encoding="utf-8").startswith(_MARK):
            file.unlink()
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    modules = [module for module in plan.modules.values() if _is_readable(module.name)]
    unread = [module.path for module in modules if module.source is not None and module.source.error is not None]
    return Written(folder, tuple(sorted(module.name for module in modules)), tuple(sorted(unread)))


def _texts(plan: Plan) -> Iterator[tuple[str, str]]:
    """Path below the package -> text of the stub."""
    children: dict[str, list[str]] = {}
    names = sorted(filter(_is_readable, plan.modules))
    for name in names:
        parent, _, child = name.rpartition(".")
        children.setdefault(parent, []).append(child)
    bodies = {name: _body(plan.modules[name], plan.tops) for name in names}
    packages = {name for name in names if plan.modules[name].is_package}
    views = []
    for name in reversed(names):  # what is in a package before the package
        body = bodies[name]
        views.append(_view(name, body, children.get(name, ()), _Imported(bodies, packages)))
        path = f"{name.replace('.', '/')}{'/__init__' if name in packages else ''}.pyi"
        yield path, _module(body, children.get(name, ()))
    top = [f"    {child}: {_class_name(child)}\n" for child in children.get("", ())]
    live = f'class Live:\n    """The modules of the live release."""\n\n{"".join(top) or "    ..."}'
    imports = "".join(f"import {PACKAGE}.{name}\n" for name in names)
    head = f"{_MARK}\nfrom typing import Any as {_ANY}\n{imports}"
    yield "__init__.pyi", "\n".join([head, *views, live])


def _view(name: str, body: Sequence[ast.stmt] | None, children: Sequence[str], imported: _Imported) -> str:
    """The class of what ``live`` shows for a module.

    A checker takes an attribute that is a module for anything at all, so the names are listed.
    """
    shown = dict(pair for node in body or () for pair in _shown(node))
    lines = [_line(each, f"{name}.{each}", is_function) for each, is_function in shown.items()]
    found = {each: line for each, line in imported.lines(name) if each not in shown}
    names = {*shown, *found}
    lines += [*found.values()]
    lines += [f"{child}: {_class_name(f'{name}.{child}')}" for child in children if child not in names]
    if body is None:
        lines.append(f"def __getattr__(self, name: str) -> {_ANY}: ...")
    return f"class {_class_name(name)}:\n" + "".join(f"    {line}\n" for line in lines or ["..."])


def _line(shown: str, name: str, is_function: bool) -> str:
    """The line of a view that says what a name is: a function must not become a method there."""
    return f"{shown} = staticmethod({PACKAGE}.{name})" if is_function else f"{shown} = {PACKAGE}.{name}"


class _Imported:
    """What modules have by importing it from the repository: a package offers names of its modules so."""

    def __init__(self, bodies: Mapping[str, Sequence[ast.stmt] | None], packages: Collection[str]) -> None:
        self._bodies = bodies
        self._packages = packages

    def lines(self, module: str) -> Iterator[tuple[str, str]]:
        """The names and their lines in the view of a module."""
        for shown, origin, name in self._imports(module):
            line = None if shown.startswith("_") else self._find(shown, origin, name, frozenset({module}))
            if line is not None:
                yield shown, line

    def _find(self, shown: str, module: str, name: str, seen: frozenset[str]) -> str | None:
        for node in self._bodies.get(module) or ():
            for known, is_function in _shown(node):
                if known == name:
                    return _line(shown, f"{module}.{name}", is_function)
        for known, origin, original in self._imports(module) if module not in seen else ():
            if known == name and (line := self._find(shown, origin, original, seen | {module})) is not None:
                return line
        if f"{module}.{name}" in self._bodies:
            return f"{shown}: {_class_name(f'{module}.{name}')}"
        return f"{shown}: {_ANY}" if self._bodies.get(module, ()) is None else None

    def _imports(self, module: str) -> Iterator[tuple[str, str, str]]:
        """The names that a module imports from the repository: as what, of which module, and its name there."""
        for node in self._bodies.get(module) or ():
            if isinstance(node, ast.ImportFrom) and (origin := self._origin(node, module)) is not None:
                for each in node.names:
                    if each.name != "*":
                        yield each.asname or each.name, origin, each.name
                    else:
                        names = [name for node in self._bodies.get(origin) or () for name, _ in _shown(node)]
                        yield from ((name, origin, name) for name in names)

    def _origin(self, node: ast.ImportFrom, module: str) -> str | None:
        """The module that a statement of a stub names, if it is of the repository."""
        if not node.level:
            top, _, rest = (node.module or "").partition(".")
            return rest if top == PACKAGE and rest else None
        above = node.level - (module in self._packages)
        package = module.split(".")[:-above] if above else module.split(".")
        return ".".join([*package, *([node.module] if node.module else [])]) or None


def _shown(node: ast.stmt) -> Iterator[tuple[str, bool]]:
    """The public names that a statement of a stub makes, and whether each is a function."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            found, is_function = name, True
        case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            found, is_function = name, False
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _is_variable_of_types(value):
            found, is_function = name, False
        case _:
            return
    if not found.startswith("_"):
        yield found, is_function


def _is_variable_of_types(value: ast.expr) -> bool:
    called = value.func if isinstance(value, ast.Call) else None
    return ast.unparse(called).rpartition(".")[2] in ("TypeVar", "ParamSpec", "TypeVarTuple") if called else False


def _class_name(name: str) -> str:
    return f"_{name.replace('.', '__')}"


def _is_readable(name: str) -> bool:
    """Whether a dotted name can be written in Python: ``live.reports.daily`` can, ``x-y`` cannot."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))


def _body(module: PlannedModule, tops: frozenset[str]) -> list[ast.stmt] | None:
    """The statements of a module's stub; None when its text cannot be parsed."""
    if module.source is None:
        return []
    if module.source.error is not None:
        return None
    return list(_once(_Stub(tops).statements(ast.parse(module.source.text).body)))


def _once(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Without variables of names that there are already: modules give values again, stubs must not."""
    made: set[str] = set()
    for node in body:
        names = {name for name, _ in _shown(node)}
        if not (isinstance(node, ast.AnnAssign) and names and names <= made):
            yield node
        made |= names


def _module(body: list[ast.stmt] | None, children: Sequence[str]) -> str:
    """The stub of one module; a package imports its modules, for those who import them through it."""
    lines = [_MARK, f"from typing import Any as {_ANY}"]
    if body is None:
        lines.append(f"def __getattr__(name: str) -> {_ANY}: ...")
    elif body:
        lines.append(ast.unparse(ast.fix_missing_locations(ast.Module(body, []))))
    own = {name for node in body or () for name, _ in _shown(node)}
    lines += [f"from . import {child} as {child}" for child in children if child not in own]
    return "\n".join(lines) + "\n"


class _Stub:
    """Turns statements into those of a stub. ``tops`` are the names that absolute imports find in the repository."""

    def __init__(self, tops: frozenset[str]) -> None:
        self._tops = tops

    def statements(self, body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        for node in _without_implementations(body):
            match node:
                case ast.ImportFrom():
                    if node.module != "__future__":
                        yield self._from(node)
                case ast.Import():
                    yield from map(self._import, node.names)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield _function(node, in_class=False)
                case ast.ClassDef():
                    yield _class(node)
                case ast.AnnAssign(target=ast.Name()):
                    node.value = node.value if _is_alias(node) else None
                    yield node
                case ast.Assign():
                    yield from _assign(node)
                case ast.With() | ast.AsyncWith() | ast.For() | ast.AsyncFor():
                    yield from (ast.AnnAssign(ast.Name(name), ast.Name(_ANY), None, 1) for name in _bound(node))
                    yield from self._branches(node)
                case ast.If() | ast.Try() | ast.TryStar() | ast.While() | ast.Match():
                    yield from self._branches(node)
                case ast.Expr(value=ast.Constant(value=str())):
                    yield node
                case _ if type(node).__name__ == "TypeAlias":
                    yield node
                case _:
                    pass

    def _branches(self, node: ast.stmt) -> Iterator[ast.stmt]:
        """What the first branch of a statement has, and names that only others make."""
        made: set[str] = set()
        for number, branch in enumerate(_bodies(node)):
            for each in list(self.statements(branch)):
                names = {name for name, _ in _shown(each)}
                if number == 0 or (names and made.isdisjoint(names)):
                    yield each
                    made |= names

    def _from(self, node: ast.ImportFrom) -> ast.stmt:
        is_absolute = not node.level
        if is_absolute and (node.module or "").partition(".")[0] not in self._tops:
            return node
        # ``as`` has checkers let others import the name from here.
        names = [each if each.name == "*" else ast.alias(each.name, each.asname or each.name) for each in node.names]
        return ast.ImportFrom(f"{PACKAGE}.{node.module}" if is_absolute else node.module, names, node.level)

    def _import(self, name: ast.alias) -> ast.stmt:
        top, _, rest = name.name.partition(".")
        if top not in self._tops:
            return ast.Import([name])
        if name.asname is None or not rest:
            return ast.ImportFrom(PACKAGE, [ast.alias(top, name.asname)], 0)
        parent, _, child = name.name.rpartition(".")
        return ast.ImportFrom(f"{PACKAGE}.{parent}", [ast.alias(child, name.asname)], 0)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements right in a statement, in order; not those of functions and classes."""
    for field in ("body", "handlers", "cases", "orelse", "finalbody"):
        found = getattr(node, field, [])
        if field in ("handlers", "cases"):
            yield from (each.body for each in found)
        elif found:
            yield found


def _bound(node: ast.With | ast.AsyncWith | ast.For | ast.AsyncFor) -> Iterator[str]:
    """The names that a statement gives to what it enters or goes through."""
    targets = (
        [each.optional_vars for each in node.items] if isinstance(node, ast.With | ast.AsyncWith) else [node.target]
    )
    for target in filter(None, targets):
        yield from (
            each.id for each in ast.walk(target) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, *, in_class: bool) -> ast.stmt:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    is_static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)
    bound = positional[:1] if in_class and not is_static else []
    for argument in (*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None and argument.annotation is None and argument not in bound:
            argument.annotation = ast.Name(_ANY)
    arguments.defaults = [_default(each) for each in arguments.defaults]
    arguments.kw_defaults = [each if each is None else _default(each) for each in arguments.kw_defaults]
    if node.returns is None:
        node.returns = ast.Constant(None) if node.name == "__init__" else ast.Name(_ANY)
    if isinstance(node, ast.AsyncFunctionDef) and _yields(node):
        # The text of an async generator says so by its ``yield``, which a stub does not have.
        plain = ast.FunctionDef(node.name, node.args, node.body, node.decorator_list, node.returns)
        plain.__dict__.update({"type_params": getattr(node, "type_params", [])})
        node = plain
    node.body = [*_docstring(node), _ellipsis()]
    return node


def _without_implementations(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements without the functions that overloads describe: a stub must not have these."""
    overloaded = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(ast.unparse(each).rpartition(".")[2] == "overload" for each in node.decorator_list):
                overloaded.add(node.name)
            elif node.name in overloaded:
                continue
        yield node


def _default(node: ast.expr) -> ast.expr:
    return node if isinstance(node, ast.Constant) else ast.Constant(...)


def _class(node: ast.ClassDef) -> ast.ClassDef:
    attributes = list(_attributes(node))
    body: list[ast.stmt] = []
    for each in _without_implementations(node.body):
        match each:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                body.append(_function(each, in_class=True))
            case ast.ClassDef():
                body.append(_class(each))
            case ast.AnnAssign() | ast.Assign():  # fields of a dataclass and members of an enum are what they are
                body.append(each)
            case _:
                pass
    node.body = [*_docstring(node), *attributes, *body, _ellipsis()]
    return node


def _attributes(node: ast.ClassDef) -> Iterator[ast.stmt]:
    """What methods set on ``self``, if the class does not name it: of the type that is written, or of a parameter's."""
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    if node.decorator_list:  # perhaps a dataclass: a checker would take these for its fields
        methods = [each for each in methods if each.name == "__init__"]
    seen = {name for each in node.body for name in _names_of(each)}
    for method in methods:
        arguments = [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs]
        types = {each.arg: each.annotation for each in arguments}
        for each in ast.walk(method):
            targets = (
                each.targets
                if isinstance(each, ast.Assign)
                else [each.target]
                if isinstance(each, ast.AnnAssign)
                else []
            )
            for target in targets:
                if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
                    continue
                if target.value.id == "self" and target.attr not in seen:
                    seen.add(target.attr)
                    value = getattr(each, "value", None)
                    given = types.get(value.id) if isinstance(value, ast.Name) else _type_of(value)
                    annotation = each.annotation if isinstance(each, ast.AnnAssign) else given or ast.Name(_ANY)
                    yield ast.AnnAssign(ast.Name(target.attr), annotation, None, 1)


def _names_of(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name) and each.id != "__slots__")


def _assign(node: ast.Assign) -> Iterator[ast.stmt]:
    """A module's variable: an alias or a made type stays, of anything else only the type is told."""
    for target in node.targets:
        for name in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if not isinstance(name, ast.Name):
                continue
            if name.id == "__all__" or (name is target and _is_made_type(node.value)):
                yield ast.Assign([name], node.value, lineno=1)
            else:
                kind = _type_of(node.value) if name is target else None
                yield ast.AnnAssign(ast.Name(name.id), kind or ast.Name(_ANY), None, 1)


def _is_made_type(value: ast.expr) -> bool:
    match value:
        case ast.Name() | ast.Attribute():
            return True
        case ast.Subscript(value=ast.Name(id=name)) | ast.Subscript(value=ast.Attribute(attr=name)):
            return name[:1].isupper() or name in ("dict", "list", "set", "tuple", "type", "frozenset")
        case ast.BinOp(op=ast.BitOr()):
            return True
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in _FACTORIES
    return False


def _type_of(value: ast.expr | None) -> ast.expr | None:
    if isinstance(value, ast.Constant) and type(value.value) in (int, str, float, bool, bytes):
        return ast.Name(type(value.value).__name__)
    return None


def _is_alias(node: ast.AnnAssign) -> bool:
    return ast.unparse(node.annotation).rpartition(".")[2] in ("TypeAlias", "Final")


def _yields(function: ast.AsyncFunctionDef) -> bool:
    """Whether a coroutine function's own body yields."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    text = ast.get_docstring(node)
    return [ast.Expr(ast.Constant(text))] if text else []


def _ellipsis() -> ast.stmt:
    return ast.Expr(ast.Constant(...))
