import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.call import ReferTarget, Replaces
from gateway.sip.core.errors import SipError, SipParseError, UnsupportedUri
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.refer_to import format_refer_to, refer_target_of, referred_by_of


def target(*values: str) -> ReferTarget:
    return refer_target_of(Headers(("Refer-To", value) for value in values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sip:bob@x.test", "sip:bob@x.test"),
        ('"Bob" <sip:bob@x.test:5070;transport=tcp>', "sip:bob@x.test:5070;transport=tcp"),
        ("<sip:+12025550100@x.test;method=INVITE>", "sip:+12025550100@x.test"),
        ("<sip:bob@x.test?Subject=hi&Require=replaces>", "sip:bob@x.test"),
        ("<tel:+12025550100>", "tel:+12025550100"),
        ("<SIPS:bob@x.test>", "sips:bob@x.test"),
    ],
)
def test_the_target_is_the_uri_without_what_belongs_to_the_request(value: str, expected: str) -> None:
    assert target(value) == ReferTarget(expected, None)


def test_a_replaces_in_the_uri_is_decoded() -> None:
    value = "<sip:bob@x.test?Replaces=12345%40192.0.2.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994%3Bearly-only>"

    assert target(value) == ReferTarget("sip:bob@x.test", Replaces("12345@192.0.2.3", "12345", "5FFE-3994", True))


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("sip:a@x.test", "sip:b@x.test"),
        ("<sip:a@x.test>, <sip:b@x.test>",),
        ("nobody",),
        ("<sip:a@x.test?Replaces=a%40b>",),
        ("<sip:a@x.test?Replaces=a%3Bto-tag%3Dt%3Bfrom-tag%3Df&Replaces=a%3Bto-tag%3Dt%3Bfrom-tag%3Df>",),
        ("<sip:a@x.test?Replaces=a%3Bto-tag%3Dt%3Bfrom-tag%3Df&Join=a%3Bto-tag%3Dt%3Bfrom-tag%3Df>",),
    ],
)
def test_what_names_no_single_target_is_400(values: tuple[str, ...]) -> None:
    with pytest.raises(SipParseError) as error:
        target(*values)
    assert error.value.status == 400


def test_another_method_than_invite_is_501() -> None:
    with pytest.raises(SipParseError) as error:
        target("<sip:a@x.test;method=BYE>")
    assert error.value.status == 501


def test_another_scheme_is_416() -> None:
    with pytest.raises(UnsupportedUri) as error:
        target("<https://x.test/>")
    assert error.value.sip_status == 416


@given(st.from_regex(r"[!-+\--:<-~]{1,40}", fullmatch=True), st.booleans())
def test_what_we_write_comes_back(call_id: str, is_early_only: bool) -> None:
    replaces = Replaces(call_id, "to", "from", is_early_only)

    assert target(format_refer_to("sip:+1@x.test;transport=tcp", replaces)) == ReferTarget(
        "sip:+1@x.test;transport=tcp", replaces
    )


def test_a_tel_uri_cannot_carry_a_replaces() -> None:
    assert format_refer_to("tel:+1", None) == "<tel:+1>"
    with pytest.raises(SipError):
        format_refer_to("tel:+1", Replaces("c", "t", "f"))


def test_referred_by_is_its_uri() -> None:
    value = '"Alice" <sip:alice@x.test>;cid="a.b@x.test"'

    assert referred_by_of(Headers((("Referred-By", value),))) == "sip:alice@x.test"
    assert referred_by_of(Headers((("b", "sip:alice@x.test"),))) == "sip:alice@x.test"
    assert referred_by_of(Headers()) is None


def test_two_referred_by_are_refused() -> None:
    with pytest.raises(SipParseError):
        referred_by_of(Headers((("Referred-By", "sip:a@x.test"), ("Referred-By", "sip:b@x.test"))))
