"""The scripted clients themselves: each must fail on what its SDK would not survive, and on nothing else."""

import json
import uuid
from typing import Any, Final

import pytest

from tests.harness.mobile.dialect import Message
from tests.harness.mobile.rules import Rules, Sent, Violation
from tests.harness.mobile.sdk import ANDROID, FLUTTER, IOS, REACT_NATIVE, SDKS, Sdk

CALL: Final = str(uuid.UUID(int=1))
IDS: Final = {"telnyx_session_id": str(uuid.UUID(int=2)), "telnyx_leg_id": str(uuid.UUID(int=3))}
PARTIES: Final = {"caller_id_name": "Ann", "caller_id_number": "+12025550177"}
DIALOG: Final = {"dialogParams": {"custom_headers": [{"name": "X-A", "value": "b"}]}}
INVITE: Final = {"callID": CALL, "sdp": "v=0", **PARTIES, **IDS, **DIALOG}
BYE: Final = {"callID": CALL, "cause": "USER_BUSY", "causeCode": 17, "sipCode": 486, **DIALOG}


def frame(rules: Rules, **members: Any) -> Message:  # Any: JSON
    """A frame as it comes off the socket."""
    return rules.read(json.dumps({"jsonrpc": "2.0", "voice_sdk_id": "VSDK1x", **members}))


def request(rules: Rules, method: str, params: object, request_id: object = 7) -> None:
    """Have the client take a request of the server's."""
    rules.take_request(frame(rules, id=request_id, method=method, params=params))


def without(values: Message, name: str) -> Message:
    """The same without one member."""
    return {key: value for key, value in values.items() if key != name}


@pytest.mark.parametrize("sdk", SDKS.values(), ids=lambda sdk: sdk.name)
def test_good_frames_are_taken_by_every_client(sdk: Sdk) -> None:
    rules = sdk.rules()
    rules.placed(CALL)

    request(rules, "telnyx_rtc.ping", {"serno": 3})
    request(rules, "telnyx_rtc.clientReady", {"reattached_sessions": []})
    request(rules, "telnyx_rtc.invite", INVITE)
    request(rules, "telnyx_rtc.ringing", {"callID": CALL, **PARTIES, **IDS, **DIALOG})
    request(rules, "telnyx_rtc.media", {"callID": CALL, "sdp": "v=0"})
    request(rules, "telnyx_rtc.answer", {"callID": CALL, **IDS, **DIALOG})
    request(rules, "telnyx_rtc.attach", INVITE)
    request(rules, "telnyx_rtc.bye", BYE)
    line = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    request(rules, "telnyx_rtc.candidate", {"callID": CALL, **line})


@pytest.mark.parametrize(
    ("sdk", "method", "params", "words"),
    [
        (IOS, "telnyx_rtc.invite", {**INVITE, "callID": "7"}, "no UUID"),
        (IOS, "telnyx_rtc.invite", {**INVITE, "dialogParams": {"custom_headers": [{"name": "X"}]}}, "custom_headers"),
        (IOS, "telnyx_rtc.answer", {"callID": CALL}, "without sdp"),
        (IOS, "telnyx_rtc.candidate", {"callID": CALL, "candidate": "1 1 udp"}, "needs"),
        (ANDROID, "telnyx_rtc.invite", without(INVITE, "telnyx_leg_id"), "telnyx_leg_id"),
        (
            ANDROID,
            "telnyx_rtc.ringing",
            without({"callID": CALL, **PARTIES, **IDS}, "caller_id_name"),
            "caller_id_name",
        ),
        (ANDROID, "telnyx_rtc.ringing", {"callID": CALL, **PARTIES, "telnyx_leg_id": "x"}, "telnyx_leg_id"),
        (ANDROID, "telnyx_rtc.media", {"callID": CALL}, "media without sdp"),
        (ANDROID, "telnyx_rtc.answer", {"callID": str(uuid.UUID(int=9)), "sdp": "v=0"}, "does not have"),
        (ANDROID, "telnyx_rtc.bye", {**BYE, "sipReason": None}, "null"),
        (ANDROID, "telnyx_rtc.bye", {**BYE, "state": "x"}, "params.state"),
        (FLUTTER, "telnyx_rtc.bye", {**BYE, "sipCode": "486"}, "sipCode"),
        (FLUTTER, "telnyx_rtc.bye", {**BYE, "causeCode": "17"}, "causeCode"),
        (FLUTTER, "telnyx_rtc.invite", {**INVITE, "dialogParams": {"userVariables": {}}}, "userVariables"),
        (FLUTTER, "telnyx_rtc.invite", {**INVITE, "variables": {"a": 1}}, "variables"),
        (FLUTTER, "telnyx_rtc.clientReady", {"reattached_sessions": {}}, "reattached_sessions"),
        (REACT_NATIVE, "telnyx_rtc.bye", {**BYE, "cause": ""}, "without a cause"),
        (REACT_NATIVE, "telnyx_rtc.ping", {}, "serno"),
        (REACT_NATIVE, "telnyx_rtc.ringing", {"callID": CALL}, "ignores ringing"),
        (REACT_NATIVE, "telnyx_rtc.unheard", {"callID": CALL}, "knows no such method"),
    ],
)
def test_a_request_that_breaks_a_client_is_a_violation_of_its_own(
    sdk: Sdk, method: str, params: Message, words: str
) -> None:
    rules = sdk.rules()
    rules.placed(CALL)

    with pytest.raises(Violation, match=words) as violation:
        request(rules, method, params)
    assert violation.value.client == sdk.name


