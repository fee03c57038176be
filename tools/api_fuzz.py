"""``make api-fuzz``: requests that schemathesis makes of the OpenAPI document, right and wrong ones, to a real server.

Each round has another seed, until there were as many requests as wanted. A finding ends it with what schemathesis says.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support import Repository
from tests.support.server import TOKEN, a_server

SCRIPTS: Final = {
    "greet.py": '"""Greet somebody."""\ndef run(name: str = "you", times: int = 1): print([name] * times)\n',
    "table.py": "def run(): return [{'n': n} for n in range(3)]\n",
    "fails.py": "def run(): raise ValueError('no stock')\n",
    "broken.py": "def run(: ...\n",
    "nightly.py": "# cron: 0 3 * * *\ndef run(): ...\n",
    "keeps.py": "import livegraft\ndef run(key: str = 'a'): livegraft.shared('seen').put(key, 1)\n",
}

CONFIGURATION: Final = Path(__file__).with_name("api_fuzz.toml")
"""What is not held against the API, and why."""

STREAM: Final = "/events"
"""Never ends, so no answer to it is whole."""

_COUNT: Final = re.compile(r"(\d[\d,]*) generated")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="schemathesis", help="where schemathesis is")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--examples", type=int, default=100, help="the most of each operation in a round")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="livegraft-fuzz-") as folder:
        repository = Repository.create(Path(folder, "scripts"))
        repository.commit_files(SCRIPTS)
        with a_server(repository.path, Path(folder)) as server:
            for script in ("greet", "table", "fails", "keeps"):
                server.run(script)
            count = seed = 0
            while count < asked.requests:
                seed += 1
                made, status = one_round(asked.program, f"{server.url}/api/v1", asked.examples, seed, Path(folder))
                count += made
                print(
                    f"{count} requests, {'nothing found' if not status else 'FOUND SOMETHING'} (seed {seed})",
                    flush=True,
                )
                if status or not made:
                    return status or 1
    return 0


def one_round(program: str, url: str, examples: int, seed: int, folder: Path) -> tuple[int, int]:
    """How many requests it made, and its exit status."""
    command = [program, "--no-color", "--config-file", str(CONFIGURATION), "run", f"{url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {TOKEN}", "--continue-on-failure", "--warnings", "off"]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--exclude-path", STREAM]
    command += ["--suppress-health-check", "all", "--generation-database", "none"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counts = _COUNT.findall(done.stdout)
    if done.returncode or not counts:
        print(done.stdout, done.stderr, file=sys.stderr)
    return int(counts[-1].replace(",", "")) if counts else 0, done.returncode


if __name__ == "__main__":
    sys.exit(main())
