"""Passwords that only this installation reads again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.errors import Unsealable
from gateway.auth.sealing import Seal
from tests.unit.auth.conftest import KEY


@given(st.text(max_size=200))
def test_sealed_text_opens_again_and_does_not_show(text: str) -> None:
    sealed = Seal(KEY).seal(text, owner="1")

    assert Seal(KEY).open(sealed, owner="1") == text
    assert len(text) < 8 or text not in sealed


def test_same_text_is_sealed_differently_each_time() -> None:
    assert Seal(KEY).seal("s3cret", owner="1") != Seal(KEY).seal("s3cret", owner="1")


def test_seal_of_another_row_does_not_open() -> None:
    sealed = Seal(KEY).seal("s3cret", owner="1")

    with pytest.raises(Unsealable):
        Seal(KEY).open(sealed, owner="2")


def test_seal_under_another_key_does_not_open() -> None:
    sealed = Seal(KEY).seal("s3cret", owner="1")

    with pytest.raises(Unsealable):
        Seal(b"x" * 64).open(sealed, owner="1")


@pytest.mark.parametrize("text", ["", "1.", "1.!!!", "2.AAAA", "1.AAAA", "1.å"])
def test_what_is_no_seal_is_refused(text: str) -> None:
    with pytest.raises(Unsealable):
        Seal(KEY).open(text, owner="1")
