"""A remote that is down, slow, hostile to us or changed: what is here stays readable, and the reason is told."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from livegraft.errors import MirrorError
from livegraft.mirror.git import GitMirror
from tests.support import Repository, eventually
from tests.support.git_server import GitServer, serving

Follow = Callable[..., GitMirror]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    mirrors: list[GitMirror] = []

    def follow(address: str, **settings: object) -> GitMirror:
        mirrors.append(GitMirror(address, folder=tmp_path / "data" / "mirror", **settings))  # type: ignore[arg-type]
        return mirrors[-1]

    yield follow
    for mirror in mirrors:
        mirror.close()


def failure_of(mirror: GitMirror) -> MirrorError:
    with pytest.raises(MirrorError) as caught:
        mirror.fetch()
    return caught.value


def processes_that_name(text: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if text in " ".join(process.info["cmdline"] or ())]


def test_a_repository_is_fetched_over_http(repository: Repository, server: GitServer, follow: Follow) -> None:
    id = repository.commit_files({"a.py": "1\n"})
    mirror = follow(server.address("repository"))

    assert mirror.fetch().id == id
    assert set(mirror.snapshot(mirror.fetch()).files) == {"a.py"}


def test_without_a_token_a_closed_repository_is_refused(
    repository: Repository, server: GitServer, follow: Follow
) -> None:
    repository.commit()
    server.token = "right"

    failure = failure_of(follow(server.address("repository")))

    assert failure.kind == "refused"
    assert "LIVEGRAFT_GIT_TOKEN" in failure.reason


def test_a_wrong_token_is_refused_and_not_shown(repository: Repository, server: GitServer, follow: Follow) -> None:
    repository.commit()
    server.token = "right"

    failure = failure_of(follow(server.address("repository"), token="canary-wrong"))

    assert failure.kind == "refused"
    assert "canary" not in str(failure)
    assert "x-access-token:canary-wrong" in server.seen_credentials, "it was tried"


def test_the_right_token_is_let_in(repository: Repository, server: GitServer, follow: Follow) -> None:
    id = repository.commit()
    server.token = "right"

    assert follow(server.address("repository"), token="right").fetch().id == id


def test_a_user_name_goes_with_the_token(repository: Repository, server: GitServer, follow: Follow) -> None:
    repository.commit()
    server.token = "right"

    follow(server.address("repository"), token="dana:right").fetch()

    assert "dana:right" in server.seen_credentials


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [(403, "refused", "token"), (404, "refused", "check the address"), (429, "unreachable", "less often"),
     (500, "unreachable", "asked again"), (503, "unreachable", "asked again"), (302, "unreachable", "redirect")],
)  # fmt: skip
def test_each_answer_that_is_none_has_its_own_words(
    repository: Repository, server: GitServer, follow: Follow, status: int, kind: str, word: str
) -> None:
    repository.commit()
    server.status = status

    failure = failure_of(follow(server.address("repository")))

    assert failure.kind == kind
    assert word in failure.reason


def test_a_server_that_is_down_is_unreachable_until_it_is_up(
    repository: Repository, tmp_path: Path, follow: Follow
) -> None:
    repository.commit_files({"a.py": "1\n"})
    with serving(tmp_path) as server:
        mirror = follow(server.address("repository"))
        first = mirror.fetch()
        port = server.server_address[1]
    new = repository.commit_files({"a.py": "2\n"})

    assert failure_of(mirror).kind == "unreachable"
    assert mirror.tip() == first
    assert mirror.read(mirror.snapshot(first).files["a.py"]) == b"1\n"

    with serving(tmp_path, port):
        assert mirror.fetch().id == new


def test_a_silent_server_is_cut_at_the_deadline_and_leaves_nothing_behind(tmp_path: Path, follow: Follow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/scripts"
        mirror = follow(address, first_deadline_seconds=0.5)

        started = time.monotonic()
        failure = failure_of(mirror)

        assert failure.kind == "timeout"
        assert "within 0.5 s" in failure.reason
        assert time.monotonic() - started < 30
        eventually(lambda: not processes_that_name(address), what="git and its helper are gone")
    assert not list((tmp_path / "data" / "mirror").rglob("tmp_*"))


def test_reading_goes_on_while_a_fetch_hangs(repository: Repository, server: GitServer, follow: Follow) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror = follow(server.address("repository"))
    tip = mirror.fetch()
    server.gate.clear()
    server.waiting.clear()
    fetching = threading.Thread(target=mirror.fetch)
    fetching.start()
    assert server.waiting.wait(60)

    content = mirror.read(mirror.snapshot(tip).files["a.py"])

    assert fetching.is_alive(), "it was read during the fetch"
    assert content == b"1\n"
    server.gate.set()
    fetching.join()


def test_closing_cuts_a_hanging_fetch_short(repository: Repository, server: GitServer, follow: Follow) -> None:
    repository.commit()
    server.gate.clear()
    mirror = follow(server.address("repository"))
    failures: list[MirrorError] = []
    fetching = threading.Thread(target=lambda: failures.append(failure_of(mirror)))
    fetching.start()
    assert server.waiting.wait(60)

    mirror.close()
    fetching.join(60)

    assert [failure.kind for failure in failures] == ["timeout"]
    assert "closed" in failures[0].reason


def test_a_server_that_hangs_up_in_the_middle_is_unreachable(follow: Follow) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def hang_up() -> None:
            connection, _ = rude.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n001e# service")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        failure = failure_of(follow(f"http://127.0.0.1:{rude.getsockname()[1]}/scripts"))
        thread.join()

    assert failure.kind == "unreachable"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, follow: Follow) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(tmp_path) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        failure = failure_of(follow(f"https://localhost:{server.server_address[1]}/repository"))

    assert failure.kind == "refused"
    assert "certificate" in failure.reason


def test_a_branch_that_is_gone_is_told_and_what_it_held_stays(
    repository: Repository, tmp_path: Path, follow: Follow
) -> None:
    repository.commit_files({"a.py": "1\n"})
    mirror = follow(str(repository.path))
    tip = mirror.fetch()
    repository.git("checkout", "-q", "-b", "renamed")
    repository.git("branch", "-q", "-D", "main")

    failure = failure_of(mirror)

    assert failure.kind == "branch_gone"
    assert "'main'" in failure.reason
    assert mirror.tip() == tip
    assert mirror.read(mirror.snapshot(tip).files["a.py"]) == b"1\n"


class FakeSsh:
    """A program called ssh that notes how it is called and runs the far end here, or answers with an error."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes = folder / "notes"
        self._program = folder / "ssh"
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def obey(self) -> None:
        self._write('for last; do :; done; eval "exec $last"')

    def fail(self, words: str) -> None:
        self._write(f'echo "{words}" >&2; exit 255')

    def _write(self, deed: str) -> None:
        self._program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {self.notes}\nenv >> {self.notes}\n{deed}\n')
        self._program.chmod(0o755)


def test_over_ssh_host_keys_are_checked_and_no_settings_of_the_account_count(
    repository: Repository, tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = repository.commit()
    ssh = FakeSsh(tmp_path / "bin", monkeypatch)
    ssh.obey()

    assert follow(f"git@example.com:{repository.path}", token="canary").fetch().id == id

    noted = ssh.notes.read_text().splitlines()
    assert {"-oStrictHostKeyChecking=yes", "-oBatchMode=yes", "none", "git@example.com"} <= set(noted)
    assert "canary" not in ssh.notes.read_text(), "the token is for https alone"


@pytest.mark.parametrize(
    ("words", "told"),
    [("git@example.com: Permission denied (publickey).", "key"), ("Host key verification failed.", "known_hosts")],
)
def test_what_ssh_refuses_is_told_apart(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    FakeSsh(tmp_path / "bin", monkeypatch).fail(words)

    failure = failure_of(follow("ssh://git@example.com/scripts"))

    assert failure.kind == "refused"
    assert told in failure.reason
