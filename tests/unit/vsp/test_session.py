"""Everything of a socket beside login and calls: pings, limits, other methods."""

import json

import pytest

from gateway.vsp.core.session import ANSWER_TIME, CloseRequested, DebugReported, DownloadRequested, FrameRefused, State
from gateway.vsp.core.speed_test import download
from tests.unit.vsp.conversation import Conversation, about

# ---- pings


def test_v12_v13_trap4_a_ping_gets_a_result_also_before_the_login() -> None:
    talk = Conversation()

    assert talk.ask("telnyx_rtc.ping")["result"] == {"message": "PONG"}
    talk.say("login", {"login": "a", "passwd": "b"})
    assert talk.ask("telnyx_rtc.ping")["result"] == {"message": "PONG"}


@pytest.mark.parametrize("params", [[1], "x", 5, {"a": {}}])
def test_v13_a_ping_is_never_answered_with_an_error(params: object) -> None:
    assert "result" in Conversation().ask("telnyx_rtc.ping", params)


def test_a_ping_without_params_is_answered() -> None:
    talk = Conversation()

    talk.say_text('{"id":"p","jsonrpc":"2.0","method":"telnyx_rtc.ping"}')

    assert talk.heard()[0]["result"] == {"message": "PONG"}


def test_v11_an_idle_session_is_pinged_every_15_seconds_with_a_serno() -> None:
    talk = Conversation().log_in()

    talk.pass_time(46.0)

    pings = talk.heard()
    assert [ping["method"] for ping in pings] == ["telnyx_rtc.ping"] * 3
    assert [ping["params"]["serno"] for ping in pings] == [ping["id"] for ping in pings] == [2, 3, 4]


@pytest.mark.parametrize("agent", ["iOS-4.1.2", "Android-3.7.0", "Flutter-4.4.0", "ReactNative-mpn-1.1.0"])
def test_m7_a_mobile_sdk_is_pinged_every_30_seconds(agent: str) -> None:
    talk = Conversation().log_in(**{"User-Agent": agent})

    talk.pass_time(29.9)
    assert talk.heard() == []
    talk.pass_time(0.1)
    assert len(talk.heard()) == 1
    talk.say("telnyx_rtc.ping")
    assert "result" in talk.heard()[0]
    talk.pass_time(30.0)
    assert [ping["params"]["serno"] for ping in talk.heard()] == [3]


def test_no_ping_is_sent_before_the_login() -> None:
    talk = Conversation()

    talk.pass_time(29.0)

    assert talk.heard() == []


def test_v14_trap5_the_echo_of_our_ping_gets_one_result_and_no_ping() -> None:
    talk = Conversation().log_in()
    talk.pass_time(15.0)
    (ping,) = talk.heard()

    talk.say_text(json.dumps(ping))

    (answer,) = talk.heard()
    assert (answer["id"], answer["result"]) == (ping["id"], {"message": "PONG"})


def test_v14_a_result_of_flutter_with_an_id_of_its_own_is_a_sign_of_life() -> None:
    talk = Conversation().log_in()
    talk.pass_time(50.0)

    talk.say_text('{"jsonrpc":"2.0","id":"own","result":{"message":"PONG","sessid":"x"}}')

    assert talk.pass_time(50.0) == []
    assert talk.session.state is State.READY


def test_v15_a_silent_socket_is_dropped_after_60_seconds() -> None:
    talk = Conversation().log_in()

    assert talk.pass_time(59.9) == []
    assert talk.pass_time(0.2) == [CloseRequested(1008, "idle")]
    assert talk.session.state is State.CLOSED


def test_v15_any_frame_keeps_a_socket_even_a_binary_one() -> None:
    talk = Conversation().log_in()

    for _ in range(5):
        assert talk.pass_time(50.0) == []
        talk.session.receive_other(now=talk.now)

    assert talk.session.state is State.READY


# ---- before the login


def test_a_socket_that_does_not_log_in_is_closed_after_30_seconds_even_if_it_pings() -> None:
    talk = Conversation()

    assert talk.pass_time(20.0) == []
    talk.say("telnyx_rtc.ping")
    assert talk.pass_time(9.9) == []
    assert talk.pass_time(0.2) == [CloseRequested(1008, "login_timeout")]


def test_after_a_refused_login_the_socket_may_stay_for_a_while_so_that_the_sdk_does_not_come_back_at_once() -> None:
    talk = Conversation(refused_login_linger=300.0)
    talk.say("login", {"login": "a", "passwd": "b"})
    talk.session.refuse_login("no", now=talk.now)

    for _ in range(6):
        assert talk.pass_time(49.0) == []
        talk.say("telnyx_rtc.ping")
    assert talk.pass_time(10.0) == [CloseRequested(1008, "login_timeout")]


