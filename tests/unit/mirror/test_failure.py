from __future__ import annotations

import pytest

from livegraft.mirror.failure import explain, telling


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ("fatal: couldn't find remote ref refs/heads/main", "branch_gone"),
        ("fatal: Authentication failed for 'https://example.com/x/'", "refused"),
        ("fatal: could not read Username for 'https://example.com': terminal prompts disabled", "refused"),
        ("fatal: unable to access 'https://example.com/x/': The requested URL returned error: 403", "refused"),
        ("remote: Repository not found.\nfatal: repository 'https://example.com/x/' not found", "refused"),
        ("git@example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.", "refused"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "refused"),
        ("fatal: unable to access 'https://example.com/': SSL certificate problem: self-signed", "refused"),
        ("fatal: unable to access 'https://example.com/': The requested URL returned error: 429", "unreachable"),
        ("fatal: unable to access 'https://example.com/': The requested URL returned error: 503", "unreachable"),
        ("fatal: unable to access 'https://example.com/': The requested URL returned error: 301", "unreachable"),
        ("fatal: unable to access 'https://example.com/': Could not resolve host: example.com", "unreachable"),
        ("ssh: connect to host example.com port 22: Connection refused", "unreachable"),
        ("ssh: connect to host example.com port 22: Connection timed out", "timeout"),
        ("error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec", "timeout"),
        ("fatal: '/srv/x' does not appear to be a git repository", "unreachable"),
        ("fatal: the remote end hung up unexpectedly", "unreachable"),
        ("error: index-pack died of signal 25", "unreachable"),
    ],
)
def test_what_git_says_of_the_remote_is_told_apart(errors: str, kind: str) -> None:
    found = explain(errors, address="ADDRESS", branch="main")

    assert found is not None
    assert found[0] == kind
    assert found[1].startswith("expected")
    assert "ADDRESS" in found[1]


@pytest.mark.parametrize(
    "errors",
    ["", "fatal: bad object refs/livegraft/main", "fatal: not a git repository: '/data/mirror'",
     "error: object file objects/ab/cd is empty", "fatal: pack has bad object at offset 12: inflate returned -3"],
)  # fmt: skip
def test_what_git_says_of_the_mirror_itself_is_left_to_a_check(errors: str) -> None:
    assert explain(errors, address="ADDRESS", branch="main") is None


def test_a_message_holds_the_telling_lines_and_nothing_that_moves_a_cursor() -> None:
    errors = "hint: much advice\nremote: \x1b[2Jno\rfatal: it failed\nfatal: " + "x" * 5000

    told = telling(errors)

    assert told.startswith("remote: ?[2Jno; fatal: it failed; ")
    assert len(told) <= 600
