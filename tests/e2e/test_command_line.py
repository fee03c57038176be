"""The command line as people use it: real processes in a real work tree."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import Repository
from tests.support.server import TOKEN, a_server


def livegraft(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "livegraft", *words],
        cwd=folder,
        env={**os.environ, "LIVEGRAFT_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Repository:
    repository = Repository.create(tmp_path / "scripts")
    repository.write(
        {
            "reports/daily.py": """
                def run(count: int = 2, loud: bool = False) -> dict[str, object]:
                    for line in range(count):
                        print("line", line)
                    return {"count": count, "loud": loud}
                """,
            "broken.py": "import os\ndef run(: pass\n",
            "raises.py": "def run():\n    raise ValueError('no stock')\n",
        }
    )
    return repository


def test_check_lists_every_fault_as_path_line_and_reason_and_fails(tree: Repository) -> None:
    done = livegraft(tree.path, "check")

    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("broken.py:2: ")
    assert done.stdout.splitlines()[-1] == "3 scripts, 1 fault"
    assert done.stderr == ""


def test_check_of_the_folder_above_looks_there(tree: Repository) -> None:
    (tree.path / "reports" / "deep").mkdir()

    done = livegraft(tree.path / "reports" / "deep", "check", "../..")

    assert done.returncode == 1
    assert done.stdout.startswith("broken.py:2: ")


def test_what_a_server_keeps_in_the_tree_is_neither_checked_nor_committed(tree: Repository) -> None:
    tree.commit()
    before = livegraft(tree.path, "check").stdout
    with a_server(tree.path, tree.path):
        pass

    assert livegraft(tree.path, "check").stdout == before
    assert tree.git("status", "--porcelain") == "?? server.log"


def test_check_fails_in_a_tree_that_cannot_be_read(tree: Repository) -> None:
    (tree.path / ".git" / "HEAD").unlink()

    done = livegraft(tree.path, "check")

    assert done.returncode == 5
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_run_streams_the_output_and_prints_the_result(tree: Repository) -> None:
    done = livegraft(tree.path, "run", "reports/daily", "--count", "1", "--loud")

    assert done.stdout == 'line 0\n{\n  "count": 1,\n  "loud": true\n}\n'
    assert (done.returncode, done.stderr) == (0, "")


def test_run_for_programs_is_one_json_value(tree: Repository) -> None:
    done = livegraft(tree.path, "run", "--json", "reports/daily", "--count", "1")

    assert json.loads(done.stdout) == {
        "state": "succeeded",
        "result": {"count": 1, "loud": False},
        "error": None,
        "output": "line 0\n",
    }


def test_an_interrupt_asks_the_run_to_stop(tree: Repository) -> None:
    script = """
        import time
        from livegraft import cancelled

        def run():
            print("begun", flush=True)
            while not cancelled():
                time.sleep(0.01)
            print("tidied up")
        """
    tree.write({"waits.py": script})
    command = [sys.executable, "-m", "livegraft", "run", "waits"]
    with subprocess.Popen(
        command, cwd=tree.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n"

        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 1
        assert process.stdout.read() == "tidied up\n"
        assert process.stderr.read() == "cancelled: cancelled by cli\n"


def test_run_prints_long_output_letter_by_letter(tree: Repository) -> None:
    tree.write({"long.py": "def run():\n    print('x' + 'ä' * 100_000)\n"})

    done = livegraft(tree.path, "run", "long")

    assert done.stdout == "x" + "ä" * 100_000 + "\n"


def test_a_script_that_ends_its_process_at_import_is_refused_and_others_run(tree: Repository) -> None:
    tree.write({"ends.py": "import os\nos._exit(7)\ndef run(): ..."})

    refused = livegraft(tree.path, "run", "ends")
    runs = livegraft(tree.path, "run", "reports/daily", "--count", "1")

    assert refused.returncode == 1
    assert "ends.py:2: the import ended the process that probed it" in refused.stderr
    assert runs.returncode == 0, runs.stderr


def test_run_of_a_script_that_raises_fails_with_its_traceback(tree: Repository) -> None:
    done = livegraft(tree.path, "run", "raises")

    assert done.returncode == 1
    assert 'File "raises.py", line 2' in done.stderr
    assert "ValueError: no stock" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["run", "reports/dialy"], 3, "did you mean 'reports/daily'?"),
        (["run", "broken"], 1, "broken.py:2"),
        (["run", "reports/daily", "--cuont", "1"], 2, "did you mean 'count'?"),
        (["run", "reports/daily", "--count", "many"], 2, "count: "),
        (["run"], 2, "expected the name of a script"),
        (["list", "--url", "http://127.0.0.1:1"], 5, "expected a livegraft server at http://127.0.0.1:1"),
        (["serve", ".", "--listen", "127.0.0.1"], 2, "expected --listen HOST:PORT"),
        (["serve", ".", "--listen", "127.0.0.1:65536"], 2, "expected --listen HOST:PORT"),
    ],
)
def test_an_error_is_one_line_and_a_status(tree: Repository, words: list[str], status: int, told: str) -> None:
    done = livegraft(tree.path, *words)

    assert done.returncode == status
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_without_a_script_is_about_the_command(tree: Repository) -> None:
    done = livegraft(tree.path, "run", "--help")

    assert done.returncode == 0
    assert "--provide NAME=MODULE:ATTRIBUTE" in " ".join(done.stdout.split())


def test_help_of_a_script_shows_its_parameters(tree: Repository) -> None:
    done = livegraft(tree.path, "run", "reports/daily", "--help")

    assert done.returncode == 0
    assert "--count integer" in done.stdout
    assert "(default 2)" in done.stdout


def test_a_server_answers_as_soon_as_its_link_is_printed_and_ends_with_status_0(
    tree: Repository, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "livegraft", "serve", ".", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"],
        cwd=tree.path,
        env={**os.environ, "LIVEGRAFT_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        link = server.stdout.readline().split()[-1]

        try:
            assert link.startswith(f"{url}/login?token=")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            assert httpx.get(f"{url}/api/v1/scripts", headers=headers, timeout=20).status_code == 200

            server.terminate()
            assert server.wait(60) == 0
        finally:
            server.kill()


def test_a_server_ends_also_when_it_is_told_to_before_it_serves(tree: Repository, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "livegraft", "serve", ".", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"],
        cwd=tree.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            server.terminate()
            assert server.wait(60) == 0
        finally:
            server.kill()


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_printed_as_browsers_want_it(tree: Repository, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "livegraft", "serve", ".", "--data", str(tmp_path / "data"), "--listen", "[::1]:0"],
        cwd=tree.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert "http://[::1]:" in server.stdout.readline()
        server.kill()


LEAVES = """
from livegraft import artifacts

def run():
    (artifacts() / "more").mkdir()
    (artifacts() / "more" / "report.txt").write_text("hello")
    return [{"name": "a\\tb", "n": 1}, {"name": None, "n": 20}]
"""


def test_run_shows_a_table_as_text_and_keeps_files_where_it_is_told(tree: Repository, tmp_path: Path) -> None:
    (tree.path / "leaves.py").write_text(LEAVES)

    done = livegraft(tree.path, "run", "--artifacts", str(tmp_path / "left"), "leaves")

    assert [line.split() for line in done.stdout.splitlines()] == [["name", "n"], ["a\\tb", "1"], ["20"]]
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "left" / "more" / "report.txt").read_text() == "hello"


def test_run_says_that_files_are_dropped(tree: Repository) -> None:
    (tree.path / "leaves.py").write_text(LEAVES)

    done = livegraft(tree.path, "run", "leaves")

    assert done.stderr == "1 files are dropped, keep them with --artifacts FOLDER: more/report.txt\n"