@pytest.mark.parametrize(
    ("sdk", "method", "answer", "words"),
    [
        (ANDROID, "login", {"result": "logged in"}, "no object"),
        (ANDROID, "telnyx_rtc.gatewayState", {"result": {"params": {"state": "REGED"}}}, "without result.sessid"),
        (ANDROID, "login", {"error": {"code": "-32001", "message": "no"}}, "asInt"),
        (FLUTTER, "login", {"error": {"code": -32001, "message": None}}, "String"),
        (FLUTTER, "login", {"id": 5, "result": {}}, "no string"),
        (IOS, "telnyx_rtc.gatewayState", {"result": {"state": "REGED", "sessid": "s"}}, "result.params.state"),
        (IOS, "telnyx_rtc.disable_push_notification", {"result": {"message": "success"}}, "by its method"),
        (IOS, "debug_report_data", {"error": {"code": -32601, "message": "no such method"}}, "debug frames"),
        (REACT_NATIVE, "login", {"result": {"message": "Logged in", "sessid": "s"}}, "logged in"),
        (REACT_NATIVE, "telnyx_rtc.gatewayState", {"result": {"params": {"state": "TRYING"}}}, "REGED"),
        (REACT_NATIVE, "telnyx_rtc.invite", {"result": {"callID": "9", "message": "CALL CREATED"}}, "call id"),
        (REACT_NATIVE, "telnyx_rtc.info", {"result": {}}, "sessid"),
        (
            REACT_NATIVE,
            "telnyx_rtc.modify",
            {"result": {"action": "hold", "callID": CALL, "sessid": "s", "holdState": "on"}},
            "holdState",
        ),
    ],
)
def test_an_answer_that_breaks_a_client_is_a_violation_of_its_own(
    sdk: Sdk, method: str, answer: Message, words: str
) -> None:
    rules = sdk.rules()
    sent = Sent(method, {"action": "hold", "dialogParams": {"callID": CALL}})

    with pytest.raises(Violation, match=words) as violation:
        rules.take_answer(frame(rules, **{"id": "1", **answer}), sent)
    assert violation.value.client == sdk.name


@pytest.mark.parametrize("sdk", SDKS.values(), ids=lambda sdk: sdk.name)
def test_a_frame_without_voice_sdk_id_or_with_another_one_is_a_violation(sdk: Sdk) -> None:
    rules = sdk.rules()
    frame(rules, id="1", result={})

    for other in ("", None, "VSDK1y"):
        with pytest.raises(Violation, match="M-4"):
            frame(rules, id="1", result={}, voice_sdk_id=other)


@pytest.mark.parametrize("sdk", SDKS.values(), ids=lambda sdk: sdk.name)
def test_a_text_as_the_id_of_a_request_of_the_servers_is_a_violation(sdk: Sdk) -> None:
    with pytest.raises(Violation, match="M-28"):
        request(sdk.rules(), "telnyx_rtc.ping", {"serno": 1}, request_id="1")
