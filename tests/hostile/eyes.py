"""What sees that a text became more than text: in a page of Chromium, on the way out of the machine, in plain HTML."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, Dialog

from tests.support import eventually
from tests.support.browser import a_profile

WATCH = """
globalThis.ran = [];
globalThis.pwned = (...what) => ran.push(String(what));
addEventListener("securitypolicyviolation", (event) => ran.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

STRANGE = r"""async () => {
  const isReading = () => document.querySelector("#log-state:not([hidden])")?.textContent.includes("Reading");
  while (isReading() && performance.now() < 30_000) await new Promise(requestAnimationFrame);
  if (isReading()) ran.push("expected the output to be read within 30 s");
  const strange = [...document.querySelectorAll("[pwned], base, object, embed, applet, frameset, math, style")];
  const ours = (url) => /^(https?:|$)/.test(url.protocol) && url.origin === location.origin;
  for (const each of document.querySelectorAll("*")) {
    if (each.getAttributeNames().some((name) => name.startsWith("on"))) strange.push(each);
    for (const name of ["href", "src", "action", "formaction", "data", "poster", "xlink:href", "srcset", "background"]) {
      const value = each.getAttribute(name);
      if (value === null || each.closest(".prose") && each.tagName === "A") continue;
      if (!ours(new URL(value, location.href))) strange.push(each);
    }
  }
  for (const each of document.querySelectorAll(".prose a")) if (!/^((https?|mailto):|:)$/.test(each.protocol)) strange.push(each);
  for (const each of document.querySelectorAll("script")) if (!each.src || each.text) strange.push(each);
  for (const each of document.querySelectorAll("iframe")) if (each.getAttribute("sandbox") !== "") strange.push(each);
  for (const each of document.querySelectorAll("meta[http-equiv]")) strange.push(each);
  const asked = performance.getEntriesByType("resource").map((each) => each.name).filter((name) => !ours(new URL(name)));
  return [...ran, ...asked, ...strange.map((each) => each.outerHTML.slice(0, 300))];
}"""
"""Once the output is there. Links in Markdown may lead anywhere, or nowhere when they are no addresses; nothing else may, and nothing else is asked for."""


OWN_HOSTS: Final = ("accounts.google.com", "*.googleapis.com", "clients2.google.com", "www.google.com")
"""What Chromium calls by itself, with an empty page too. For these there is no host; no payload names one of them."""

LAST: Final = "http://the-last.example/"

_NAME: Final = re.compile(rb"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


class Trap:
    """Listens where every host but ours is said to be; ``caught`` are the hosts that were called, as callers name them."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        self.caught: list[str] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.caught.append("one that said nothing")
            threading.Thread(target=self._hear, args=(connection, len(self.caught) - 1), daemon=True).start()

    def _hear(self, connection: socket.socket, place: int) -> None:
        """The name stands in plain text in the first that is said, also when that is for TLS."""
        with connection, suppress(OSError):
            connection.settimeout(1)
            if said := connection.recv(4096):
                self.caught[place] = ", ".join(name.decode() for name in _NAME.findall(said))

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


class Watched:
    """A page of a browser for which every other host is the trap, with all that it noticed."""

    def __init__(self, context: BrowserContext, origin: str, trap: Trap) -> None:
        self.trap = trap
        self._origin = origin
        self.noticed: list[str] = []
        self.opened = 0
        self._told = 0
        context.add_init_script(WATCH)
        self.page = context.pages[0]
        self.page.on("dialog", self._dialog)
        self.page.on("popup", lambda popup: self.noticed.append(f"popup: {popup.url}"))
        self.page.on("pageerror", lambda error: self.noticed.append(f"error: {error}"))

    def _dialog(self, dialog: Dialog) -> None:
        self.noticed.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def look(self, path: str, *, is_ours: bool = True) -> None:
        """Open a page, let its scripts do what they do, and look whether anything in it is strange."""
        self.opened += 1
        before = len(self.noticed)
        self.page.goto(self._origin + path, wait_until="load")
        if is_ours:
            self.noticed += self.page.evaluate(STRANGE)
        self.noticed[before:] = [f"{path[:100]}: {each}" for each in self.noticed[before:]]

    def got_out(self) -> list[str]:
        """The hosts that were called so far. A last call shows that all before it have come in."""
        beside = self.page.context.new_page()
        beside.evaluate(f"fetch('{LAST}', {{mode: 'no-cors'}}).catch(() => 0)")
        beside.close()
        eventually(
            lambda: any("the-last.example" in each for each in self.trap.caught[self._told :]),
            what="the last call is in",
        )
        caught, self._told = self.trap.caught[self._told :], len(self.trap.caught)
        return [each for each in caught if "the-last.example" not in each]


@contextmanager
def watched(origin: str, folder: Path) -> Iterator[Watched]:
    trap = Trap()
    own = ", ".join(f"MAP {host} ~NOTFOUND" for host in OWN_HOSTS)
    try:
        rules = f"--host-resolver-rules={own}, MAP * 127.0.0.1:{trap.port}, EXCLUDE 127.0.0.1"
        with a_profile(folder, rules) as context:
            yield Watched(context, origin, trap)
    finally:
        trap.close()


class Tags(HTMLParser):
    """Finds in HTML what no page of ours has: what payloads mark, handlers, scripts and frames without our address."""

    def __init__(self) -> None:
        super().__init__()
        self.strange: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (
            "pwned" in given
            or any(name.startswith("on") for name in given)
            or tag in ("base", "object", "embed")
            or (tag == "script" and not (given.get("src") or "").startswith("/static/"))
        ):
            self.strange.append(self.get_starttag_text() or tag)


def strange_tags(html: str) -> list[str]:
    tags = Tags()
    tags.feed(html)
    tags.close()
    return tags.strange
