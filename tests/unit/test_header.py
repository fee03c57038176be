"""Headers: what a script says of itself, read without running it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livegraft.errors import HeaderError
from livegraft.header import Concurrency, Header, Isolation, Missed, Overlap, Retries, read_header
from livegraft.metadata_block import find_blocks
from livegraft.schedule import Schedule
from livegraft.source import head_of

PATH = "reports/daily.py"


def header_of(*lines: str) -> Header:
    return read_header(PATH, "\n".join(lines) + "\n")


def block_of(*keys: str) -> Header:
    """The header of a script whose ``[tool.livegraft]`` has these lines, from line 3 on."""
    return header_of("# /// script", "# [tool.livegraft]", *(f"# {key}" for key in keys), "# ///", "def run(): ...")


def error_of(*lines: str) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        header_of(*lines)
    assert caught.value.path == PATH
    return caught.value


def block_error_of(*keys: str) -> HeaderError:
    with pytest.raises(HeaderError) as caught:
        block_of(*keys)
    return caught.value


class TestCronLines:
    def test_a_cron_line_is_a_schedule(self) -> None:
        header = header_of("# cron: */15 6-22 * * 1-5  Europe/Berlin", "def run(): ...")

        assert header.schedules == (Schedule("*/15 6-22 * * 1-5", "Europe/Berlin"),)
        assert header.given == {"cron": ["*/15 6-22 * * 1-5  Europe/Berlin"]}

    def test_several_lines_stand_among_other_comments_above_the_first_statement(self) -> None:
        header = header_of(
            "#!/usr/bin/env python3",
            "# -*- coding: utf-8 -*-",
            "",
            "# Closes the books.",
            "# cron: @daily",
            "#cron: 0 12 * * MON Asia/Tokyo",
            '"""Close the books."""',
            "# cron: @hourly",
        )

        assert header.schedules == (Schedule("0 0 * * *"), Schedule("0 12 * * MON", "Asia/Tokyo"))

    def test_lines_below_the_first_statement_are_plain_comments(self) -> None:
        assert header_of("import os", "# cron: this is how the old system did it") == Header()

    def test_a_file_of_another_system_may_have_a_byte_order_mark_and_its_line_ends(self) -> None:
        header = read_header(PATH, "\ufeff# cron: @hourly\r\n# /// script\r\n# dependencies = []\r\n# ///\r\n")

        assert header.given == {"cron": ["@hourly"], "dependencies": []}

    def test_lines_and_block_add_up_in_the_zone_of_the_block(self) -> None:
        header = header_of(
            "# cron: @daily",
            "# /// script",
            "# [tool.livegraft]",
            '# cron = "0 12 * * *"',
            '# timezone = "Europe/Berlin"',
            "# ///",
        )

        assert header.schedules == (Schedule("0 0 * * *", "Europe/Berlin"), Schedule("0 12 * * *", "Europe/Berlin"))
        assert header.given["cron"] == ["@daily", "0 12 * * *"]

    def test_the_same_schedule_twice_is_an_error_in_whatever_words(self) -> None:
        error = error_of("# cron: @daily", "", "# cron: 0 0 * * * UTC")

        assert error.line == 3
        assert "expected each schedule once, got: '0 0 * * * UTC' again" in error.reason

    def test_a_bad_line_is_named(self) -> None:
        error = error_of("# about", "# cron: 0 0 31 2 *")

        assert str(error).startswith(f"{PATH}:2: cron: expected a schedule that comes due, got: '0 0 31 2 *'")


class TestBlock:
    def test_all_keys(self) -> None:
        header = header_of(
            "# /// script",
            '# dependencies = ["polars>=1", "httpx"]',
            '# requires-python = ">=3.11"',
            "# [tool.ruff]",
            "# line-length = 100",
            "# [tool.livegraft]",
            '# cron = ["0 7 * * *", "@hourly"]',
            '# timezone = "Europe/Berlin"',
            '# jitter = "30s"',
            '# overlap = "queue"',
            '# missed = "all"',
            '# timeout = "1h30m"',
            '# retries = { times = 3, delay = "1m", backoff = 1.5, max-delay = 600 }',
            "# retry-on-crash = true",
            '# isolation = "process"',
            '# concurrency = { limit = 2, key = "customer" }',
            "# priority = -5",
            '# on = ["order.paid", "order.cancelled"]',
            '# where = "all"',
            '# owner = "team-orders"',
            '# tags = "billing"',
            '# notify = ["ops"]',
            '# memory = "512MiB"',
            '# files = ["prices.csv", "templates/*.html"]',
            '# description = "Close the books."',
            "# ///",
        )

        assert header == Header(
            schedules=(Schedule("0 7 * * *", "Europe/Berlin"), Schedule("0 * * * *", "Europe/Berlin")),
            timezone="Europe/Berlin",
            jitter=timedelta(seconds=30),
            overlap=Overlap.QUEUE,
            missed=Missed.ALL,
            timeout=timedelta(minutes=90),
            retries=Retries(3, timedelta(minutes=1), 1.5, timedelta(minutes=10)),
            retry_on_crash=True,
            isolation=Isolation.PROCESS,
            concurrency=Concurrency(2, "customer"),
            priority=-5,
            on=("order.paid", "order.cancelled"),
            where="all",
            owner="team-orders",
            tags=("billing",),
            notify=("ops",),
            memory_bytes=512 * 2**20,
            files=("prices.csv", "templates/*.html"),
            description="Close the books.",
            dependencies=("polars>=1", "httpx"),
            requires_python=">=3.11",
            given=header.given,
        )

    def test_the_keys_are_kept_as_they_were_written(self) -> None:
        header = block_of('timeout = "90s"', "retries = 2", 'tags = "billing"')

        assert header.given == {"timeout": "90s", "retries": 2, "tags": "billing"}

    def test_keys_that_are_left_out_have_defaults(self) -> None:
        header = block_of('owner = "team-orders"')

        assert header.overlap is Overlap.SKIP
        assert header.missed is Missed.LATEST
        assert header.isolation is Isolation.THREAD
        assert header.timeout is None
        assert header.retries == Retries(times=0)
        assert header.where == "one"

    def test_other_tools_may_have_tables_in_it_and_other_types_of_block_are_left_alone(self) -> None:
        header = header_of(
            "# /// pyproject",
            "# this is = not ours",
            "# ///",
            "",
            "# /// script",
            "# [tool.uv]",
            "# livegraft-is-fine = true",
            "# ///",
        )

        assert header == Header()

    @pytest.mark.parametrize(
        ("written", "seconds"),
        [('"90s"', 90), ('"10m"', 600), ('"1h30m"', 5400), ('"2d"', 172_800), ("90", 90), ("0.5", 0.5)],
    )
    def test_a_duration_is_text_or_seconds(self, written: str, seconds: float) -> None:
        assert block_of(f"timeout = {written}").timeout == timedelta(seconds=seconds)

    @pytest.mark.parametrize(
        ("written", "size"), [('"64kB"', 64_000), ('"512MiB"', 512 * 2**20), ('"2 GiB"', 2 * 2**30)]
    )
    def test_memory_has_a_unit(self, written: str, size: int) -> None:
        assert block_of(f"memory = {written}").memory_bytes == size

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ('cron = "0 0 31 2 *"', "cron: expected a schedule that comes due, got: '0 0 31 2 *'"),
            ("cron = 5", "cron: expected a string with something in it, got: 5"),
            (
                'timezone = "Mars/Base"',
                "timezone: expected an IANA time zone such as 'Europe/Berlin', got: 'Mars/Base'",
            ),
            ('jitter = "-5m"', "jitter: expected a duration like"),
            ('timeout = ""', "timeout: expected a duration like"),
            ('timeout = "0s"', "timeout: expected a duration above zero, got: '0s'"),
            ('timeout = "10 minutes"', "got: '10 minutes'"),
            ("timeout = true", "timeout: expected a duration like"),
            ("timeout = nan", "got: nan"),
            ("timeout = inf", "got: inf"),
            ("timeout = 1e300", "at most 366d, got: 1e+300"),
            (f"timeout = 0x{'f' * 5000}", "timeout: "),
            ('timeout = "367d"', "at most 366d"),
            ('overlap = "wait"', "overlap: expected one of skip, queue, replace, parallel, got: 'wait'"),
            ('missed = "none"', "missed: expected one of skip, latest, all, got: 'none'"),
            ('isolation = "docker"', "isolation: expected one of thread, process, got: 'docker'"),
            ("retries = -1", "retries: expected a whole number from 0 to 100, got: -1"),
            ("retries = { delay = 5 }", "retries: expected the table to have times"),
            ("retries = { times = 1, pause = 5 }", "some of times, delay, backoff, max-delay, got: 'pause'"),
            ("retries = { times = 1, backoff = 0.5 }", "expected a factor from 1 to 100, got: 0.5"),
            ("retry-on-crash = 1", "retry-on-crash: expected true or false, got: 1"),
            ("concurrency = 0", "concurrency: expected a whole number from 1 to 10000, got: 0"),
            ('concurrency = { key = "customer" }', "concurrency: expected the table to have limit"),
            ("priority = 1.5", "priority: expected a whole number from -100 to 100, got: 1.5"),
            ("priority = true", "priority: expected a whole number"),
            ('on = ["a", "a"]', "on: expected each entry once"),
            ('where = "two words"', "where: expected one word without spaces, got: 'two words'"),
            ('owner = " "', "owner: expected a string with something in it"),
            ("tags = [1]", "tags: expected a string with something in it, got: 1"),
            ('memory = "512"', "memory: expected an amount of memory like '512MiB'"),
            ("memory = 512", "memory: expected an amount of memory like '512MiB'"),
            ('files = ["/etc/passwd"]', "files: expected patterns of files beside or below the script"),
            ('files = ["../secret"]', "got: '../secret'"),
            ("description = 2026-01-01", "description: expected a string with something in it"),
        ],
    )
    def test_a_wrong_value_is_named_with_its_line_and_what_is_expected(self, key: str, expected: str) -> None:
        error = block_error_of('notify = "ops"', key)

        assert expected in error.reason
        assert error.line == 4

    def test_an_unknown_key_is_an_error_with_the_nearest_right_one(self) -> None:
        error = block_error_of("", 'time-out = "5m"')

        assert str(error) == f"{PATH}:4: expected a key of livegraft, got: 'time-out'; the nearest is 'timeout'"

    def test_a_key_of_livegraft_at_the_top_of_the_block_is_sent_where_it_belongs(self) -> None:
        error = error_of("# /// script", "# dependencies = []", '# timeout = "5m"', "# ///")

        assert error.line == 3
        assert error.reason.endswith("got: 'timeout'; it belongs under [tool.livegraft]")

    def test_the_line_is_that_of_the_key_in_our_table_and_not_in_another(self) -> None:
        error = error_of(
            "# /// script",
            "# [tool.other]",
            '# description = ""',
            "# [tool.livegraft]",
            '# "description" = ""',
            "# ///",
        )

        assert error.line == 5

    def test_the_line_of_a_sub_table_is_that_of_its_name(self) -> None:
        assert block_error_of("priority = 1", "[tool.livegraft.retries]", 'times = "x"').line == 4

    def test_a_schedule_in_both_forms_twice_points_at_the_block(self) -> None:
        error = error_of("# cron: @daily", "# /// script", "# [tool.livegraft]", '# cron = "@daily"', "# ///")

        assert error.line == 4

    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ('dependencies = ["polars >= "]', "expected a requirement like 'polars>=1', got: 'polars >='"),
            ('dependencies = "polars"', "expected a list of requirements"),
            ("dependencies = [1]", "got: 1"),
            ('requires-python = "3.x"', "requires-python: expected a version specifier like '>=3.11', got: '3.x'"),
            ("requires-python = 3.11", "requires-python: expected a string"),
            ("tool = 5", "expected tool to be a table, got: 5"),
            ("tool.livegraft = 5", "expected livegraft to be a table, got: 5"),
        ],
    )
    def test_a_wrong_value_of_the_standard_keys_is_named(self, key: str, expected: str) -> None:
        error = error_of("# /// script", f"# {key}", "# ///")

        assert expected in error.reason
        assert error.line == 2

    def test_broken_toml_is_named_with_its_line(self) -> None:
        error = block_error_of("priority = 1", "jitter = ]")

        assert error.line == 4
        assert "expected the block to be TOML, got: " in error.reason

    def test_toml_that_is_nested_too_deep_is_an_error_like_any_other(self) -> None:
        assert "nested too deep" in block_error_of(f"tags = {'[' * 20_000}").reason

    @pytest.mark.parametrize(
        "lines",
        [
            ["# /// script", "# dependencies = []"],
            ["# /// script", "# dependencies = []", "", "# ///"],
            ["# /// script", "# dependencies = []", "#oops", "# ///"],
            ["# /// script", "# dependencies = []", "# /// "],
            ["# /// script ", "# dependencies = []", "# ///"],
            ["# /// script", "# ///"],
        ],
    )
    def test_a_block_that_is_not_closed_is_an_error(self, lines: list[str]) -> None:
        error = error_of('"""Text."""', *lines)

        assert error.line == 2
        assert "not closed" in error.reason

    def test_two_blocks_are_an_error(self) -> None:
        block = ["# /// script", "# dependencies = []", "# ///", ""]

        error = error_of(*block, *block)

        assert error.line == 5
        assert "got a second one" in error.reason


def test_a_file_without_a_header_has_the_defaults() -> None:
    assert header_of("#!/usr/bin/env python3", "# Scripts by the cronies.", "def run(): ...") == Header()
    assert header_of("def run(): ...").given == {}


KEYS = st.sampled_from(
    ["cron", "timezone", "timeout", "retries", "memory", "tags", "on", "files", "concurrency", "where", "jitter"]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8).map(json.dumps) | st.sampled_from(['"1h"', "{}"]),
    lambda inner: st.lists(inner, max_size=3),
)
COMMENT_LINES = st.lists(
    st.sampled_from(["#", "# ", "# ///", "# /// script", "# /// other", "# a = 1", "#x", "", "x = 1", "# cron: @daily"])
    | st.builds("# {} = {}".format, KEYS, VALUES)
    | st.just("# [tool.livegraft]")
    | st.text(max_size=10)
    | st.text(max_size=10).map("# cron: {}".format),
    max_size=12,
)


@given(lines=COMMENT_LINES)
@example(lines=["# /// script", "# [tool.livegraft]", f"# priority = {'9' * 5000}", "# ///"])
def test_any_text_is_a_header_that_can_be_shown_or_a_header_error(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        header = read_header(PATH, text)
    except HeaderError as error:
        assert 1 <= error.line <= text.count("\n") + 1
    else:
        json.dumps(header.given, allow_nan=False)


@given(lines=COMMENT_LINES)
@example(lines=["\ufeff# cron: @daily\r", "\x0c", "  # more", 'x = """', "# cron: @hourly"])
@example(lines=["# /// other", "# cron: @daily", "# ///", "# cron: @hourly", "x = 1"])
def test_the_head_of_a_file_is_all_that_its_header_needs(lines: list[str]) -> None:
    text = "\n".join(lines)

    assert _outcome(head_of(text)) == _outcome(text)


