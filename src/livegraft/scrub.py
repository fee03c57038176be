"""Scrubbing a version: its globals become tombstones, so that its memory returns whoever still holds it.

A call into its code then fails with an error that says what happened, where it stands, and what to do; an emptied
module would fail with a bare ``NameError``.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final, NoReturn

from livegraft.errors import UnloadedVersionError

_KEPT: Final = frozenset(
    {
        "__builtins__",
        "__doc__",
        "__file__",
        "__loader__",
        "__name__",
        "__package__",
        "__path__",
        "__spec__",
    }
)
"""What says who a module is; late imports and tracebacks need it."""


class Tombstone:
    """Stands where a value of a scrubbed version stood: whatever is done with it raises UnloadedVersionError.

    Only ``repr`` works, for debuggers.
    """

    __slots__ = ("_reason",)

    def __init__(self, reason: str) -> None:
        object.__setattr__(self, "_reason", reason)

    def __repr__(self) -> str:
        return f"<unloaded: {object.__getattribute__(self, '_reason')}>"

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # whoever looks through a module's values asks for it
            return Tombstone
        raise UnloadedVersionError(object.__getattribute__(self, "_reason"))


def _refuse(self: Tombstone, *args: Any, **kwargs: Any) -> NoReturn:
    raise UnloadedVersionError(object.__getattribute__(self, "_reason"))


_OPERATIONS: Final = (
    "__setattr__",
    "__delattr__",
    "__call__",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__contains__",
    "__iter__",
    "__next__",
    "__len__",
    "__bool__",
    "__str__",
    "__format__",
    "__int__",
    "__float__",
    "__index__",
    "__bytes__",
    "__enter__",
    "__exit__",
    "__aenter__",
    "__aexit__",
    "__await__",
    "__aiter__",
    "__anext__",
    "__instancecheck__",
    "__subclasscheck__",
    "__mro_entries__",
    "__eq__",
    "__ne__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__hash__",
    "__neg__",
    "__pos__",
    "__invert__",
    "__abs__",
    "__add__",
    "__sub__",
    "__mul__",
    "__truediv__",
    "__floordiv__",
    "__mod__",
    "__pow__",
    "__matmul__",
    "__and__",
    "__or__",
    "__xor__",
    "__lshift__",
    "__rshift__",
    "__radd__",
    "__rsub__",
    "__rmul__",
    "__rtruediv__",
    "__rfloordiv__",
    "__rmod__",
    "__rpow__",
    "__rmatmul__",
    "__rand__",
    "__ror__",
    "__rxor__",
    "__rlshift__",
    "__rrshift__",
    "__reduce_ex__",
)
for _name in _OPERATIONS:
    setattr(Tombstone, _name, _refuse)


def scrub(module: ModuleType, reason: str) -> int:
    """Put a tombstone in the place of every global of a module; how many there were.

    Threads that execute its code get the error at their next look at a global.
    """
    tombstone = Tombstone(reason)
    names = [name for name in list(vars(module)) if name not in _KEPT]
    for name in names:
        vars(module)[name] = tombstone
    return len(names)
