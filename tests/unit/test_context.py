"""What scripts import: being asked to stop, and telling how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from livegraft import cancelled, progress
from livegraft.bars import BARS_LIMIT, Progress
from livegraft.context import CurrentRun, current_run
from livegraft.runner.output import RunOutput


@pytest.fixture
def run() -> Iterator[CurrentRun]:
    run = CurrentRun("r1", RunOutput())
    token = current_run.set(run)
    yield run
    current_run.reset(token)


def shown(run: CurrentRun) -> tuple[Progress, ...]:
    return run.bars.shown


class TestOutsideARun:
    def test_nobody_is_cancelled(self) -> None:
        assert not cancelled()

    def test_progress_passes_items_through(self) -> None:
        assert list(progress([1, 2, 3], "orders")) == [1, 2, 3]

    def test_progress_takes_a_fraction(self) -> None:
        progress(0.5, "half")


class TestInsideARun:
    def test_being_asked_to_stop_shows(self, run: CurrentRun) -> None:
        assert not cancelled()
        run.cancel_requested = True
        assert cancelled()

    @pytest.mark.parametrize(("given", "kept"), [(0.25, 0.25), (0, 0.0), (1, 1.0), (1.7, 1.0), (-3, 0.0)])
    def test_a_fraction_is_kept_between_0_and_1(self, run: CurrentRun, given: float, kept: float) -> None:
        progress(given, "reading")

        assert shown(run) == (Progress(kept, "reading"),)

    def test_an_iterable_moves_it_after_each_item(self, run: CurrentRun) -> None:
        seen: list[Progress] = []
        for _ in progress("abcd", "letters"):
            seen.extend(run.bars.shown)

        assert seen == [Progress(count / 4, "letters") for count in range(4)]
        assert shown(run) == (Progress(1.0, "letters"),)

    def test_without_a_length_there_is_text_only_until_the_end(self, run: CurrentRun) -> None:
        seen: list[Progress] = []
        for _ in progress(iter("ab"), "letters"):
            seen.extend(run.bars.shown)

        assert seen == [Progress(None, "letters")] * 2
        assert shown(run) == (Progress(1.0, "letters"),)

    def test_a_total_stands_for_the_length(self, run: CurrentRun) -> None:
        items = progress(iter("ab"), total=4)
        next(items)
        next(items)

        assert shown(run) == (Progress(0.25),)

    def test_more_items_than_the_total_stay_at_1(self, run: CurrentRun) -> None:
        list(progress("abcd", total=2))

        assert shown(run) == (Progress(1.0),)

    def test_a_long_text_is_cut(self, run: CurrentRun) -> None:
        progress(0.5, "x" * 10_000)

        assert len(run.bars.shown[0].text) == 200

    def test_a_fraction_that_is_no_number_is_not_known(self, run: CurrentRun) -> None:
        progress(float("nan"), "reading")

        assert shown(run) == (Progress(None, "reading"),)

    def test_numbers_of_numpy_are_fractions(self, run: CurrentRun) -> None:
        progress(cast(float, np.float32(0.5)))

        assert shown(run) == (Progress(0.5),)


class TestNested:
    def test_a_loop_within_a_loop_stands_below_it(self, run: CurrentRun) -> None:
        seen = []
        for _ in progress("ab", "outer"):
            for _ in progress("xy", "inner"):
                seen.append([(bar.text, bar.fraction) for bar in run.bars.shown])

        assert seen == [
            [("outer", 0.0), ("inner", 0.0)],
            [("outer", 0.0), ("inner", 0.5)],
            [("outer", 0.5), ("inner", 0.0)],
            [("outer", 0.5), ("inner", 0.5)],
        ]
        assert shown(run) == (Progress(1.0, "outer"),)

    def test_a_loop_that_ended_stays_until_the_outer_one_goes_on_or_another_begins(self, run: CurrentRun) -> None:
        outer = progress("ab", "outer")
        next(outer)
        list(progress("xy", "first"))
        assert shown(run) == (Progress(0.0, "outer"), Progress(1.0, "first"))

        second = progress("xy", "second")
        next(second)
        assert shown(run) == (Progress(0.0, "outer"), Progress(0.0, "second"))
        second.close()  # type: ignore[attr-defined]
        assert shown(run) == (Progress(0.0, "outer"),)

        list(progress("xy", "third"))
        next(outer)
        assert shown(run) == (Progress(0.5, "outer"),)

    def test_a_loop_that_is_left_early_is_gone(self, run: CurrentRun) -> None:
        for _ in progress("ab", "outer"):
            for _ in progress("xy", "inner"):
                break
            assert [bar.text for bar in run.bars.shown] == ["outer"]

        def fails() -> None:
            for _ in progress("ab", "fails"):
                raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011
            fails()
        assert shown(run) == ()

    def test_a_fraction_within_a_loop_stands_below_it_until_its_next_item(self, run: CurrentRun) -> None:
        progress(0.9, "before")
        items = progress("ab", "items")
        next(items)
        progress(0.3, "reading")
        progress(0.6, "writing")
        assert shown(run) == (Progress(0.0, "items"), Progress(0.6, "writing"))

        next(items)
        assert shown(run) == (Progress(0.5, "items"),)

    def test_many_loops_are_shown_up_to_a_bound(self, run: CurrentRun) -> None:
        loops = [progress("ab", str(depth)) for depth in range(50)]
        for loop in loops:
            next(loop)

        assert [bar.text for bar in run.bars.shown] == [str(depth) for depth in range(BARS_LIMIT)]
