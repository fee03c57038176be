"""Code that is kept on disk is used when it is sound, and as if it were not there when it is not."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from livegraft import code_cache, graph
from livegraft.bytecode import Import
from livegraft.code_cache import MOST_PACKS, CodeCache
from livegraft.graph import Plan
from livegraft.packed import read_packed
from livegraft.source import Entry
from tests.support.snapshots import Plans, keys

TEXT = b'"""Says hello."""\nimport helpers.util\nasync def run(): return "hello"\n'
BLOB = "a" * 40


def _read(blob: str) -> bytes:
    return TEXT


def packed(text: bytes) -> bytes:
    found = read_packed("s.py", text)[1]
    assert found is not None
    return found


def saved(folder: Path, blob: str = BLOB) -> Path:
    """A cache with one entry, written; its pack."""
    cache = CodeCache(folder)
    before = set(folder.rglob("*.pack"))
    cache.add(blob, packed(TEXT))
    cache.save([blob])
    return next(iter({*folder.rglob("*.pack")} - before))


def test_what_was_read_is_found_by_the_next_process(tmp_path: Path) -> None:
    saved(tmp_path)

    found = CodeCache(tmp_path).get("s.py", BLOB, _read)

    assert found is not None
    assert (found.entry, found.docstring, found.imports) == (Entry.ASYNC, "Says hello.", (Import("helpers.util"),))
    assert found.take_code().co_names[0] == "__doc__"


def test_a_warm_start_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"s.py": "import h\ndef run(): return h.V", "h.py": "V = 1"}
    cold = Plans(CodeCache(tmp_path))
    keys_before = keys(cold.plan(files))
    cold.planner.save_cache()
    monkeypatch.setattr(graph, "read_packed", None)

    warm = Plans(CodeCache(tmp_path)).plan(files)

    assert keys(warm) == keys_before
    assert warm.modules["s"].is_script


def test_a_warm_start_reads_no_file_before_somebody_asks_for_its_text(tmp_path: Path) -> None:
    files = {"s.py": "# cron: @hourly\ndef run(): ...", "h.py": "V = 1"}
    cold = Plans(CodeCache(tmp_path))
    cold.plan(files)
    cold.planner.save_cache()
    warm = Plans(CodeCache(tmp_path))

    source = warm.plan(files).modules["s"].source

    assert source is not None
    assert source.head == "# cron: @hourly\n"
    assert warm.reads == []
    assert source.text == files["s.py"]
    assert len(warm.reads) == 1


def test_each_version_gets_code_of_its_own(tmp_path: Path) -> None:
    saved(tmp_path)
    cache = CodeCache(tmp_path)

    first, second = cache.get("a.py", BLOB, _read), cache.get("b.py", BLOB, _read)

    assert first is not None
    assert second is not None
    assert first.take_code() is not second.take_code()


def test_a_pack_cut_at_any_byte_is_no_entry(tmp_path: Path) -> None:
    pack = saved(tmp_path)
    whole = pack.read_bytes()

    for length in range(len(whole)):
        pack.write_bytes(whole[:length])
        assert CodeCache(tmp_path).get("s.py", BLOB, _read) is None


def test_a_flipped_bit_anywhere_is_no_entry(tmp_path: Path) -> None:
    pack = saved(tmp_path)
    whole = pack.read_bytes()

    for at in range(len(whole)):
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert CodeCache(tmp_path).get("s.py", BLOB, _read) is None


def test_a_cut_entry_leaves_those_before_it(tmp_path: Path) -> None:
    first = saved(tmp_path)
    second = saved(tmp_path, "b" * 40)
    first.write_bytes(first.read_bytes() + second.read_bytes()[:-1])
    second.unlink()
    cache = CodeCache(tmp_path)

    assert cache.get("s.py", BLOB, _read) is not None
    assert cache.get("s.py", "b" * 40, _read) is None


def test_a_process_killed_while_it_wrote_left_nothing_that_is_read(tmp_path: Path) -> None:
    pack = saved(tmp_path)
    pack.rename(pack.with_suffix(".coming"))

    assert CodeCache(tmp_path).get("s.py", BLOB, _read) is None


@pytest.mark.parametrize("name", ["MAGIC_NUMBER", "FORMAT"])
def test_another_python_or_livegraft_finds_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    if name == "FORMAT":
        monkeypatch.setattr(code_cache, "FORMAT", 999)
    else:
        monkeypatch.setattr("importlib.util.MAGIC_NUMBER", b"1234")

    assert CodeCache(tmp_path).get("s.py", BLOB, _read) is None


def test_packs_are_joined_and_keep_what_is_used(tmp_path: Path) -> None:
    blobs = [f"{n:040x}" for n in range(MOST_PACKS + 1)]
    for blob in blobs[:-1]:
        saved(tmp_path, blob)
    last = CodeCache(tmp_path)
    last.add(blobs[-1], packed(TEXT))
    last.save([blobs[0], blobs[-1]])

    cache = CodeCache(tmp_path)
    assert len(list(tmp_path.rglob("*.pack"))) == 1
    assert [blob for blob in blobs if cache.get("s.py", blob, _read)] == [blobs[0], blobs[-1]]


def test_a_file_that_cannot_be_compiled_is_not_kept(tmp_path: Path) -> None:
    plans = Plans(CodeCache(tmp_path))
    plans.plan({"s.py": "def run(:"})
    plans.planner.save_cache()

    assert not list(tmp_path.rglob("*.pack"))


def taken(plan: Plan) -> None:
    """Versions of all modules took their code."""
    for module in plan.modules.values():
        if module.source is not None and module.source.error is None:
            module.source.take_code()


def users_of_a_helper(count: int) -> dict[str, str]:
    return {"h.py": "V = 1", **{f"s{n}.py": "import h\ndef run(): return h.V" for n in range(count)}}


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_helper_that_changes_has_none_of_its_many_users_compiled(tmp_path: Path, is_saved: bool) -> None:
    plans = Plans(CodeCache(tmp_path))
    files = users_of_a_helper(100)
    taken(plans.plan(files))
    if is_saved:
        plans.planner.save_cache()
    plans.reads.clear()

    changed = plans.plan({**files, "h.py": "V = 2"})

    codes = [module.source.code for module in changed.modules.values() if module.source is not None]
    assert None not in codes
    assert len({id(code) for code in codes}) == 101, "each has its own, though they are the same text"
    assert len(plans.reads) == 1, "the helper's"


def test_code_that_is_damaged_by_then_is_compiled(tmp_path: Path) -> None:
    plans = Plans(CodeCache(tmp_path))
    files = users_of_a_helper(100) | {"bad.py": "import h\ndef run(:"}
    taken(plans.plan(files))
    plans.planner.save_cache()
    for pack in tmp_path.rglob("*.pack"):
        pack.write_bytes(pack.read_bytes()[:-1])

    changed = plans.plan({**files, "h.py": "V = 2"})

    taken(changed)
    assert sum(module.source is not None and module.source.code is None for module in changed.modules.values()) == 102


def test_a_file_that_comes_back_is_not_read_again(tmp_path: Path) -> None:
    plans = Plans(CodeCache(tmp_path))
    first = {"h.py": "V = 1", "s.py": "import h\ndef run(): return h.V"}
    for files in (first, {**first, "h.py": "V = 2"}):
        taken(plans.plan(files))
        plans.planner.save_cache()
    plans.reads.clear()

    again = plans.plan(first)

    taken(again)
    assert plans.reads == []


def test_a_pack_that_another_process_joined_to_others_is_no_entry(tmp_path: Path) -> None:
    pack = saved(tmp_path)
    cache = CodeCache(tmp_path)
    assert cache.get("s.py", BLOB, _read) is not None
    cache.save([])
    assert cache.code(BLOB) is not None, "from the disk now"
    cache.save([])

    pack.unlink()

    assert cache.get("s.py", BLOB, _read) is None


def test_packs_are_open_only_while_they_are_read(tmp_path: Path) -> None:
    def is_open() -> bool:
        return str(pack) in {file.path for file in psutil.Process().open_files()}

    pack = saved(tmp_path)
    cache = CodeCache(tmp_path)
    cache.code(BLOB)
    cache.save([])
    assert not is_open()

    assert cache.code(BLOB) is not None
    assert is_open()
    cache.save([])
    assert not is_open()


def test_a_plan_of_the_past_asks_for_no_code(tmp_path: Path) -> None:
    plans = Plans(CodeCache(tmp_path))
    files = users_of_a_helper(100)
    before = plans.plan(files)
    taken(before)
    taken(plans.plan({**files, "h.py": "V = 2"}))

    past = plans.planner.at(before.revision.id)

    found = [name for name, module in past.modules.items() if module.source is not None and module.source.code]
    assert found == ["h"], "it was read again, the others are as they are live"
