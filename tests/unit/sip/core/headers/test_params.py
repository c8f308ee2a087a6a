"""Header parameters."""

import pytest

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.params import Params


def test_parameters_keep_order_spelling_and_quotes() -> None:
    params = Params.parse(' ; Tag = a ;lr; +sip.instance="<urn:x>" ; q=0.5')

    assert str(params) == ';Tag=a;lr;+sip.instance="<urn:x>";q=0.5'
    assert Params.parse(str(params)) == params
    assert list(params)[1] == ("lr", None)


def test_parameter_is_found_without_case_and_without_quotes() -> None:
    params = Params.parse(';Tag=a;text="b \\"c\\"";lr')

    assert params.get("tAG") == "a"
    assert params.get("text") == 'b "c"'
    assert params.get("lr") is None
    assert "LR" in params
    assert params.get("none") is None
    assert 5 not in params


def test_parameter_is_replaced_in_its_place_or_appended_or_removed() -> None:
    params = Params.parse(";a=1;b=2")

    assert str(params.with_value("A", "3")) == ";a=3;b=2"
    assert str(params.with_value("c", None)) == ";a=1;b=2;c"
    assert str(params.without("B")) == ";a=1"


def test_no_text_is_no_parameters() -> None:
    assert Params.parse("  ") == Params()


@pytest.mark.parametrize(
    "text",
    ["a=1", ";", ";;a", ";a=", ";=1", ";a b", ";a=b c", ';a="open', ';a="b"c', ";a=<b>", ";a=1;A=2", ';a="', ";ä=1"],
)
def test_broken_parameters_are_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        Params.parse(text)
