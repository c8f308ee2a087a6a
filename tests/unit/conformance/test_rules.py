"""The frame rules of the suite see what they are there to see."""

import json
from collections.abc import Iterable

import aiohttp
import pytest

from tests.conformance.rules import FrameRules, Message

SESSION, LEG = "5a1c5f6e-7d0f-4a3a-9a0e-0d6f6c7f3f01", "5a1c5f6e-7d0f-4a3a-9a0e-0d6f6c7f3f02"
SDP = "v=0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"
INVITE: Message = {"method": "telnyx_rtc.invite", "params": {"dialogParams": {"callID": "c1"}}}
IDS = {"telnyx_session_id": SESSION, "telnyx_leg_id": LEG}
PARTIES = {"caller_id_name": "", "caller_id_number": "1", "callee_id_name": "", "callee_id_number": "2"}
INBOUND: Message = {"callID": "c2", "sdp": SDP, **PARTIES, **IDS, "dialogParams": {"custom_headers": []}}
BYE: Message = {"callID": "c1", "cause": "NORMAL_CLEARING", "causeCode": 16}


def text(message: Message) -> str:
    return json.dumps({"jsonrpc": "2.0", "voice_sdk_id": "V", **message})


def received(rules: FrameRules, data: str | bytes) -> None:
    kind = aiohttp.WSMsgType.TEXT if isinstance(data, str) else aiohttp.WSMsgType.BINARY
    rules.received(aiohttp.WSMessage(kind, data, None))


def played(frames: Iterable[tuple[str, Message]]) -> list[str]:
    """The breaches of a conversation; `>` is the client's frame, `<` the gateway's."""
    rules = FrameRules()
    for direction, message in frames:
        if direction == ">":
            rules.sent(text(message))
        else:
            received(rules, text(message))
    return rules.breaches


def request(number: int, method: str, params: Message) -> tuple[str, Message]:
    return "<", {"id": number, "method": method, "params": params}


CREATED: list[tuple[str, Message]] = [
    (">", {"id": "a", **INVITE}),
    ("<", {"id": "a", "result": {"callID": "c1", "message": "CALL CREATED", "sessid": "s"}}),
]
PING = request(1, "telnyx_rtc.ping", {})


def test_a_good_call_breaks_no_rule() -> None:
    assert (
        played(
            [
                *CREATED,
                request(1, "telnyx_rtc.ringing", {"callID": "c1", **IDS}),
                request(2, "telnyx_rtc.media", {"callID": "c1", "sdp": SDP}),
                request(3, "telnyx_rtc.answer", {"callID": "c1", **IDS}),
                request(4, "telnyx_rtc.bye", BYE),
                request(5, "telnyx_rtc.invite", INBOUND),
            ]
        )
        == []
    )


