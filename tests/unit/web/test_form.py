"""What the run form shows of a parameter."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from livegraft import Upload
from livegraft.offers import Choice, Offer
from livegraft.web.form import Form, Kind, Option, SentFile


class Size(StrEnum):
    SMALL = "S"
    MEDIUM = "M"


def field(annotation: Any, **more: Any) -> Any:
    schema = {"properties": {"value": TypeAdapter(annotation).json_schema() | more}}
    return Form.of(schema).fields[0]


def test_bounds_are_written_as_people_write_them() -> None:
    whole = field(Annotated[int, Field(ge=1, lt=501)])
    broken = field(Annotated[float, Field(ge=0, le=0.5)])

    assert (str(whole.minimum), str(whole.maximum)) == ("1", "500")
    assert (str(broken.minimum), str(broken.maximum)) == ("0", "0.5")


@pytest.mark.parametrize(
    ("default", "shown"),
    [("PT2H", "2h"), ("PT2H30M", "2h30m"), ("P1DT0.5S", "1d0.5s"), ("-PT2H", "-PT2H"), ("P1Y", "P1Y"), ("P", "P")],
)
def test_a_duration_is_shown_in_the_short_form_that_is_taken_too(default: str, shown: str) -> None:
    assert field(timedelta, default=default).shown == shown


FILE = TypeAdapter(Upload).json_schema()
EARLIER = {"name": "a.csv", "upload": "0" * 64, "bytes": 3}
SIZES = {"type": "array", "items": {"enum": ["S", "M"], "type": "string"}}


def form(schema: dict[str, Any], arguments: dict[str, Any] | None = None, **offers: Offer) -> Form:
    return Form.of(
        {"properties": {"value": schema}, "required": [] if "default" in schema else ["value"]}, arguments, offers
    )


def read(given: Form, *sent: str | SentFile) -> Any:
    return dict(given.submitted({"value": sent}).arguments)


class TestChoicesOfSeveral:
    @pytest.mark.parametrize(
        "annotation", [list[Literal["S", "M"]], set[Literal["S", "M"]], frozenset[Size], tuple[Size, ...]]
    )
    def test_lists_and_sets_of_literals_and_enums_have_a_box_for_each_value(self, annotation: Any) -> None:
        schema = TypeAdapter(annotation).json_schema()
        made = Form.of({"properties": {"value": schema}, "$defs": schema.pop("$defs", {})}).fields[0]

        assert made.kind is Kind.CHOICES
        assert [(option.label, option.sent) for option in made.options] == [("S", '"S"'), ("M", '"M"')]

    def test_what_is_chosen_is_a_list(self) -> None:
        assert read(form(SIZES), '"M"', '"S"') == {"value": ["M", "S"]}
        assert read(form(SIZES)) == {"value": []}
        assert read(form(SIZES | {"default": ["M"]})) == {"value": []}

    def test_none_of_what_may_be_null_leaves_it_to_the_script(self) -> None:
        nullable = form({"anyOf": [SIZES, {"type": "null"}], "default": None})

        assert read(nullable) == {}
        assert read(nullable, '"S"') == {"value": ["S"]}

    def test_defaults_and_earlier_arguments_are_checked(self) -> None:
        assert form(SIZES | {"default": ["M"]}).fields[0].chosen == ('"M"',)
        assert form(SIZES, {"value": ["S", "M"]}).fields[0].chosen == ('"S"', '"M"')

    def test_what_was_sent_stays_when_something_is_wrong(self) -> None:
        assert form(SIZES).submitted({"value": ['"M"']}).form.fields[0].chosen == ('"M"',)


class TestOffers:
    OFFER = Offer((Choice("ber", "Berlin"), Choice("ham", "Hamburg")))

    def test_make_a_text_a_select_with_what_people_read(self) -> None:
        made = form({"type": "string"}, value=self.OFFER)

        assert made.fields[0].kind is Kind.SELECT
        assert [option.label for option in made.fields[0].options] == ["choose one", "Berlin", "Hamburg"]
        assert read(made, '"ham"') == {"value": "ham"}

    def test_make_a_list_a_box_for_each(self) -> None:
        made = form({"type": "array", "items": {"type": "string"}, "default": ["ham"]}, value=self.OFFER)

        assert made.fields[0].kind is Kind.CHOICES
        assert made.fields[0].chosen == ('"ham"',)

    def test_keep_what_was_chosen_once(self) -> None:
        made = form({"type": "string"}, {"value": "old"}, value=self.OFFER).fields[0]

        assert (made.shown, made.options[-1]) == ('"old"', Option("old", '"old"'))

    def test_that_cannot_be_read_leave_the_field_as_it_is_and_say_so(self) -> None:
        made = form({"type": "string"}, value=Offer(problem="no stock")).fields[0]

        assert (made.kind, made.remark) == (Kind.TEXT, "no stock")


class TestSecrets:
    @pytest.mark.parametrize("shape", [{"type": "string", "format": "password"}, {"type": "object"}])
    def test_are_never_shown_again(self, shape: dict[str, Any]) -> None:
        secret = shape | {"writeOnly": True}

        assert form(secret, {"value": "hunter2"}).fields[0].shown == ""
        submission = form(secret).submitted({"value": ['"hunter2"']})
        assert submission.arguments
        assert "hunter2" not in repr(submission.form)


class TestFiles:
    def test_are_sent_with_their_name(self) -> None:
        assert form(FILE).fields[0].kind is Kind.FILE
        assert read(form(FILE), SentFile("b.csv", b"a,b")) == {"value": {"name": "b.csv", "content": "YSxi"}}

    def test_that_were_sent_before_are_taken_again_unless_another_comes(self) -> None:
        filled = form(FILE, {"value": EARLIER})
        [field] = filled.fields

        assert (field.file_name, field.must_be_filled) == ("a.csv", False)
        assert read(filled, field.shown, SentFile("", b"")) == {"value": EARLIER}
        assert read(filled, field.shown, SentFile("b.csv", b""))["value"]["name"] == "b.csv"

    def test_that_are_too_large_are_told(self) -> None:
        assert "at most" in form(FILE).submitted({"value": [SentFile("b", None)]}).problems["value"]

    def test_that_may_be_left_out_are(self) -> None:
        assert read(form({"anyOf": [FILE, {"type": "null"}], "default": None}), SentFile("", b"")) == {"value": None}
