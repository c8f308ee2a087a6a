"""Framing: what a text frame is."""

import json

import pytest

from gateway.vsp.core.errors import INVALID_REQUEST, PARSE_ERROR
from gateway.vsp.core.jsonrpc import (
    Acknowledgement,
    DebugReport,
    Outgoing,
    Refused,
    Request,
    RequestRef,
    SpeedTestFrame,
    parse_frame,
)


def test_a_request_keeps_its_id_method_and_params() -> None:
    frame = parse_frame('{"jsonrpc":"2.0","id":"abc","method":"m","params":{"a":1}}')

    assert frame == Request("abc", "m", {"a": 1})


def test_pretty_printed_json_with_html_escapes_is_read() -> None:
    frame = parse_frame('{\n  "id": "1",\n  "jsonrpc": "2.0",\n  "method": "m",\n  "params": {"sdp": "a\\u003db"}\n}')

    assert frame == Request("1", "m", {"sdp": "a=b"})


@pytest.mark.parametrize("text", ['{"jsonrpc":"2.0","method":"m"}', '{"jsonrpc":"2.0","id":null,"method":"m"}'])
def test_v28_a_message_without_an_id_is_a_notification(text: str) -> None:
    assert parse_frame(text) == Request(None, "m", {})


def test_params_that_are_no_object_are_told_apart_from_none() -> None:
    assert parse_frame('{"jsonrpc":"2.0","id":"1","method":"m","params":[1]}') == Request("1", "m", None)


@pytest.mark.parametrize("member", ['"result":{"method":"x"}', '"error":{"code":1}', '"result":null,"method":"m"'])
def test_v23_a_response_is_an_acknowledgement_whatever_else_it_holds(member: str) -> None:
    assert parse_frame(f'{{"jsonrpc":"2.0","id":7,{member}}}') == Acknowledgement(7)


def test_a_response_without_jsonrpc_is_not_answered() -> None:
    assert parse_frame('{"id":"x","result":{"message":"PONG"}}') == Acknowledgement("x")


def test_v27_a_debug_report_has_a_type_instead_of_a_method() -> None:
    text = '{"jsonrpc":"2.0","id":"1","type":"debug_report_start","debug_report_id":"d","call_id":"c"}'

    assert parse_frame(text) == DebugReport("1", "debug_report_start", "d", "c", None, text)


@pytest.mark.parametrize("members", ['"call_id":7,"debug_report_id":null', '"debug_report_data":[]', '"call_id":""'])
def test_a_debug_report_of_another_form_is_one_all_the_same(members: str) -> None:
    text = f'{{"jsonrpc":"2.0","id":"1","type":"debug_report_data",{members}}}'

    assert parse_frame(text) == DebugReport("1", "debug_report_data", "", None, None, text)


def test_a_debug_report_names_its_peer_in_its_data() -> None:
    text = '{"jsonrpc":"2.0","id":"1","type":"debug_report_data","debug_report_data":{"peerId":"p"}}'

    frame = parse_frame(text)

    assert isinstance(frame, DebugReport)
    assert frame.peer_id == "p"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#SPU 2048", SpeedTestFrame("U", 2048)),
        ("#SPB " + "." * 1024, SpeedTestFrame("B", 0)),
        ("#SPE", SpeedTestFrame("E", 0)),
    ],
)
def test_speed_test_frames_are_raw_text(text: str, expected: SpeedTestFrame) -> None:
    assert parse_frame(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "{", '{"id":"1"', "\x00", "#SPX", "#SPU x", "[" * 100_000, "9" * 5000]
)
def test_v16_text_that_is_not_json_is_refused_without_an_answer(text: str) -> None:
    frame = parse_frame(text)

    assert isinstance(frame, Refused)
    assert (frame.reason, frame.code) == ("not_json", None)


@pytest.mark.parametrize("text", ["1", "-1.5", '"x"', "true", "null"])
def test_v16_json_scalars_are_refused_without_an_answer(text: str) -> None:
    assert parse_frame(text) == Refused("not_object", "not a JSON object")


@pytest.mark.parametrize("text", ["[]", "[1]", '[{"jsonrpc":"2.0","id":"1","method":"login"}]'])
def test_a_batch_is_refused_with_a_null_id(text: str) -> None:
    frame = parse_frame(text)

    assert isinstance(frame, Refused)
    assert (frame.code, frame.request_id) == (INVALID_REQUEST, None)