def _outcome(text: str) -> Header | str:
    try:
        return read_header(PATH, text)
    except HeaderError as error:
        return str(error)


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("# cron: @daily\nimport os\n# cron: @hourly\n", "# cron: @daily\n"),
        ("\n  # what it does\n\x0c\n# cron: @daily\r\nx = 1", "\n  # what it does\n\x0c\n# cron: @daily\n"),
        ("import os\n# cron: @daily\n", ""),
        ("# no schedule\nx = 'cron: @daily'\n", ""),
        ("# cron: @daily", "# cron: @daily\n"),
        ("import os\n# /// script\n# ///\n", "import os\n# /// script\n# ///\n"),
    ],
)
def test_the_head_ends_where_the_code_begins_unless_there_is_a_block(text: str, head: str) -> None:
    assert head_of(text) == head


@given(text=st.text())
def test_even_text_that_is_no_python_is_a_header_or_a_header_error(text: str) -> None:
    try:
        read_header(PATH, f"# /// script\n# [tool.livegraft]\n# {text}\n# ///\n# cron: {text}")
    except HeaderError as error:
        assert error.reason


@given(lines=COMMENT_LINES)
def test_blocks_are_those_that_the_regular_expression_of_the_standard_finds(lines: list[str]) -> None:
    text = "\n".join(line.replace("\n", "") for line in lines)
    expression = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
    expected = [
        (found["type"], text.count("\n", 0, found.start()) + 1, text.count("\n", 0, found.end()) + 1)
        for found in re.finditer(expression, text)
    ]

    assert [(block.type, block.first_line, block.last_line) for block in find_blocks(text.split("\n"))] == expected