def test_a_login_that_is_being_checked_is_not_timed_out_by_the_session() -> None:
    talk = Conversation()
    talk.say("login", {"login": "a", "passwd": "b"})

    assert talk.pass_time(45.0) == []


# ---- size and rate


def test_v5_a_message_of_one_mebibyte_passes_after_the_login() -> None:
    talk = Conversation().log_in()
    padding = "x" * (1024 * 1024 - 200)

    assert "result" in talk.ask("ai_conversation", {"type": "odd", "data": padding})


def test_a_message_above_the_limit_closes_the_socket() -> None:
    talk = Conversation(max_message_size=1000).log_in()

    events = talk.say_text("x" * 1001)

    assert events == [FrameRefused("too_large", "1001 characters"), CloseRequested(1009, "too_large")]


def test_before_the_login_the_limit_is_64_kibibytes() -> None:
    talk = Conversation()

    assert talk.say_text("x" * 65536) == [FrameRefused("not_json", "not JSON")]
    assert talk.say_text("x" * 65537)[1] == CloseRequested(1009, "too_large")


def test_v6_a_burst_of_300_messages_passes() -> None:
    talk = Conversation().log_in()  # its login was one of them

    for _ in range(299):
        talk.say("telnyx_rtc.ping")

    assert len(talk.heard()) == 299


def test_v6_100_messages_a_second_pass_for_a_minute() -> None:
    talk = Conversation().log_in()

    for _ in range(60):
        for _ in range(100):
            talk.say("telnyx_rtc.ping")
        talk.pass_time(1.0)

    assert talk.take_events() == []


def test_a_flood_closes_the_socket() -> None:
    talk = Conversation(message_burst=50, message_rate=10.0)

    for _ in range(51):
        talk.say("telnyx_rtc.ping")

    assert talk.take_events() == [CloseRequested(1008, "rate")]
    assert len(talk.heard()) == 50
    talk.say("telnyx_rtc.ping")
    assert talk.heard() == []


def test_binary_frames_and_websocket_pings_count_against_the_rate() -> None:
    talk = Conversation(message_burst=3, message_rate=1.0)

    events = [event for _ in range(4) for event in talk.session.receive_other(now=0.0)]

    assert events == [CloseRequested(1008, "rate")]


# ---- other methods


def test_v26_an_unknown_method_leaves_the_session_intact() -> None:
    talk = Conversation().log_in().call()

    assert talk.ask("telnyx_rtc.nobody")["error"] == {"code": -32601, "message": "no such method"}
    assert talk.session.calls.live == ("call-1",)


@pytest.mark.parametrize("method", ["telnyx_rtc.ping", "telnyx_rtc.nobody", "ai_conversation", "telnyx_rtc.info"])
def test_v28_v119_a_notification_is_never_answered(method: str) -> None:
    talk = Conversation().log_in().call()

    talk.say_text(json.dumps({"jsonrpc": "2.0", "method": method, "params": about("call-1", dtmf="1")}))

    assert talk.heard() == []


@pytest.mark.parametrize("channels", [["x"] * 65, [1], ["x" * 300], {"a": 1}])
def test_channels_that_are_no_short_list_are_invalid_params(channels: object) -> None:
    talk = Conversation().log_in()

    assert talk.ask("telnyx_rtc.subscribe", {"eventChannel": channels})["error"]["code"] == -32602


def test_push_and_attach_are_refused_with_a_reason() -> None:
    talk = Conversation().log_in()

    for method in ("telnyx_rtc.disable_push_notification", "telnyx_rtc.attach"):
        error = talk.ask(method, about("call-1"))["error"]
        assert error["code"] == -32002
        assert error["message"]


@pytest.mark.parametrize("kind", ["debug_report_start", "debug_report_data", "debug_report_stop", "debug_report_stop"])
def test_v122_trap6_a_debug_report_gets_a_result(kind: str) -> None:
    talk = Conversation().log_in()

    talk.say_text(json.dumps({"jsonrpc": "2.0", "id": "d", "type": kind, "call_id": "c", "debug_report_version": 1}))

    (answer,) = talk.heard()
    assert (answer["id"], answer["result"]) == ("d", {"message": kind})


def reported(talk: Conversation, **members: object) -> str | None:
    """The call that a debug frame with these members is about."""
    (event,) = talk.say_text(json.dumps({"jsonrpc": "2.0", "id": "d", "type": "debug_report_data", **members}))
    talk.heard()
    assert isinstance(event, DebugReported)
    return event.call_id