BAD: list[tuple[str, list[tuple[str, Message]]]] = [
    ("V-17", [("<", {"id": "a", "result": {}, "jsonrpc": "1.0"})]),
    ("V-10", [("<", {"id": 1, "method": "telnyx_rtc.ping", "params": {}, "voice_sdk_id": None})]),
    ("V-10", [PING, ("<", {**PING[1], "id": 2, "voice_sdk_id": "W"})]),
    ("V-17", [(">", {"id": "a", "method": "x"}), ("<", {"id": "a", "result": {}}), ("<", {"id": "a", "result": {}})]),
    ("V-17", [("<", {"id": None, "error": {"code": -32600, "message": ""}})]),
    ("V-18", [(">", {"id": "a", "method": "x"}), ("<", {"id": "a", "result": None})]),
    ("V-19", [(">", {"id": "a", "method": "x"}), ("<", {"id": "a", "result": {"result": {}}})]),
    ("V-20", [(">", {"id": "a", "method": "login"}), ("<", {"id": "a", "result": {"params": {"state": "REGED"}}})]),
    ("V-21", [request(1, "telnyx_rtc.clientReady", {"reattached_sessions": [], "state": "REGED"})]),
    ("V-22", [PING, PING]),
    ("V-22", [("<", {"id": "1", "method": "telnyx_rtc.ping", "params": {}})]),
    ("V-28", [(">", {"method": "x"}), ("<", {"id": "a", "result": {}})]),
    ("V-34", [(">", {"id": "a", "method": "login"}), ("<", {"id": "a", "error": {"code": -32000, "message": ""}})]),
    ("integer code", [(">", {"id": "a", "method": "x"}), ("<", {"id": "a", "error": {"code": "1", "message": ""}})]),
    ("V-39", [request(1, "telnyx_rtc.clientReady", {})]),
    ("V-55", [(">", {"id": "a", **INVITE}), request(1, "telnyx_rtc.ringing", {"callID": "c1", **IDS})]),
    ("V-66", [*CREATED, request(1, "telnyx_rtc.ringing", {"callID": "c1", **IDS, "telnyx_leg_id": "1"})]),
    ("V-67", [*CREATED, *(request(number, "telnyx_rtc.media", {"callID": "c1", "sdp": SDP}) for number in (1, 2))]),
    ("V-68", [*CREATED, *(request(number, "telnyx_rtc.answer", {"callID": "c1", "sdp": SDP}) for number in (1, 2))]),
    ("V-69", [*CREATED, request(1, "telnyx_rtc.answer", {"callID": "c1"})]),
    ("V-71", [*CREATED, request(1, "telnyx_rtc.answer", {"callID": "c1", "sdp": "v=0\r\n"})]),
    ("V-77", [request(1, "telnyx_rtc.invite", {**INBOUND, "caller_id_name": 1})]),
    ("V-78", [request(1, "telnyx_rtc.invite", {**INBOUND, "dialogParams": {"custom_headers": [{"name": "X-A"}]}})]),
    ("V-79", [request(1, "telnyx_rtc.invite", INBOUND), request(2, "telnyx_rtc.invite", INBOUND)]),
    ("V-90", [*CREATED, request(1, "telnyx_rtc.bye", {**BYE, "causeCode": None})]),
    ("V-90", [*CREATED, request(1, "telnyx_rtc.bye", {**BYE, "isRecovering": True})]),
    ("ends once", [*CREATED, request(1, "telnyx_rtc.bye", BYE), request(2, "telnyx_rtc.bye", BYE)]),
    ("over", [*CREATED, request(1, "telnyx_rtc.bye", BYE), request(2, "telnyx_rtc.ringing", {"callID": "c1", **IDS})]),
    ("V-100", [request(1, "telnyx_rtc.modify", {"callID": "c1"})]),
    ("null", [request(1, "telnyx_rtc.bye", {**BYE, "sipReason": None})]),
    ("userVariables", [request(1, "telnyx_rtc.invite", {**INBOUND, "dialogParams": {"userVariables": {}}})]),
]


@pytest.mark.parametrize(("rule", "frames"), BAD, ids=[f"{index}-{rule}" for index, (rule, _) in enumerate(BAD)])
def test_a_broken_rule_is_named(rule: str, frames: list[tuple[str, Message]]) -> None:
    assert any(rule in breach for breach in played(frames)), played(frames)


@pytest.mark.parametrize("data", [b"{}", "[]", "hello", "3"])
def test_what_is_no_json_object_in_a_text_frame_breaks_a_rule(data: str | bytes) -> None:
    rules = FrameRules()
    received(rules, data)

    with pytest.raises(AssertionError):
        rules.verify()


def test_answers_of_a_speed_test_and_the_end_of_a_socket_break_none() -> None:
    rules = FrameRules()
    for line in ("#SPU 12", "#SPD 7", "#SPB ....."):
        received(rules, line)
    rules.received(aiohttp.WSMessage(aiohttp.WSMsgType.CLOSE, 1000, ""))

    rules.verify()
