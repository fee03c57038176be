"""What scripts import: being asked to stop, and telling how far they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livegraft import cancelled, progress
from livegraft.context import CurrentRun, Progress, current_run
from livegraft.runner.output import RunOutput


@pytest.fixture
def run() -> Iterator[CurrentRun]:
    run = CurrentRun("r1", RunOutput())
    token = current_run.set(run)
    yield run
    current_run.reset(token)


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

        assert run.progress == Progress(kept, "reading")

    def test_an_iterable_moves_it_after_each_item(self, run: CurrentRun) -> None:
        seen = []
        for _ in progress("abcd", "letters"):
            seen.append(run.progress)

        assert seen == [Progress(count / 4, "letters") for count in range(4)]
        assert run.progress == Progress(1.0, "letters")

    def test_without_a_length_there_is_text_only_until_the_end(self, run: CurrentRun) -> None:
        seen = []
        for _ in progress(iter("ab"), "letters"):
            seen.append(run.progress)

        assert seen == [Progress(None, "letters")] * 2
        assert run.progress == Progress(1.0, "letters")

    def test_a_total_stands_for_the_length(self, run: CurrentRun) -> None:
        items = progress(iter("ab"), total=4)
        next(items)
        next(items)

        assert run.progress == Progress(0.25)

    def test_more_items_than_the_total_stay_at_1(self, run: CurrentRun) -> None:
        list(progress("abcd", total=2))

        assert run.progress == Progress(1.0)

    def test_a_long_text_is_cut(self, run: CurrentRun) -> None:
        progress(0.5, "x" * 10_000)

        assert run.progress is not None
        assert len(run.progress.text) == 200
