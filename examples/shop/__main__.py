"""``make demo``: make the repository of scripts, start the shop with livegraft in it, say what to try."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import socket
import subprocess
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from examples.shop.app import build_shop
from examples.shop.database import open_database
from livegraft import Supervisor
from livegraft.access import Access

SCRIPTS = Path(__file__).parent.parent / "scripts"

NEXT = """
The shop is at {shop}, its prices at {shop}/quote?product=7&quantity=3
livegraft is at {link}

Things to try, in another terminal:

  1  watch the price that the shop asks, again and again:
         while sleep 0.2; do curl -s '{shop}/quote?product=7&quantity=3'; echo; done
  2  change the rule while it is being called; a second later it is live:
         sed -i 's/^DISCOUNT = .*/DISCOUNT = 50/' {scripts}/pricing.py
         git -C {scripts} commit -am 'Half price'
  3  break it; the old rule goes on, and the page says what is wrong:
         echo 'def quote(:' >> {scripts}/pricing.py && git -C {scripts} commit -am 'Oops'
  4  roll back:
         git -C {scripts} revert --no-edit HEAD
     or pin an earlier version on the script's page
  5  delete a plugin; its button is gone:
         git -C {scripts} rm -q plugin_e.py && git -C {scripts} commit -m 'Retire plugin E'
  6  start a long one, watch its progress, cancel it: search/reindex

Ctrl-C ends the shop. `make clean` removes what this made.
"""


def main() -> None:
    options = argparse.ArgumentParser(prog="make demo")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--folder", type=Path, default=Path("demo"))
    given = options.parse_args()
    try:
        # Before anything is told: a link must not lead to another server that has the port.
        address = socket.create_server(("127.0.0.1", given.port))
    except OSError as error:
        options.exit(1, f"expected port {given.port} to be free, got: {error.strerror}; try make demo PORT=8001\n")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "httpx", "uvicorn", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    folder: Path = given.folder.absolute()
    scripts = make_repository(folder / "scripts")
    db = open_database(folder / "shop.db")
    shop_url = f"http://127.0.0.1:{address.getsockname()[1]}"
    os.environ.setdefault("SHOP_URL", shop_url)
    with address, Supervisor(scripts, data=folder / "livegraft", provide={"db": db}) as supervisor:
        shop = build_shop(supervisor, db)
        link = f"{shop_url}/livegraft/login?token={Access.of(supervisor).new_login_token()}"
        print(NEXT.format(shop=shop_url, link=link, scripts=shown(scripts)), flush=True)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(link)
        with stopping_goes_on():
            config = uvicorn.Config(shop, log_config=None, access_log=False, timeout_graceful_shutdown=2)
            uvicorn.Server(config).run(sockets=[address])
    db.dispose()


def make_repository(folder: Path) -> Path:
    """A Git repository with the scripts of this folder, as their team would have it."""
    if not (folder / ".git").exists():
        shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        for command in (
            ("init", "-q", "-b", "main"),
            ("config", "user.name", "Shop team"),
            ("config", "user.email", "team@shop.example"),
            ("config", "commit.gpgsign", "false"),
            ("add", "-A"),
            ("commit", "-q", "-m", "The shop's scripts"),
        ):
            subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def shown(folder: Path) -> Path:
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


@contextmanager
def stopping_goes_on() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; livegraft is still to be stopped then."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
