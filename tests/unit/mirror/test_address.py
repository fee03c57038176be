from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livegraft.errors import ConfigurationError
from livegraft.mirror.address import check_branch, hide_userinfo, parse_address


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("https://example.com/team/scripts.git", "https"),
        ("https://example.com:8443/scripts", "https"),
        ("https://[2001:db8::1]/scripts", "https"),
        ("ssh://git@example.com/team/scripts.git", "ssh"),
        ("ssh://git@example.com:2222/~dana/scripts", "ssh"),
        ("git@example.com:team/scripts.git", "ssh"),
        ("example.com:scripts", "ssh"),
        ("http://127.0.0.1:8000/scripts", "http"),
        ("http://localhost/scripts", "http"),
        ("http://[::1]:8000/scripts", "http"),
    ],
)
def test_an_address_of_a_remote_is_taken_as_it_stands(text: str, protocol: str) -> None:
    address = parse_address(text)

    assert (address.text, address.protocol, address.folder) == (text, protocol, None)


def test_a_local_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    address = parse_address("./scripts")

    assert address.folder == tmp_path / "scripts"
    assert (address.text, address.protocol) == (str(tmp_path / "scripts"), "file")


def test_a_path_with_a_colon_is_no_remote_when_it_begins_as_a_path() -> None:
    assert parse_address("/srv/a:b").folder == Path("/srv/a:b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-oProxyCommand=touch /tmp/x",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "::x",
        "file:///etc",
        "git://example.com/scripts",
        "ftp://example.com/scripts",
        "http://example.com/scripts",
        "http://127.0.0.1.example.com/scripts",
        "http://localhost.example.com/scripts",
        "https:///scripts",
        "https://example.com",
        "https://example.com/",
        "https://-example.com/scripts",
        "https://example.com/scripts?token=x",
        "https://example.com/scripts#x",
        "https://example.com:0/scripts",
        "https://example.com:99999/scripts",
        "https://example.com:x/scripts",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "https://example.com/\u202escripts",
        "https://exa mple.com/scripts",
        "https://example.com\\@evil.example/scripts",
        "ssh://-oProxyCommand=x/scripts",
        "ssh://-x@example.com/scripts",
        "ssh://git:secret@example.com/scripts",
        "ssh://example.com/scripts;x",
        "ssh://example.com/$(x)",
        "-x@example.com:scripts",
        "git@-example.com:scripts",
        "git@example.com:-x",
        "git@example.com:",
        "git@example.com:a b",
        "git@example.com:$(x)",
        "a\0b",
        "a\nb",
    ],
)
def test_any_other_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://dana:canary@example.com/scripts",
        "https://canary@example.com/scripts",
        "https://dana:can@ary/canary@example.com/scripts",
        "ssh://git:canary@example.com/scripts",
        "git:canary@example.com:scripts",
        "ftp://dana:canary@example.com/scripts",
        "https://dana:canary@example.com/a b",
        "https://dana:canary@example.com:x/scripts",
    ],
)
def test_a_refusal_does_not_show_credentials(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address(text)

    assert "canary" not in str(caught.value)


@given(st.text(alphabet="-:/@.a1[]~%?# \n$;", max_size=40))
def test_whatever_is_configured_git_gets_no_option_and_no_transport_of_its_own(text: str) -> None:
    try:
        address = parse_address(text)
    except ConfigurationError:
        return
    assert address.protocol in ("https", "http", "ssh", "file")
    assert not address.text.startswith("-")
    assert address.protocol != "file" or address.text.startswith("/")
    assert address.protocol == "file" or not re.match(r"[A-Za-z0-9+.-]*::", address.text)


@pytest.mark.parametrize("name", ["main", "team/live", "release-1.2", "a_b", "v1.0+hot", "2026"])
def test_a_branch_is_named_as_people_name_it(name: str) -> None:
    assert check_branch(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-x", "--upload-pack=x", "a..b", "a b", "a:b", "a^", "a~1", "@{u}", "a@{1}", "/a", "a/", "a//b", ".a", "a/.b",
     "a.lock", "a.", "refs/heads/main", "a\nb", "a\0b", "*", "a?", "[a]", "a\\b", "x" * 300, "täg"],
)  # fmt: skip
def test_any_other_name_of_a_branch_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        check_branch(name)


def test_the_userinfo_of_every_url_in_a_text_is_hidden() -> None:
    text = "fatal: unable to access 'https://dana:pa@ss@example.com/x' and ssh://git@example.com/y"

    assert hide_userinfo(text) == "fatal: unable to access 'https://***@example.com/x' and ssh://***@example.com/y"
