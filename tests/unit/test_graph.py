"""Keys: equal code has an equal key, and a change reaches exactly those that import it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livegraft.graph import absolute_name, module_name
from tests.support.snapshots import Plans, keys

FILES = {
    "helpers/__init__.py": "NAME = 'helpers'",
    "helpers/util.py": "def who(): return 1",
    "helpers/deep/leaf.py": "from ..util import who",
    "a.py": "import helpers.util\ndef run(): ...",
    "b.py": "def run():\n    from helpers.deep import leaf",
    "c.py": "import json\ndef run(): ...",
    "x.py": "import y",
    "y.py": "import x",
}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_changed_module_gives_new_keys_to_its_importers_and_to_no_other() -> None:
    plans = Plans()
    before = keys(plans.plan(FILES))

    after = keys(plans.plan({**FILES, "helpers/util.py": "def who(): return 2"}))

    assert changed(before, after) == {"helpers.util", "helpers.deep.leaf", "a", "b"}


def test_a_package_keeps_its_key_when_a_module_in_it_changes_that_it_does_not_import() -> None:
    plans = Plans()
    before = keys(plans.plan(FILES))

    after = keys(plans.plan({**FILES, "helpers/util.py": "pass"}))

    assert before["helpers"] == after["helpers"]


def test_the_members_of_a_cycle_share_one_key() -> None:
    found = keys(Plans().plan(FILES))

    assert found["x"] == found["y"]


def test_a_revert_finds_the_old_keys() -> None:
    plans = Plans()
    before = keys(plans.plan(FILES))
    plans.plan({**FILES, "helpers/util.py": "pass", "new.py": "def run(): ..."})

    assert keys(plans.plan(FILES)) == before


def test_a_file_that_appears_reaches_those_whose_imports_mention_it() -> None:
    plans = Plans()
    before = keys(plans.plan({"s.py": "try:\n    import extra\nexcept ImportError: ...\ndef run(): ..."}))

    after = keys(
        plans.plan({"s.py": "try:\n    import extra\nexcept ImportError: ...\ndef run(): ...", "extra.py": ""})
    )

    assert changed(before, after) == {"s", "extra"}


def test_only_changed_files_are_read() -> None:
    plans = Plans()
    plans.plan(FILES)
    plans.reads.clear()

    plans.plan({**FILES, "a.py": "def run(): ..."})

    assert len(plans.reads) == 1


def test_a_file_named_like_the_standard_library_hides_nothing() -> None:
    plan = Plans().plan({"json.py": "def run(): ...", "s.py": "import json\ndef run(): ..."})

    assert plan.modules["s"].imports == {}


def test_a_chain_of_imports_longer_than_the_stack_is_planned() -> None:
    files = {f"m{n}.py": f"import m{n + 1}" for n in range(3000)} | {"m3000.py": ""}

    assert len(set(keys(Plans().plan(files)).values())) == 3001


def test_a_learnt_import_reloads_nothing_until_its_target_changes() -> None:
    files = {"s.py": "def run(): ...", "rules.py": "RATE = 1"}
    plans = Plans()
    plan = plans.plan(files)
    plans.planner.learn(plan.modules["s"], plan.modules["rules"])

    untouched = plans.plan({**files, "README.md": "news"})
    assert untouched.modules["s"].key == plan.modules["s"].key

    changed_rules = plans.plan({**files, "rules.py": "RATE = 2"})
    assert changed_rules.modules["s"].key != plan.modules["s"].key
    assert plans.plan(files).modules["s"].key == plan.modules["s"].key


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b.py", "a.b"), ("a/__init__.py", "a"), ("__init__.py", None), ("a.b.py", None), ("a/b.txt", None)],
)
def test_paths_become_dotted_names(path: str, name: str | None) -> None:
    assert module_name(path) == name


@pytest.mark.parametrize(
    ("name", "level", "importer", "is_package", "full"),
    [
        ("x", 1, "a.b", False, "a.x"),
        ("x", 1, "a.b", True, "a.b.x"),
        ("", 1, "a.b", False, "a"),
        ("x", 2, "a.b", False, "x"),
        ("x", 3, "a.b", False, None),
    ],
)
def test_leading_dots_count_from_the_importer(
    name: str, level: int, importer: str, is_package: bool, full: str | None
) -> None:
    assert absolute_name(name, level, importer, is_package) == full


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_planning_step_by_step_gives_the_keys_of_planning_at_once(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"m{n}" for n in range(8)]
    step_by_step = Plans()
    for _ in range(6):
        files = {
            f"{name}.py": "\n".join(f"import {other}" for other in chance.sample(names, chance.randint(0, 3)))
            for name in names
            if chance.random() < 0.8
        }
        found = keys(step_by_step.plan(files))
        assert found == keys(Plans().plan(files))
