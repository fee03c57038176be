"""The story that livegraft began with, told through the command line and the API with real Git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Repository, eventually
from tests.support.server import Server, a_server

PLUGINS = "abcde"


def plugin(letter: str, word: str = "hello") -> str:
    return f"from lib.greeting import greet\ndef run():\n    return greet('{word}', '{letter}')\n"


GREETING = "def greet(word, name):\n    text = f'{word} from plugin {name}'\n    print(text)\n    return text\n"


class Story:
    def __init__(self, repository: Repository, server: Server) -> None:
        self.repository, self.server = repository, server

    def commit(self, files: dict[str, str]) -> dict[str, str]:
        """Commit, sync by the command line, and tell what that did to which script."""
        self.repository.commit_files(files)
        return self.sync()

    def sync(self) -> dict[str, str]:
        return {name: what for name, what in self.server.sync().items() if what != "unchanged"}

    def key(self, name: str) -> str:
        key: str = self.server.scripts()[name]["version"]["key"]
        return key

    def state(self, name: str, key: str) -> str | None:
        found = {
            each["key"]: each["state"] for each in self.server.get("/versions")["versions"] if each["name"] == name
        }
        return found.get(key)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    repository = Repository.create(tmp_path / "plugins")
    files = {f"plugin_{letter}.py": plugin(letter) for letter in PLUGINS}
    repository.commit_files({**files, "lib/greeting.py": GREETING, "README.md": "five plugins\n"})
    with a_server(repository.path, tmp_path) as server:
        yield Story(repository, server)


def test_five_plugins_are_cloned_found_loaded_and_run(story: Story) -> None:
    assert story.sync() == {f"plugin_{letter}": "loaded" for letter in PLUGINS}
    for letter in PLUGINS:
        run = story.server.run(f"plugin_{letter}")
        assert (run["state"], run["result"]) == ("succeeded", f"hello from plugin {letter}")
        assert story.server.text(f"/runs/{run['id']}/output") == f"hello from plugin {letter}\n"
    listed = story.server.cli("list")
    assert all(f"plugin_{letter}" in listed for letter in PLUGINS)


def test_a_second_sync_loads_nothing_again(story: Story) -> None:
    story.sync()
    before = story.server.scripts()

    assert story.sync() == {}
    assert story.server.scripts() == before


def test_one_changed_plugin_is_loaded_runs_anew_and_the_old_one_is_unloaded(story: Story) -> None:
    story.sync()
    old = story.key("plugin_c")
    story.server.run("plugin_c")

    assert story.commit({"plugin_c.py": plugin("c", "good morning")}) == {"plugin_c": "loaded"}

    assert story.server.run("plugin_c")["result"] == "good morning from plugin c"
    eventually(lambda: story.state("plugin_c", old) == "unloaded", what="the old version is gone")


def test_a_deleted_plugin_is_gone_and_its_history_stays(story: Story) -> None:
    run = story.server.run("plugin_b")
    story.sync()
    story.repository.delete("plugin_b.py")
    story.repository.commit("retire b")

    assert story.sync() == {"plugin_b": "removed"}

    assert "plugin_b" not in story.server.scripts()
    error = story.server.post("/scripts/plugin_b/runs", allow_errors=True)["error"]
    assert error["code"] == "not_found"
    assert story.server.get(f"/runs/{run['id']}")["state"] == "succeeded"


def test_a_revert_brings_the_old_key_back(story: Story) -> None:
    story.sync()
    key = story.key("plugin_a")
    story.commit({"plugin_a.py": plugin("a", "bye")})
    assert story.key("plugin_a") != key

    story.repository.git("revert", "--no-edit", "HEAD")
    story.sync()

    assert story.key("plugin_a") == key
    assert story.server.run("plugin_a")["result"] == "hello from plugin a"


def test_a_changed_helper_loads_exactly_its_dependents(story: Story) -> None:
    story.commit({"alone.py": "def run(): return 'alone'"})

    did = story.commit({"lib/greeting.py": GREETING.replace("from plugin", "from the plugin")})

    assert did == {f"plugin_{letter}": "loaded" for letter in PLUGINS}
    assert story.server.run("plugin_e")["result"] == "hello from the plugin e"


def test_a_file_that_loses_its_run_is_no_script_any_more(story: Story) -> None:
    story.sync()

    assert story.commit({"plugin_d.py": "def walk(): ...\n"}) == {"plugin_d": "removed"}
    assert "plugin_d" not in story.server.scripts()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("def run(:\n", "SyntaxError"),
        ("import lib.nowhere\ndef run(): ...\n", "No module named"),
        ("1 / 0\ndef run(): ...\n", "division by zero"),
        ("import sys\nsys.exit(3)\ndef run(): ...\n", "SystemExit"),
        ("while True: pass\ndef run(): ...\n", "did not end within"),
    ],
    ids=["syntax error", "import error", "exception", "sys.exit", "endless import"],
)
def test_a_bad_commit_leaves_the_last_good_version_and_the_next_good_one_goes_live(
    story: Story, broken: str, says: str
) -> None:
    story.sync()
    key = story.key("plugin_a")

    assert story.commit({"plugin_a.py": broken}) == {"plugin_a": "failed"}

    script = story.server.scripts()["plugin_a"]
    assert (script["state"], script["version"]["key"]) == ("live", key)
    assert says in script["error"]["message"]
    assert script["error"]["path"] == "plugin_a.py"
    assert script["error"]["author"] == "Dana Author"
    assert story.server.run("plugin_a")["result"] == "hello from plugin a"

    assert story.commit({"plugin_a.py": plugin("a", "mended")}) == {"plugin_a": "loaded"}
    assert story.server.run("plugin_a")["result"] == "mended from plugin a"


def test_the_command_line_tells_the_story_too(story: Story) -> None:
    story.repository.commit_files({"plugin_a.py": "def run(:\n"})

    assert "failed    plugin_a plugin_a.py:1: SyntaxError" in story.server.cli("sync")
    assert "newer version failed" in story.server.cli("list")
    assert "change" in story.server.cli("releases")
    run = story.server.run("plugin_b")["id"]
    assert story.server.cli("logs", run) == "hello from plugin b\n"
    assert "did you mean 'plugin_a'" in story.server.cli("start", "plugin_aa", expect=3)
