from __future__ import annotations

import base64

import pytest

from livegraft.errors import ConfigurationError
from livegraft.mirror.redaction import Redactor, check_token


@pytest.mark.parametrize("token", ["s3cr/t+x", "dana:s3cr/t+x"])
def test_a_token_is_hidden_in_every_form_in_which_programs_repeat_it(token: str) -> None:
    redact = Redactor(token)

    told = redact(f"{token} s3cr/t+x s3cr%2Ft%2Bx {base64.b64encode(b's3cr/t+x').decode()}")

    assert told == "*** *** *** ***"


def test_text_without_credentials_stays_as_it_is() -> None:
    assert Redactor(None)("fatal: https://example.com/x not found") == "fatal: https://example.com/x not found"


def test_a_token_with_a_line_end_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_token("canary\n")

    assert "canary" not in str(caught.value)
