"""One host for the tests of a module: they leave it as it was, or use scripts of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api import Api, an_api

SCRIPTS = {
    "dir/greet.py": '''
        # cron: 0 7 * * *  Europe/Berlin
        """Greet somebody."""
        def run(name: str = "you", times: int = 1) -> dict[str, object]:
            for _ in range(times):
                print("hello", name)
            return {"greeted": name}
        ''',
    "dir/greet/runs.py": "def run(): return 'nested'\n",
    "fails.py": "def run():\n    print('so far')\n    raise ValueError('no stock')\n",
    "broken.py": "import os\ndef run(: pass\n",
    "prints_much.py": "def run():\n    print('x' + 'ä' * 150_000, end='')  # pieces end inside characters\n",
    "takes.py": "from typing import Any\ndef run(value: Any = None): return value\n",
    "waits.py": """
        import time
        from livegraft import cancelled, progress
        def run():
            progress(0.5, "half way")
            print("begun", flush=True)
            while not cancelled():
                time.sleep(0.005)
        """,
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with an_api(tmp_path_factory.mktemp("api"), SCRIPTS) as api:
        yield api
