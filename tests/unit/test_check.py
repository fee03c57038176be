"""Checking a work tree: what is told, and that silence means that all is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from livegraft.check import Fault, check_tree
from livegraft.errors import ConfigurationError, MirrorError
from tests.support import Repository

GOOD = "def run(): return 1\n"


@pytest.fixture
def tree(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "scripts")


def test_a_good_tree_has_no_faults(tree: Repository) -> None:
    tree.write({"a.py": GOOD, "reports/b.py": GOOD})

    assert check_tree(tree.path, {}) == (2, [])


def test_every_fault_is_listed_with_its_place(tree: Repository) -> None:
    tree.write(
        {
            "good.py": GOOD,
            "import_fails.py": "import os\nimport not_there\ndef run(): pass\n",
            "never_due.py": "# cron: 99 * * * *\ndef run(): pass\n",
            "wants_db.py": "def run(db): pass\ndef other(: pass\n",
        }
    )

    _, faults = check_tree(tree.path, {})

    assert [(fault.path, fault.line) for fault in faults] == [
        ("import_fails.py", 2),
        ("never_due.py", 1),
        ("wants_db.py", 2),
    ]
    assert "not_there" in str(faults[0])


def test_what_is_not_committed_yet_counts(tree: Repository) -> None:
    tree.commit_files({"a.py": GOOD})
    tree.write({"a.py": "def run(: pass\n"})

    _, faults = check_tree(tree.path, {})

    assert [fault.path for fault in faults] == ["a.py"]


def test_a_script_that_ends_its_process_does_not_end_the_check(tree: Repository) -> None:
    tree.write({"a.py": "import os\nos._exit(0)\ndef run(): ...", "b.py": "1 / 0\ndef run(): ..."})

    _, faults = check_tree(tree.path, {})

    assert [(fault.path, fault.line) for fault in faults] == [("a.py", 2), ("b.py", 1)]


def test_a_tree_that_git_cannot_read_is_not_taken_for_a_good_one(tree: Repository) -> None:
    tree.write({"a.py": "def run(: pass\n"})
    (tree.path / ".git" / "HEAD").unlink()

    with pytest.raises(MirrorError, match="expected a readable work tree"):
        check_tree(tree.path, {})


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected a directory"):
        check_tree(tmp_path / "missing", {})


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("a.py", 3, "bad"), "a.py:3: bad"),
        (Fault("a.py", 0, "bad"), "a.py: bad"),
        (Fault("link", 0, "left out", is_warning=True), "link: warning: left out"),
    ],
)
def test_a_fault_reads_as_place_and_reason(fault: Fault, text: str) -> None:
    assert str(fault) == text
