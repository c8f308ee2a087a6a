import pytest

from gateway.sip.call import InfoDtmf
from gateway.sip.core.actions import Notify, Respond
from gateway.sip.core.replies import answer_info, answer_options, custom_headers, q850_of, reason_headers, rejection
from tests.unit.sip.core.script import Seat, kinds, only, our_invite, reply, request


def test_options_are_answered_with_what_we_can_do() -> None:
    response = answer_options(request("OPTIONS"), to_tag="ours")

    assert (response.status, response.to.tag) == (200, "ours")
    assert response.headers.get("Accept") == "application/sdp, application/dtmf-relay, application/dtmf"
    assert "Supported" in response.headers


def test_an_info_with_a_digit_is_answered_before_it_is_told() -> None:
    info = request("INFO", more=(("Content-Type", "application/dtmf"),))
    info.body = b"#"

    actions = answer_info(info, Seat())

    assert kinds(actions) == ["200", "InfoDtmf"]
    assert only(actions, Notify).event == InfoDtmf("#", 0.1)


def test_an_unreadable_digit_is_answered_and_not_told() -> None:
    info = request("INFO", more=(("Content-Type", "application/dtmf-relay"),))
    info.body = b"Signal=?"

    assert only(answer_info(info, Seat()), Respond).response.status == 200
    assert len(answer_info(info, Seat())) == 1


def test_a_reason_survives_the_way_there_and_back() -> None:
    assert reason_headers(None) == ()
    assert q850_of(request("BYE", more=reason_headers(102))) == 102
    assert q850_of(request("BYE")) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("120", 120.0), (" 5 (soon);duration=9", 5.0), ("5;duration=9", 5.0), ("-1", None), ("9" * 12, None), ("x", None)],
)
def test_retry_after_is_seconds_or_nothing(value: str, expected: float | None) -> None:
    assert rejection(reply(our_invite(), 503, more=(("Retry-After", value),))).retry_after == expected


def test_custom_fields_are_those_of_applications_and_user_to_user() -> None:
    fields = (("X-Agent", "7"), ("User-to-User", "00;encoding=hex"), ("User-Agent", "x"))

    assert custom_headers(request("BYE", more=fields)) == fields[:2]


def test_a_call_that_was_completed_elsewhere_says_so_in_both_ways_and_either_is_understood() -> None:
    fields = reason_headers(26)

    assert fields == (("Reason", "Q.850;cause=26"), ("Reason", 'SIP;cause=200;text="Call completed elsewhere"'))
    for lines in (fields, fields[:1], fields[1:], (("Reason", "SIP;cause=200, Q.850;cause=26"),)):
        assert q850_of(request("CANCEL", more=lines)) == 26
    assert q850_of(request("CANCEL", more=(*fields[1:], ("Reason", "Q.850;cause=16")))) == 16
    assert q850_of(request("CANCEL", more=(("Reason", "SIP;cause=603"),))) is None
