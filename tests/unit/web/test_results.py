"""Markdown on the page of its run: it can lead to other hosts, it cannot ask them for anything."""

from __future__ import annotations

import pytest

from livegraft.run import RunResult
from livegraft.web.results import _shown_markdown
from tests.hostile import corpus
from tests.hostile.eyes import strange_tags


def rendered(text: str) -> str:
    return str(_shown_markdown(RunResult("markdown", None, body=text.encode())).markup)


def test_the_corpus_is_what_its_module_makes() -> None:
    payloads = corpus.read()

    assert payloads == corpus.make(), "python -m tests.hostile.corpus writes it anew"
    assert len(set(payloads)) == corpus.COUNT


def test_a_picture_of_another_host_is_a_link() -> None:
    assert rendered('![a "chart"](http://elsewhere.example/x)') == (
        '<p><a href="http://elsewhere.example/x">a &#34;chart&#34;</a></p>\n'
    )


def test_a_picture_in_the_text_itself_is_shown() -> None:
    assert (
        rendered("![dot](data:image/png;base64,AAAA)") == '<p><img src="data:image/png;base64,AAAA" alt="dot" /></p>\n'
    )


@pytest.mark.parametrize(
    "form", ["{}", "[{0}]({0})", "![{0}]({0})", "| {0} |\n| --- |\n| {0} |", "> {0}", "```{0}\n{0}"]
)
def test_hostile_text_makes_nothing_that_runs_or_asks(form: str) -> None:
    for payload in corpus.read():
        html = rendered(form.replace("{0}", "{}").replace("{}", payload))

        assert strange_tags(html) == []
        assert 'src="' not in html.replace('src="data:image/', "")
        assert 'href="javascript:' not in html.lower()
