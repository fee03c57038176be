"""What a code object tells of its module: its imports, its docstring, its entry.

A module is compiled anyway; reading the finished bytecode spares the syntax tree, whose Python objects
cost twice as much as the compilation. The forms read here are those of CPython 3.11 to 3.13
(``IS_KNOWN``); for any other Python ``livegraft.source`` reads the tree.
"""

from __future__ import annotations

import _imp
import dis
import inspect
import sys
from collections.abc import Iterator, Set
from types import CodeType
from typing import Final, NamedTuple

IS_KNOWN: Final = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 14)
"""Whether this Python's bytecode is one that the functions here were written and tested for."""


class Import(NamedTuple):
    """One import statement: ``from ..a.b import c, d`` is ``Import("a.b", ("c", "d"), 2)``."""

    name: str
    items: tuple[str, ...] = ()
    level: int = 0


_IMPORT_NAME: Final = dis.opmap["IMPORT_NAME"]
_LOAD_CONST: Final = dis.opmap["LOAD_CONST"]
_STORE_NAME: Final = dis.opmap["STORE_NAME"]
_EXTENDED_ARG: Final = dis.opmap["EXTENDED_ARG"]
_BEFORE_DOCSTRING: Final = frozenset(
    dis.opmap[name] for name in ("RESUME", "NOP", "SETUP_ANNOTATIONS") if name in dis.opmap
)
_IMPORT_BYTE: Final = bytes([_IMPORT_NAME])
_FUNCTION: Final = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS


def imports_of(code: CodeType) -> tuple[Import, ...]:
    """Every import statement of a module, those in functions, classes and conditions too; each once.

    Dead code that the compiler drops (``if False:``) imports nothing.
    """
    found: dict[Import, None] = {}
    pending = [code]
    while pending:
        each = pending.pop()
        pending.extend(nested_codes(each))
        if each.co_names:
            found.update(dict.fromkeys(_statements(each)))
    return tuple(found)


def nested_codes(code: CodeType) -> list[CodeType]:
    """The code objects right inside of this one: functions, classes, lambdas."""
    return [constant for constant in code.co_consts if type(constant) is CodeType]


def docstring_of(code: CodeType) -> str:
    """A module's docstring without its indentation; "" for none."""
    if code.co_names[:1] != ("__doc__",):
        return ""
    units = code.co_code
    at = 0
    while units[at] in _BEFORE_DOCSTRING:
        at += 2
    if units[at] != _LOAD_CONST or units[at + 2] != _STORE_NAME or units[at + 3] != 0:
        return ""
    docstring = code.co_consts[units[at + 1]]
    return inspect.cleandoc(docstring) if isinstance(docstring, str) else ""


def functions_named(code: CodeType, name: str) -> Iterator[CodeType]:
    """The functions of this name that a module's own statements define, conditional ones too."""
    for nested in nested_codes(code):
        if nested.co_flags & _FUNCTION != _FUNCTION:
            continue
        if nested.co_name == name:
            yield nested
        elif nested.co_name == f"<generic parameters of {name}>":
            yield from functions_named(nested, name)


def mentions(code: CodeType, names: Set[str]) -> bool:
    """Whether a module's code, or what is nested in it, uses one of some names: a global or an attribute."""
    return not names.isdisjoint(code.co_names) or any(mentions(nested, names) for nested in nested_codes(code))


def with_file(code: CodeType, file: str) -> CodeType:
    """The code, saying that it stands in this file, and so all that is nested in it. It may be the same object."""
    try:
        # What importlib does with the code of a moved file; building new objects takes forty times as long.
        _imp._fix_co_filename(code, file)  # type: ignore[attr-defined]
    except AttributeError:
        nested = tuple(with_file(each, file) if type(each) is CodeType else each for each in code.co_consts)
        return code.replace(co_filename=file, co_consts=nested)
    return code


def _statements(code: CodeType) -> Iterator[Import]:
    """``level`` and the from-list are the two constants that are loaded right before ``IMPORT_NAME``."""
    units = code.co_code
    at = units.find(_IMPORT_BYTE)
    while at >= 0:
        if at % 2 == 0:  # an odd byte is an argument
            name, before = _argument(units, at)
            items, before = _argument(units, before)
            level, _ = _argument(units, before)
            yield Import(code.co_names[name], code.co_consts[items] or (), code.co_consts[level])
        at = units.find(_IMPORT_BYTE, at + 1)


def _argument(units: bytes, at: int) -> tuple[int, int]:
    """The argument of the instruction at a place, with what ``EXTENDED_ARG`` adds, and the place before both."""
    argument, shift = units[at + 1], 8
    while at >= 2 and units[at - 2] == _EXTENDED_ARG:
        at -= 2
        argument |= units[at + 1] << shift
        shift += 8
    return argument, at - 2
