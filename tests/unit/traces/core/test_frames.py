"""Verto frames as a trace keeps them: of which call, called what, without secrets."""

import json

from gateway.traces.core.frames import MAX_REQUESTS, FrameReader


def request(method: str, *, id: str = "1", **params: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def test_request_is_of_the_call_that_its_dialog_names() -> None:
    frame = FrameReader().read(request("telnyx_rtc.invite", dialogParams={"callID": "c1"}), is_inbound=True)

    assert frame is not None
    assert (frame.verto_call_id, frame.title) == ("c1", "telnyx_rtc.invite")


def test_answer_is_of_the_call_of_its_request() -> None:
    reader = FrameReader()
    reader.read(request("telnyx_rtc.bye", callId="c1"), is_inbound=False)

    frame = reader.read('{"jsonrpc":"2.0","id":"1","result":{}}', is_inbound=True)

    assert frame is not None
    assert (frame.verto_call_id, frame.title) == ("c1", "result (telnyx_rtc.bye)")


def test_error_shows_its_code() -> None:
    reader = FrameReader()
    reader.read(request("telnyx_rtc.modify", callID="c1"), is_inbound=True)

    frame = reader.read('{"jsonrpc":"2.0","id":"1","error":{"code":-32002,"message":"no"}}', is_inbound=False)

    assert frame is not None
    assert frame.title == "error -32002 (telnyx_rtc.modify)"


def test_answer_that_goes_the_way_of_its_request_is_none() -> None:
    reader = FrameReader()
    reader.read(request("telnyx_rtc.bye", callID="c1"), is_inbound=False)

    assert reader.read('{"jsonrpc":"2.0","id":"1","result":{}}', is_inbound=False) is None


def test_frames_of_no_call_and_no_frames_at_all_are_left_out() -> None:
    reader = FrameReader()

    for text in (request("login", login="u", passwd="p"), "#SPU 1", "[]", "{", "[" * 100_000, '{"id":1,"result":{}}'):
        assert reader.read(text, is_inbound=True) is None


def test_digits_passwords_tokens_and_keys_are_cut_out() -> None:
    sdp = "v=0\r\na=ice-pwd:s3cretpassword\r\na=crypto:1 X inline:s3cretkey\r\n"
    text = request(
        "telnyx_rtc.invite",
        dtmf="4711",
        sdp=sdp,
        dialogParams={"callID": "c1", "userVariables": {"push_device_token": "s3crettoken"}},
        login_token="s3cretlogin",
        passwd="s3cret",
        custom="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.s3cretsignature",
    )

    frame = FrameReader().read(text, is_inbound=True)

    assert frame is not None
    assert b"4711" not in frame.body and b"s3cret" not in frame.body
    assert json.loads(frame.body)["params"]["sdp"].startswith("v=0\r\na=ice-pwd:***")


def test_requests_that_are_never_answered_are_forgotten() -> None:
    reader = FrameReader()
    for number in range(MAX_REQUESTS + 1):
        reader.read(request("telnyx_rtc.info", id=str(number), callID="c1"), is_inbound=True)

    assert reader.read('{"id":"0","result":{}}', is_inbound=False) is None
    assert reader.read(f'{{"id":"{MAX_REQUESTS}","result":{{}}}}', is_inbound=False) is not None
