"""What a file tells, read from its bytecode, is what its syntax tree tells."""

from __future__ import annotations

import random
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from livegraft import source
from livegraft.bytecode import Import, nested_codes, with_file
from livegraft.source import Entry, Source, read_source

LIBRARY = Path(sysconfig.get_path("stdlib"))

# ``if False:`` is dropped before there is bytecode; the others are long and say nothing that these do not.
LEFT_OUT = {"_pyrepl", "site-packages", "test", "tests", "idlelib", "lib2to3", "pydoc_data"}


def by_tree(data: bytes) -> Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return source._read_tree("x.py", data, compile(data, "x.py", "exec", dont_inherit=True))


def read(data: bytes) -> Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_source("x.py", data)


def test_the_standard_library_imports_what_its_trees_say() -> None:
    files = sorted(path for path in LIBRARY.rglob("*.py") if not LEFT_OUT & {*path.parts})
    chosen = random.Random(7).sample(files, 30)  # all were compared once; a sample keeps the test short
    for file in chosen:
        data = file.read_bytes()
        found = read(data)
        if found.error is None:
            expected = by_tree(data)
            assert set(found.imports) == set(expected.imports), file
            assert found.entry == expected.entry, file


@pytest.mark.parametrize(
    ("text", "imports"),
    [
        ("import a.b as c, d", {Import("a.b"), Import("d")}),
        ("from ..x.y import p, q as r", {Import("x.y", ("p", "q"), 2)}),
        ("from . import z", {Import("", ("z",), 1)}),
        ("from m import *", {Import("m", ("*",))}),
        ("def run():\n    def inner():\n        import late\n", {Import("late")}),
        ("class A:\n    async def f(self):\n        from late import one\n", {Import("late", ("one",))}),
        ("try:\n    import a\nexcept ImportError:\n    import b\nfinally:\n    import c", {*map(Import, "abc")}),
        ("match x:\n    case 1:\n        import a\n    case _:\n        import b", {Import("a"), Import("b")}),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a",
            {Import("typing", ("TYPE_CHECKING",)), Import("a")},
        ),
        # More names and constants than one byte counts: EXTENDED_ARG stands before each of the three.
        ("\n".join(f"v{n} = {n}.5" for n in range(70_000)) + "\nfrom .far import away", {Import("far", ("away",), 1)}),
    ],
)
def test_every_form_of_import_is_found(text: str, imports: set[Import]) -> None:
    assert set(read(text.encode()).imports) == imports


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("def run(): ...", Entry.SYNC),
        ("async def run(): ...", Entry.ASYNC),
        ("async def run():\n    yield 1", Entry.ASYNC),
        ("import functools\n@functools.cache\ndef run(): ...", Entry.SYNC),
        ("def run(): ...\nasync def run(): ...", Entry.ASYNC),
        ("while True: pass\ndef run(): ...", Entry.SYNC),
        ("if x:\n    def run(): ...", None),
        ("class A:\n    def run(self): ...", None),
        ("run = lambda: 1", None),
        ('"""\ndef run(): ...\n"""', None),
        ("class run: ...", None),
        ("def run(:", Entry.SYNC),
    ],
)
def test_an_entry_is_a_function_of_the_module_itself(text: str, entry: Entry | None) -> None:
    assert read(text.encode()).entry == entry


@pytest.mark.parametrize(
    ("text", "docstring"),
    [
        ('"""Cancel carts.\n\n    Twice.\n    """\nx: int = 1', "Cancel carts.\n\nTwice."),
        ("x: int = 1", ""),
        ('__doc__.strip("none")', ""),
        ("'first'", "first"),
        ("f'no {1}'", ""),
    ],
)
def test_a_docstring_is_the_first_statement(text: str, docstring: str) -> None:
    assert read(text.encode()).docstring == docstring


def test_a_file_keeps_its_encoding() -> None:
    found = read('# -*- coding: latin-1 -*-\nNAME = "Köln"\n'.encode("latin-1"))

    assert "Köln" in found.text
    assert found.data.decode("latin-1") == found.text


def all_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for nested in nested_codes(code):
        yield from all_of(nested)


def test_code_is_given_to_one_version_each() -> None:
    found = read(b"def run(): return 1")

    first, second = with_file(found.take_code(), "/a/s.py"), with_file(found.take_code(), "/b/s.py")

    assert {each.co_filename for each in all_of(first)} == {"/a/s.py"}
    assert {each.co_filename for each in all_of(second)} == {"/b/s.py"}


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("x = 1", False),
        ("here = __file__", True),
        ("def data(module):\n    return open(module.__file__)", True),
        ("class A:\n    def f(self):\n        return lambda: __spec__.origin", True),
    ],
)
def test_code_that_looks_for_files_is_known(text: str, asks: bool) -> None:
    assert read(text.encode()).asks_for_files is asks
