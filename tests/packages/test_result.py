"""What is kept of what ``run`` returns."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from livegraft import Markdown
from livegraft.run import RunResult
from livegraft.runner.interrupt import RunCancelledError
from livegraft.runner.result import BODY_LIMIT, content, keep
from livegraft.table import Table

mpl.use("agg")


def table(value: object) -> Table:
    kept = keep(value)
    assert kept.kind == "table", kept.note
    made = content(kept)
    assert isinstance(made, Table)
    return made


def shows(**methods: Callable[[Any], Any]) -> object:
    """An object with these methods."""
    return type("Shown", (), methods)()


class TestTables:
    def test_of_pandas_keep_columns_rows_and_what_is_missing(self) -> None:
        frame = pd.DataFrame(
            {
                "name": ["a", None],
                "count": [1, 2],
                "share": [0.5, float("nan")],
                "at": [pd.Timestamp("2026-11-26 07:00"), pd.NaT],
            }
        )

        made = table(frame)

        assert made.columns == ["name", "count", "share", "at"]
        assert made.rows == [["a", 1, 0.5, "2026-11-26T07:00:00"], [None, 2, None, None]]
        assert made.numeric == {1, 2}

    def test_of_pandas_show_an_index_that_says_something(self) -> None:
        frame = pd.DataFrame(
            {"sum": [3, 4]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["shop", None])
        )

        assert table(frame).columns == ["shop", "", "sum"]
        assert table(frame).rows == [["x", 1, 3], ["y", 2, 4]]

    def test_of_pandas_join_the_levels_of_column_names(self) -> None:
        frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("price", "min"), ("price", "max")]))

        assert table(frame).columns == ["price / min", "price / max"]

    def test_of_a_series_of_pandas_are_its_index_and_values(self) -> None:
        assert table(pd.Series({"a": 1, "b": 2}, name="n")).rows == [["a", 1], ["b", 2]]

    def test_of_polars_keep_columns_rows_and_nulls(self) -> None:
        frame = pl.DataFrame({"day": [datetime.date(2026, 11, 26), None], "n": [1, None], "list": [[1, 2], []]})

        made = table(frame)

        assert made.columns == ["day", "n", "list"]
        assert made.rows == [["2026-11-26", 1, "[1, 2]"], [None, None, "[]"]]
        assert table(pl.Series("n", [1, 2])).rows == [[1], [2]]

    @pytest.mark.parametrize("library", [pd, pl])
    def test_that_are_long_keep_their_first_rows_and_say_so(self, library: Any) -> None:
        kept = keep(library.DataFrame({"n": range(1_000_000)}))

        assert kept.value == {"columns": ["n"], "row_count": 1_000_000}
        assert kept.note == "the first 10000 of 1000000 rows are kept"
        assert len(kept.body) < BODY_LIMIT

    def test_that_are_wide_keep_as_many_rows_as_fit(self) -> None:
        kept = keep(pd.DataFrame({"text": ["é" * 5_000] * 5_000}))

        assert len(kept.body) <= BODY_LIMIT
        assert kept.note.startswith("the first ")

    def test_with_cells_that_cannot_be_shown_are_no_fault_of_ours(self) -> None:
        class Rude:
            def __str__(self) -> str:
                raise SystemExit(3)

        kept = keep(pd.DataFrame({"rude": [Rude()]}))

        assert "cannot be made into a table: SystemExit" in kept.note


class TestPictures:
    def test_are_figures_of_matplotlib_and_their_axes(self) -> None:
        figure = Figure()
        axes = figure.subplots()
        axes.plot([1, 2, 3])

        for value in (figure, axes):
            kept = keep(value)
            assert kept.kind == "png"
            assert Image.open(io.BytesIO(kept.body)).width > 100

    def test_are_images_of_pillow(self) -> None:
        kept = keep(Image.new("RGB", (40, 30), "red"))

        assert (kept.kind, Image.open(io.BytesIO(kept.body)).size) == ("png", (40, 30))

    def test_are_what_shows_itself_as_svg(self) -> None:
        assert keep(shows(_repr_svg_=lambda self: "<svg/>")) == RunResult("svg", None, "", b"<svg/>")

    def test_are_nothing_that_only_says_it_is_one(self) -> None:
        kept = keep(shows(_repr_png_=lambda self: b"<script>alert(1)</script>"))

        assert kept.kind == "text"
        assert kept.body == b""


class TestTexts:
    def test_html_is_preferred_to_pictures(self) -> None:
        both = shows(_repr_html_=lambda self: "<b>hi</b>", _repr_png_=lambda self: b"")

        assert keep(both) == RunResult("html", None, "", b"<b>hi</b>")

    def test_markdown_is_kept_as_it_is(self) -> None:
        kept = keep(Markdown("# 12 orders"))

        assert (kept.kind, content(kept)) == ("markdown", "# 12 orders")

    def test_a_method_that_has_nothing_to_show_leaves_it_to_the_next(self) -> None:
        kept = keep(shows(_repr_html_=lambda self: None, _repr_markdown_=lambda self: "text"))

        assert kept.kind == "markdown"

    def test_a_class_and_an_object_that_answers_to_every_name_show_nothing(self) -> None:
        class Yes:
            def __getattr__(self, name: str) -> Any:
                return lambda: "<b>yes</b>"

        assert keep(Markdown).kind == "text"
        assert keep(Yes()).kind == "text"


class TestNumbersOfNumpy:
    def test_are_plain_numbers(self) -> None:
        kept = keep({"n": np.int64(3), "list": np.array([1, 2])})

        assert kept == RunResult("json", {"n": 3, "list": [1, 2]})

    def test_that_are_too_many_are_a_note(self) -> None:
        assert "larger than" in keep(np.zeros(3_000_000)).note


class TestHostile:
    @pytest.mark.parametrize(
        "error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), RecursionError(), MemoryError()]
    )
    def test_methods_that_raise_are_a_note(self, error: BaseException) -> None:
        def raises(self: object) -> str:
            raise error

        kept = keep(shows(_repr_html_=raises))

        assert (kept.kind, kept.body) == ("text", b"")
        assert f"its _repr_html_ raised {type(error).__name__}" in kept.note

    def test_a_gigabyte_is_a_note(self) -> None:
        kept = keep(shows(_repr_html_=lambda self: "x" * (1 << 30), _repr_svg_=lambda self: "<svg/>"))

        assert (kept.kind, kept.body) == ("svg", b"<svg/>")
        assert f"its _repr_html_ is larger than {BODY_LIMIT} bytes: put it into a file of artifacts()" in kept.note

    def test_a_picture_beyond_the_bound_is_kept_as_the_smaller_one_that_it_offers(self) -> None:
        noise = Image.frombytes("RGB", (1200, 1200), np.random.default_rng(1).bytes(3 * 1200 * 1200))

        kept = keep(noise)

        assert kept.kind == "jpeg"
        assert "its _repr_png_ is larger" in kept.note

    def test_text_that_lies_about_its_length_is_measured(self) -> None:
        class Liar(str):
            __slots__ = ()

            def __len__(self) -> int:
                return 1

            def encode(self, *args: Any) -> bytes:
                return b""

        kept = keep(shows(_repr_html_=lambda self: Liar("x" * (BODY_LIMIT + 1))))

        assert kept.kind == "text"

    @pytest.mark.parametrize("made", [3, b"bytes", "", [], object()])
    def test_what_is_no_text_is_ignored(self, made: object) -> None:
        assert keep(shows(_repr_html_=lambda self: made)).body == b""

    def test_a_class_that_pretends_to_be_a_frame_is_a_note(self) -> None:
        kept = keep(type("Pretends", (), {"__class__": property(lambda self: pd.DataFrame)})())

        assert (kept.kind, kept.body) == ("text", b"")

    def test_being_asked_to_stop_goes_through(self) -> None:
        def raises(self: object) -> str:
            raise RunCancelledError

        with pytest.raises(RunCancelledError):
            keep(shows(_repr_html_=raises))