def test_a_debug_frame_is_handed_on_as_it_came() -> None:
    talk = Conversation().log_in()
    text = '{"jsonrpc":"2.0","id":"1","type":"debug_report_start","debug_report_id":"d","call_id":"c"}'

    assert talk.say_text(text) == [DebugReported("debug_report_start", "d", "c", text)]
    assert "jsonrpc" not in repr(talk.events[-1])


def test_a_debug_frame_without_a_call_is_about_its_peer_or_the_only_call() -> None:
    talk = Conversation().log_in()
    before = reported(talk)
    talk.call("call-1")
    with_one = reported(talk), reported(talk, debug_report_data={"peerId": "sess-1"})
    talk.call("call-2")
    with_two = reported(talk), reported(talk, debug_report_data={"peerId": "CALL-2"}), reported(talk, call_id="x")

    assert (before, with_one, with_two) == (None, ("call-1", "call-1"), (None, "call-2", "x"))


def test_a_debug_frame_before_the_login_is_handed_to_nobody() -> None:
    assert Conversation().say_text('{"jsonrpc":"2.0","id":"1","type":"debug_report_start","call_id":"c"}') == []


def test_v16_garbage_does_not_close_the_socket_and_is_reported() -> None:
    talk = Conversation()

    for text in ("garbage", "5", "null", '"x"', "{", "[1]"):
        (event,) = talk.say_text(text)
        assert isinstance(event, FrameRefused)

    assert [answer["error"]["code"] for answer in talk.heard()] == [-32600]  # the batch
    assert "result" in talk.ask("telnyx_rtc.ping")


def test_v17_each_request_is_counted_and_answered_once() -> None:
    talk = Conversation().log_in().call()
    talk.session.outcomes()

    talk.say("telnyx_rtc.nobody")
    talk.say("telnyx_rtc.ping")
    talk.say("telnyx_rtc.modify", about("call-1", action="hold"))
    assert talk.session.outcomes() == [("telnyx_rtc.nobody", "error"), ("telnyx_rtc.ping", "ok")]
    talk.pass_time(8.0)

    assert talk.session.outcomes() == [("telnyx_rtc.modify", "error")]
    assert len(talk.heard()) == 3


# ---- speed test


def test_v128_a_speed_test_measures_the_upload_and_asks_for_the_download() -> None:
    talk = Conversation().log_in()

    talk.say_text("#SPU 10240")
    for _ in range(10):
        talk.now += 0.01
        talk.say_text("#SPB " + "." * 1024)
    talk.say_text("#SPE")

    assert talk.session.frames_to_send() == ["#SPU 100"]
    assert talk.take_events() == [DownloadRequested(10240)]
    assert sum(len(frame) - 5 for frame in download(10240)) == 10240


def test_v128_the_data_of_a_speed_test_does_not_count_against_the_rate_but_more_than_announced_does() -> None:
    talk = Conversation(message_burst=10, message_rate=1.0).log_in()
    talk.say_text("#SPU 102400")
    for _ in range(101):
        talk.say_text("#SPB " + "." * 1024)
    assert talk.take_events() == []

    for _ in range(20):
        talk.say_text("#SPB " + "." * 1024)

    assert talk.take_events() == [CloseRequested(1008, "rate")]


def test_v128_a_speed_test_above_the_cap_is_not_begun() -> None:
    talk = Conversation(speed_test_max_bytes=1000).log_in()

    talk.say_text("#SPU 1001")
    talk.say_text("#SPE")

    assert talk.session.frames_to_send() == []


def test_there_is_one_speed_test_at_a_time() -> None:
    talk = Conversation().log_in()
    talk.say_text("#SPU 1000")
    talk.say_text("#SPE")
    talk.take_events()

    talk.say_text("#SPU 1000")
    talk.say_text("#SPE")
    assert talk.take_events() == []

    talk.session.finish_speed_test()
    talk.say_text("#SPU 1000")
    talk.say_text("#SPE")
    assert talk.take_events() == [DownloadRequested(1000)]


def test_client_that_is_asked_and_stays_silent_loses_its_socket() -> None:
    talk = Conversation().log_in()
    talk.session.ask(talk.now)
    talk.session.ask(talk.now)

    assert [message["method"] for message in talk.heard()] == ["telnyx_rtc.ping"], "asked once"
    assert talk.pass_time(ANSWER_TIME - 0.1) == []
    assert talk.pass_time(0.1) == [CloseRequested(1008, "idle")]


def test_client_that_is_asked_and_says_anything_keeps_its_socket() -> None:
    talk = Conversation().log_in()
    talk.session.ask(talk.now)
    talk.say("telnyx_rtc.ping")

    assert talk.pass_time(ANSWER_TIME) == []
    assert talk.session.is_open
