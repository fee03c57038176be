from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import psutil
import pytest

from livegraft.errors import ConfigurationError
from livegraft.mirror.command import OUTPUT_BYTES, Git, hardened_environment
from tests.support import Repository, eventually


def git_in(folder: Path, protocol: str = "file") -> Git:
    environment = hardened_environment(protocol, home="/nonexistent", global_settings=os.devnull)
    return Git((), environment, folder=folder)


def test_a_command_gives_its_exit_status_output_and_errors(repository: Repository) -> None:
    good = git_in(repository.path).run("rev-parse", "--git-dir", deadline_seconds=60)
    bad = git_in(repository.path).run("rev-parse", "--verify", "nothing", deadline_seconds=60)

    assert (good.code, good.output, good.errors) == (0, b".git\n", "")
    assert (bad.code, bad.output) == (128, b"")
    assert "fatal" in bad.errors


def test_nothing_of_the_hosts_environment_reaches_git_but_what_the_network_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch /tmp/x")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "touch /tmp/x")
    monkeypatch.setenv("DATABASE_PASSWORD", "canary")
    monkeypatch.setenv("https_proxy", "http://proxy.example.com")

    environment = hardened_environment("https", home="/nonexistent", global_settings=os.devnull)

    assert environment["GIT_SSH_COMMAND"].startswith("ssh -F none")
    assert environment["https_proxy"] == "http://proxy.example.com"
    assert not {"GIT_EXTERNAL_DIFF", "DATABASE_PASSWORD"} & set(environment)


def test_ssh_checks_host_keys_and_asks_nobody() -> None:
    command = hardened_environment("ssh", home="/nonexistent", global_settings=os.devnull)["GIT_SSH_COMMAND"]

    assert "-oStrictHostKeyChecking=yes" in command
    assert "-oBatchMode=yes" in command


def test_a_user_name_may_stand_before_the_token() -> None:
    given = hardened_environment("https", home="/", global_settings=None, token="x-token-auth:secret")

    assert (given["LIVEGRAFT_GIT_USER"], given["LIVEGRAFT_GIT_TOKEN"]) == ("x-token-auth", "secret")


def test_a_command_that_outlives_its_deadline_is_killed_with_its_helpers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/scripts"
        ended = git_in(tmp_path, "http").run("ls-remote", address, deadline_seconds=0.5)

        assert ended.code is None
        eventually(lambda: not processes_that_name(address), what="git and its helper are gone")


def test_a_command_is_cut_short_when_its_git_is_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        git = git_in(tmp_path, "http")
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/scripts"
        codes: list[int | None] = []
        thread = threading.Thread(
            target=lambda: codes.append(git.run("ls-remote", address, deadline_seconds=60).code), daemon=True
        )
        thread.start()
        eventually(lambda: processes_that_name(address), what="git has started")

        git.close()
        thread.join(60)

        assert codes == [None]
        eventually(lambda: not processes_that_name(address), what="git and its helper are gone")


def test_other_transports_than_the_one_of_the_address_are_refused(repository: Repository) -> None:
    ended = git_in(repository.path, "https").run("ls-remote", str(repository.path), deadline_seconds=60)

    assert ended.code == 128
    assert "transport 'file' not allowed" in ended.errors


def test_output_beyond_the_bound_is_not_kept(repository: Repository) -> None:
    repository.write({"big.txt": "x" * (OUTPUT_BYTES + 1000)})
    repository.commit()

    ended = git_in(repository.path).run("cat-file", "blob", "main:big.txt", deadline_seconds=60)

    assert ended.code == 0
    assert len(ended.output) == OUTPUT_BYTES


def test_a_machine_without_git_is_told_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match="install git"):
        git_in(tmp_path).run("version", deadline_seconds=1)


def processes_that_name(text: str) -> list[int]:
    return [process.pid for process in psutil.process_iter(["cmdline"]) if text in (process.info["cmdline"] or ())]
