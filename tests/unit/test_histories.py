"""The large history that figures are measured with: it must fit the schema as it is now."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from benchmarks.histories import fill
from livegraft.store import SlotState
from livegraft.store.sqlite import open_store


def test_a_history_for_measuring_can_be_made_and_read(tmp_path: Path) -> None:
    fill(tmp_path / "history.db", runs=1_000, scripts=10)

    with closing(open_store(tmp_path / "history.db")) as store:
        assert len(store.runs.find(script="team07/script00007", limit=200)) == 100
        assert len(store.runs.last_by_script(["team01/script00001"], 20)["team01/script00001"]) == 20
        assert store.slots.find(states=[SlotState.MISSED])
