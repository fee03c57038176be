"""Which packages are taken, which of their releases, and which of their tests are left out, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RealPackage:
    """A pure-Python package of the registry.

    ``versions`` are the releases that follow each other as commits. ``tops`` are the folders or files of the
    wheel; ``tests`` is the folder of the sdist with the suite, "" when the suite is in the wheel, and ``suite``
    what of the repository pytest is given. ``excluded`` maps a part of a test's id to the reason why that test
    cannot pass. ``requires`` are further packages that the suite needs.
    """

    name: str
    versions: tuple[str, ...]
    tops: tuple[str, ...]
    tests: str = "tests"
    suite: tuple[str, ...] = ("tests",)
    excluded: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    quick: bool = False


_PATCHED_BY_NAME = "patches by a plain name (`mock.patch`), which no version has"

_OWN_NAME = "compares a module's `__name__` with its plain name; a version's has the key in it"

PACKAGES = (
    RealPackage(
        "more-itertools",
        ("10.2.0", "10.3.0", "10.5.0"),
        ("more_itertools",),
        excluded={"test_groupby_calls": _PATCHED_BY_NAME},
    ),
    RealPackage("idna", ("3.6", "3.7", "3.10"), ("idna",), quick=True),
    RealPackage(
        "toolz",
        ("0.12.1", "1.0.0"),
        ("toolz", "tlz"),
        tests="",
        suite=("toolz", "tlz"),
        excluded={
            "test_module_name": _OWN_NAME,
            "test_curry_module": _OWN_NAME,
            "test_tlz.py": "makes a module under a plain name in `sys.modules`, by a finder of its own",
            "test_compat_warn": "reloads a module; a version's code does not change",
        },
    ),
    RealPackage(
        "click",
        ("8.1.7", "8.1.8"),
        ("click",),
        excluded={
            "test_light_imports": "imports click in a new process, where it is the installed one",
            "test_prompts_abort": "patches by a plain name (`monkeypatch.setattr` with text)",
        },
    ),
)