@pytest.mark.parametrize("version", ['"1.0"', "2.0", "null"])
def test_another_jsonrpc_version_is_an_invalid_request(version: str) -> None:
    frame = parse_frame(f'{{"jsonrpc":{version},"id":"1","method":"m"}}')

    assert isinstance(frame, Refused)
    assert (frame.code, frame.request_id) == (INVALID_REQUEST, "1")


@pytest.mark.parametrize("request_id", ["1.5", "true", "{}", "[]", '"' + "x" * 257 + '"', "1" + "0" * 40])
def test_an_id_that_cannot_be_echoed_is_refused_without_an_answer(request_id: str) -> None:
    frame = parse_frame(f'{{"jsonrpc":"2.0","id":{request_id},"method":"m"}}')

    assert isinstance(frame, Refused)
    assert frame.code is None


@pytest.mark.parametrize("member", ['"method":1', '"method":{}', '"type":"other"', '"method":"' + "m" * 200 + '"'])
def test_a_message_without_a_usable_method_is_an_invalid_request(member: str) -> None:
    frame = parse_frame(f'{{"jsonrpc":"2.0","id":"1",{member}}}')

    assert isinstance(frame, Refused)
    assert (frame.code, frame.request_id) == (INVALID_REQUEST, "1")


def test_nan_is_a_parse_error_with_the_id_that_can_be_read() -> None:
    frame = parse_frame('{"jsonrpc":"2.0","id":"1","method":"m","params":{"x":NaN}}')

    assert isinstance(frame, Refused)
    assert (frame.reason, frame.code, frame.request_id) == ("not_json", PARSE_ERROR, "1")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"x":NaN', '{"result":NaN,"id":"1"}'])
def test_nan_without_a_request_around_it_is_not_answered(text: str) -> None:
    frame = parse_frame(text)

    assert isinstance(frame, Refused)
    assert frame.code is None


def test_a_deeply_nested_request_is_refused_with_its_id() -> None:
    deep = "[" * 40 + "]" * 40

    frame = parse_frame(f'{{"jsonrpc":"2.0","id":"1","method":"m","params":{{"x":{deep}}}}}')

    assert isinstance(frame, Refused)
    assert (frame.message, frame.code, frame.request_id) == ("nested too deeply", INVALID_REQUEST, "1")


def test_the_deepest_frame_of_an_sdk_passes() -> None:
    deep = "[" * 20 + "]" * 20

    assert isinstance(parse_frame(f'{{"jsonrpc":"2.0","id":"1","method":"m","params":{{"x":{deep}}}}}'), Request)


def test_v10_every_message_carries_the_voice_sdk_id() -> None:
    outgoing = Outgoing("VSDK1x")

    outgoing.result(RequestRef("1", "m"), {})
    outgoing.error(RequestRef("2", "m"), -32002, "no")
    outgoing.request("telnyx_rtc.x", {})
    outgoing.refuse(None, -32600, "no")

    assert {json.loads(frame)["voice_sdk_id"] for frame in outgoing.drain()} == {"VSDK1x"}


def test_v22_requests_of_ours_are_numbered_upwards() -> None:
    outgoing = Outgoing("VSDK1x")

    ids = [outgoing.request("telnyx_rtc.x", {}) for _ in range(3)]

    assert ids == [1, 2, 3]
    assert [json.loads(frame)["id"] for frame in outgoing.drain()] == [1, 2, 3]


def test_v19_a_result_inside_a_result_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        Outgoing("VSDK1x").result(RequestRef("1", "m"), {"result": 1})


def test_odd_ids_and_texts_are_echoed_exactly() -> None:
    outgoing = Outgoing("VSDK1x")
    odd = "Instance of 'Uuid' \ud800 \u2028 ü"

    outgoing.result(RequestRef(odd, "m"), {"callID": odd})

    message = json.loads(outgoing.drain()[0].encode().decode())
    assert (message["id"], message["result"]["callID"]) == (odd, odd)


def test_a_large_message_of_many_members_is_not_even_parsed() -> None:
    many = '{"jsonrpc":"2.0","id":"a","method":"m","params":{"a":[' + "[]," * 400_000 + "[]]}}"

    assert parse_frame(many) == Refused("bad_message", "a large message may hold images, not this many members")


def test_a_large_message_with_an_image_as_ios_escapes_it_is_parsed() -> None:
    image = ("A" * 63 + "\\/") * 200_000
    text = (
        '{"jsonrpc":"2.0","id":"a","method":"ai_conversation","params":{"url":"data:image\\/jpeg;base64,'
        + image
        + '"}}'
    )

    assert isinstance(parse_frame(text), Request)
