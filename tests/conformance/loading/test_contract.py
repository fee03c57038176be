"""Case 12: a commit that breaks what the host requires is refused before the switch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Protocol

import pytest

from livegraft import Supervisor
from livegraft.catalog import ScriptState
from livegraft.errors import ConfigurationError, ContractError, NotRunnableError
from livegraft.store import Outcome, ScriptOutcome
from livegraft.version import VersionState
from tests.support import Repository
from tests.support.host import Host, a_host

QUOTE = "def quote(order, currency='EUR'): return ('old', order, currency)"


class Pricing(Protocol):
    rate: int

    def quote(self, order: int, currency: str = "EUR") -> object: ...

    async def refresh(self) -> None: ...


def failure(outcome: ScriptOutcome) -> Any:
    assert outcome.outcome is Outcome.FAILED
    return outcome.failure


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("VAT = 1\n", 0, "got: no 'quote'"),
        ("VAT = 1\ndef quotes(order, currency='EUR'): ...", 2, "got: no 'quote' (but 'quotes')"),
        ("\ndef quote(order): ...", 2, "got: (order); a call with"),
        ("def quote(order, currency): ...", 1, "missing a required argument: 'currency'"),
        ("def quote(order, money='EUR'): ...", 1, "got an unexpected keyword argument 'currency'"),
        ("async def quote(order, currency='EUR'): ...", 1, "its caller does not await it"),
        ("quote = 5", 0, "got: a value of type int; it cannot be called"),
    ],
    ids=["removed", "renamed", "parameter gone", "no default", "parameter renamed", "async", "no function"],
)
def test_case_12_a_commit_that_breaks_a_required_function_is_refused(
    host: Host, text: str, line: int, told: str
) -> None:
    host.take({"pricing.py": QUOTE, "s.py": "import pricing\ndef run(): return pricing.quote(1)"})
    host.supervisor.require("pricing:quote", "(order, currency='EUR')")

    done = host.take({"pricing.py": text})

    commit = host.repository.git("rev-parse", "HEAD")[:8]
    found = failure(done["pricing"])
    assert (found.type, found.path, found.line) == ("contract", "pricing.py", line)
    assert "expected pricing:quote to be (order, currency='EUR'), as the host requires" in found.message
    assert told in found.message
    assert f"(in {commit} by Dana Author)" in found.message
    assert host.live.pricing.quote(1) == ("old", 1, "EUR")
    assert failure(done["s"]) == found
    assert host.live.s.run() == ("old", 1, "EUR")


def test_case_12_what_takes_every_call_that_was_taken_goes_live(host: Host) -> None:
    host.take({"pricing.py": QUOTE})
    host.supervisor.require("pricing:quote", "(order, currency='EUR')")

    done = host.take({"pricing.py": "def quote(order, currency='USD', *rest, gift=False): return ('new', currency)"})

    assert done["pricing"].outcome is Outcome.LOADED
    assert host.live.pricing.quote(1) == ("new", "USD")


def test_case_12_a_script_that_breaks_it_fails_as_that_script(host: Host) -> None:
    host.take({"shop/pricing.py": f"{QUOTE}\ndef run(): return 'old'"})
    host.supervisor.require("shop/pricing:quote", "(order, currency='EUR')")
    key = host.key("shop/pricing")

    done = host.take({"shop/pricing.py": "def run(): return 'new'"})

    assert failure(done["shop/pricing"]).type == "contract"
    assert host.key("shop/pricing") == key
    assert host.supervisor.run("shop/pricing").result == "old"
    assert host.live.shop.pricing.quote(1) == ("old", 1, "EUR")


def test_case_12_the_commit_that_mends_it_goes_live_with_all_that_import_it(host: Host) -> None:
    host.take({"pricing.py": QUOTE, "s.py": "import pricing\ndef run(): return pricing.quote(1)"})
    host.supervisor.require("pricing:quote", "(order, currency='EUR')")
    host.take({"pricing.py": "", "other.py": "def run(): return 1"})

    host.take({"other.py": "def run(): return 2"})
    assert host.supervisor.script("pricing").error is not None

    done = host.take({"pricing.py": QUOTE.replace("old", "mended")})

    assert (done["pricing"].outcome, done["s"].outcome) == (Outcome.LOADED, Outcome.LOADED)
    assert host.live.s.run() == host.live.pricing.quote(1) == ("mended", 1, "EUR")
    assert [script.name for script in host.supervisor.scripts] == ["other", "s"]


def test_case_12_a_refused_version_leaves_the_process(host: Host) -> None:
    host.take({"pricing.py": QUOTE})
    host.supervisor.require("pricing:quote", "(order, currency='EUR')")

    refused = host.take({"pricing.py": "def quote(): ..."})["pricing"].key

    host.wait_for("pricing", refused, VersionState.UNLOADED)


def test_case_12_a_file_that_is_removed_goes_on_serving_the_host_and_is_no_script_any_more(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.take({"pricing.py": f"{QUOTE}\ndef run(): return 1", "s.py": "def run(): return 1"})
    host.supervisor.require("pricing:quote")

    done = host.remove("pricing.py")

    assert "got: no such file" in failure(done["pricing"]).message
    assert any(" did not load: pricing.py: expected pricing:quote" in text for text in caplog.messages)
    assert host.live.pricing.quote(1) == ("old", 1, "EUR")
    assert host.supervisor.release is not None
    assert list(host.supervisor.release.scripts) == ["s"]
    status = host.supervisor.script("pricing")
    assert status.state is ScriptState.FAILED
    assert status.version is not None  # it serves the host
    with pytest.raises(NotRunnableError, match="expected pricing to be a script, it is a module"):
        host.supervisor.run("pricing")


def test_case_12_every_member_of_a_protocol_is_required(host: Host) -> None:
    good = f"rate = 1\n{QUOTE}\nasync def refresh(): ..."
    host.take({"pricing.py": good})
    host.supervisor.require("pricing", Pricing)

    for broken, told in (
        (good.replace("rate", "rates"), "expected pricing:rate to be there"),
        (good.replace("order", "what"), "expected pricing:quote to be (order"),
        (good.replace("async ", ""), "expected pricing:refresh to be async ()"),
    ):
        assert told in failure(host.take({"pricing.py": broken})["pricing"]).message
    assert host.take({"pricing.py": good + "\nmore = 1"})["pricing"].outcome is Outcome.LOADED


def test_case_12_methods_of_a_class_can_be_required(host: Host) -> None:
    host.take({"pricing.py": "class Cart:\n    def total(self, vat=True): return 1"})
    host.supervisor.require("pricing:Cart.total", "(self, /, vat=True)")

    done = host.take({"pricing.py": "class Cart:\n    def total(self): return 1"})

    assert failure(done["pricing"]).line == 2


def test_case_12_what_is_missing_at_the_start_is_shown_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"s.py": "def run(): return 1"})
    supervisor = Supervisor(repository.path, data=tmp_path / "data", poll_seconds=3600)
    supervisor.require("pricing:quote")

    with caplog.at_level(logging.WARNING), supervisor:
        status = supervisor.script("pricing")
        assert status.state is ScriptState.FAILED
        assert status.error is not None
        assert status.error.failure.type == "contract"
        assert "pricing.py" in caplog.text
        assert supervisor.run("s").result == 1

        repository.commit_files({"pricing.py": QUOTE})
        supervisor.sync()
        assert supervisor.live.pricing.quote(1) == ("old", 1, "EUR")
        assert [script.name for script in supervisor.scripts] == ["s"]


def test_case_12_a_process_that_starts_on_the_bad_commit_takes_the_last_good_version(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit_files({"pricing.py": QUOTE})
    for text, key in ((QUOTE, "old"), ("def quote(): return 'bad'", "old")):
        repository.commit_files({"pricing.py": text})
        supervisor = Supervisor(repository.path, data=tmp_path / "data", poll_seconds=3600)
        supervisor.require("pricing:quote", "(order, currency='EUR')")
        with supervisor:
            assert supervisor.live.pricing.quote(1)[0] == key


def test_case_12_requiring_what_the_live_release_lacks_is_an_error_at_once(host: Host) -> None:
    host.take({"pricing.py": QUOTE})

    with pytest.raises(ContractError, match="expected pricing:total to be there") as caught:
        host.supervisor.require("pricing:total")
    assert caught.value.author == "Dana Author"
    with pytest.raises(ContractError, match="no such file"):
        host.supervisor.require("prices:quote")

    host.take({"pricing.py": "def quote(): return 'free'"})
    assert host.live.pricing.quote() == "free"


@pytest.mark.parametrize("target", ["pricing", "pricing:", "a b:c", "pricing:2"])
def test_a_target_that_names_no_function_is_refused(tmp_path: Path, target: str) -> None:
    with a_host(tmp_path) as host, pytest.raises(ConfigurationError, match="pricing"):
        host.supervisor.require(target)
