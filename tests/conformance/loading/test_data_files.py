"""Files that are no Python: what stands beside a version's source is of the version's own commit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from livegraft.store import Outcome
from tests.support.host import Host

SHOP = {
    "shop/__init__.py": "",
    "shop/rates.json": "1",
    "shop/pages/mail.html": "<b>1</b>",
    "shop/mail.py": "",
    "s.py": "import shop.mail\ndef run(): return shop.mail.read()",
}

WAYS = {
    "with_name": "from pathlib import Path\ndef read(): return Path(__file__).with_name('rates.json').read_text()",
    "open": "import os\ndef read():\n    with open(os.path.dirname(__file__) + '/rates.json') as f: return f.read()",
    "sub-folder": "from pathlib import Path\n"
    "def read(): return (Path(__file__).parent / 'pages/mail.html').read_text()[3]",
    "files of the package": "from importlib.resources import files\n"
    "def read(): return files(__package__).joinpath('rates.json').read_text()",
    "files by a name": "import importlib.resources\n"
    "def read(): return (importlib.resources.files('shop') / 'pages' / 'mail.html').read_text()[3]",
    "files of the module": "import shop\nfrom importlib import resources\n"
    "def read(): return (resources.files(shop) / 'rates.json').read_text()",
    "read_text": "from importlib import resources\n"
    "def read():\n    with resources.as_file(resources.files('shop') / 'rates.json') as file: return file.read_text()",
    "get_data": "import pkgutil\ndef read(): return pkgutil.get_data(__package__, 'rates.json').decode()",
    "get_data by a name": "import pkgutil\ndef read(): return pkgutil.get_data('shop', 'pages/mail.html').decode()[3]",
    "get_data of the module": "import pkgutil\ndef read(): return pkgutil.get_data(__name__, 'rates.json').decode()",
}


@pytest.mark.parametrize("way", WAYS)
def test_files_of_a_package_are_read_in_every_way_by_each_version_as_of_its_commit(host: Host, way: str) -> None:
    host.take({**SHOP, "shop/mail.py": WAYS[way]})
    old = host.live.s

    done = host.take({"shop/rates.json": "2", "shop/pages/mail.html": "<b>2</b>"})

    assert done["s"].outcome is Outcome.LOADED
    assert (old.run(), host.live.s.run()) == ("1", "2")


def test_a_script_names_the_files_that_it_reads(host: Host) -> None:
    script = (
        '# /// script\n# [tool.livegraft]\n# files = ["prices.csv", "pages/**/*.html"]\n# ///\n'
        "from pathlib import Path\nHERE = Path(__file__).parent\n"
        "def run(): return HERE.joinpath('prices.csv').read_text(), sorted(p.name for p in HERE.rglob('*.html'))\n"
    )
    host.take(
        {"jobs/s.py": script, "jobs/prices.csv": "1", "jobs/pages/a/x.html": "", "jobs/other.csv": "", "top.csv": ""}
    )
    key = host.key("jobs/s")
    assert host.live.jobs.s.run() == ("1", ["x.html"])

    host.take({"jobs/other.csv": "no script reads it", "top.csv": "nor this"})
    assert host.key("jobs/s") == key

    host.take({"jobs/prices.csv": "2"})
    assert host.live.jobs.s.run() == ("2", ["x.html"])

    host.take({"jobs/pages/y.html": ""})
    assert host.live.jobs.s.run() == ("2", ["x.html", "y.html"])


def test_a_pattern_that_means_no_file_keeps_the_version_from_going_live(host: Host) -> None:
    script = (
        '# /// script\n# [tool.livegraft]\n# files = ["prices.csv"]\n# ///\n'
        "from pathlib import Path\ndef run(): return Path(__file__).with_name('prices.csv').read_text()\n"
    )
    host.take({"s.py": script, "prices.csv": "1"})

    done = host.remove("prices.csv")

    assert done["s"].outcome is Outcome.FAILED
    assert done["s"].failure is not None
    assert done["s"].failure.message == "expected files to name files of the commit, got none for: 'prices.csv'"
    assert host.live.s.run() == "1"


def test_data_files_belong_to_their_folder_only(host: Host) -> None:
    host.take({**SHOP, "shop/mail.py": WAYS["open"], "other/x.json": "1", "notes.json": "1"})
    key = host.key("s")

    done = host.take({"other/x.json": "2", "notes.json": "2"})

    assert done["s"].outcome is Outcome.UNCHANGED
    assert host.key("s") == key


def test_a_folder_with_a_program_of_its_own_still_belongs_to_the_package_around_it(host: Host) -> None:
    read = "from pathlib import Path\ndef text(): return (Path(__file__).parent / 'cases/valid/a.toml').read_text()"
    files = {"pack/__init__.py": read, "pack/cases/make.py": "print('made')", "pack/cases/valid/a.toml": "one"}

    host.take({**files, "s.py": "import pack\ndef run(): return pack.text()"})

    assert host.live.s.run() == "one"


def test_a_script_cannot_change_a_data_file_for_others(host: Host, tmp_path: Path) -> None:
    host.take({**SHOP, "shop/mail.py": WAYS["with_name"]})
    host.live.s.run()

    files = list((tmp_path / "data" / "sources").glob("*/shop/rates.json"))

    assert len(files) > 1
    assert {file.stat().st_ino for file in files} == {files[0].stat().st_ino}
    assert files[0].stat().st_mode & 0o222 == 0


def test_a_package_with_too_many_files_is_warned_of(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegraft.graph.MOST_FILES", 1)

    host.take({**SHOP, "shop/mail.py": "def read(): return __file__"})

    assert [skipped.path for skipped in host.supervisor.skipped] == ["shop"]
    assert "expected at most 1 files that are no Python, got: 2" in host.supervisor.skipped[0].reason
    assert os.listdir(os.path.dirname(host.live.s.run())) == ["mail.py"]
