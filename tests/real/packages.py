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
    cannot pass. ``requires`` are further packages that the suite needs. ``also`` are other files of the sdist, by how
    their path begins, with what stands for that in the repository; ``empty`` files are added and ``without`` ones left
    away, so that data files lie in a package, as livegraft wants it. ``part`` tells what ``suite`` leaves out, and why.
    ``quick`` ones are part of the default suite.
    """

    name: str
    versions: tuple[str, ...]
    tops: tuple[str, ...]
    tests: str = "tests"
    suite: tuple[str, ...] = ("tests",)
    excluded: Mapping[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    part: str = ""
    quick: bool = False


_PATCHED_BY_NAME = "patches by a plain name (`mock.patch`), which no version has"

_OWN_NAME = "compares a module's `__name__` with its plain name; a version's has the key in it"

_REWRITTEN = (
    "needs two temporary objects to live at once: by pytest's rewriting of `assert`, which version code has not"
)

_COMPOSED = "gives `mock.patch` a name made of `__name__`; a version's is no dotted name"

_RACE = "races with the pager that it starts: fails now and then in a plain checkout as well"

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
        ("8.1.7", "8.1.8", "8.2.1"),
        ("click",),
        excluded={
            "test_light_imports": "imports click in a new process, where it is the installed one",
            "test_echo_via_pager[test5": _RACE,
            "test_echo_via_pager[test6": _RACE,
            "test_prompts_abort": "patches by a plain name (`monkeypatch.setattr` with text)",
        },
    ),
    RealPackage(
        "attrs",
        ("23.2.0", "24.2.0"),
        ("attr", "attrs"),
        also={"conftest.py": "tests/conftest.py"},
        excluded={
            "test_hash_mirrors_eq": _REWRITTEN,
            "test_hash_by_id": _REWRITTEN,
            "hash_false_eq_false": _REWRITTEN,
            "TestFilenames::test_filenames": _OWN_NAME,
            "TestMakeClass::test_attr_args": _OWN_NAME,
            "test_packaging.py": "the ids of its tests have the `__name__` of a module in them: not comparable",
            "test_slots_unpickle_after_attr": _COMPOSED,
            "test_slots_unpickle_is_backward_compatible": "edits bytes of a pickle that hold the length of a name",
        },
    ),
    RealPackage(
        "packaging",
        ("23.2", "24.1"),
        ("packaging",),
        excluded={
            "test_32bit_interpreter": "reloads a module; a version's code does not change",
            "TestRequirementParsing::test_error": _OWN_NAME,
        },
        requires=("pretend",),
    ),
    RealPackage(
        "jinja2",
        ("3.1.3", "3.1.4", "3.1.5"),
        ("jinja2",),
        requires=("trio", "sniffio", "outcome"),
        also={"tests/res/": "res/"},
        empty=("tests/__init__.py",),
        without=("tests/res/__init__.py",),
        excluded={
            "TestDebug::test_syntax_error": _OWN_NAME,
            "test_regular_syntax_error": _OWN_NAME,
            "test_object_type_repr": _OWN_NAME,
            "test_extension_nodes": _COMPOSED,
            "test_contextreference_node": _COMPOSED,
            "test_pep_451_import_hook": "finds a package of the repository by `sys.path`, where no version is",
        },
    ),
    RealPackage("tomlkit", ("0.12.5", "0.13.2", "0.13.3"), ("tomlkit",), requires=("pyyaml",)),
    RealPackage("pyparsing", ("3.1.4", "3.2.0", "3.2.3"), ("pyparsing",), tests="", suite=()),
    RealPackage(
        "networkx",
        ("3.3", "3.4.2"),
        ("networkx",),
        tests="",
        suite=("networkx/classes", "networkx/utils", "networkx/algorithms/shortest_paths"),
        part="the suites of `classes`, `utils` and `algorithms/shortest_paths`: the whole takes too long",
    ),
    RealPackage("sortedcontainers", ("2.3.0", "2.4.0"), ("sortedcontainers",), tests="", suite=()),
)
