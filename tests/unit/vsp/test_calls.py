"""Calls on the wire: outbound, inbound, in the middle, and their end."""

import json

import pytest

from gateway.domain.causes import NORMAL_CLEARING, USER_BUSY
from gateway.domain.ids import Sdp, VertoCallId
from gateway.vsp.control import (
    ClientAnswer,
    ClientBye,
    ClientCandidate,
    ClientDtmf,
    ClientHold,
    ClientReplace,
    ClientRinging,
    ClientText,
    ClientTransfer,
    ClientUpdateMedia,
)
from gateway.vsp.core.calls import CallMessaged, CallRequested
from tests.unit.vsp.conversation import ANSWER, IDS, OFFER, Conversation, about, invite

TELNYX_IDS = (IDS["telnyx_session_id"], IDS["telnyx_leg_id"])
CALL = VertoCallId("call-1")


def bye(talk: Conversation, call_id: VertoCallId = CALL, **options: object) -> None:
    talk.session.calls.send_bye(
        call_id,
        **{  # type: ignore[arg-type]  # options of a test
            "cause": NORMAL_CLEARING,
            "sip_code": None,
            "sip_reason": None,
            "sip_call_id": None,
            "custom_headers": (),
            **options,
        },
    )


# ---- outbound


def test_v55_v56_v57_trap2_an_invite_is_answered_before_call_control_hears_of_it() -> None:
    talk = Conversation().log_in()

    request_id = talk.say(
        "telnyx_rtc.invite", invite(clientState="c3RhdGU=", custom_headers=[{"name": "X-A", "value": "1"}])
    )

    (answer,) = talk.heard()
    assert answer == {
        "jsonrpc": "2.0",
        "id": request_id,
        "result": {"callID": "call-1", "message": "CALL CREATED", "sessid": "sess-1"},
        "voice_sdk_id": "VSDK1test",
    }
    (requested,) = talk.take_events()
    assert isinstance(requested, CallRequested)
    wanted = requested.invite
    assert (wanted.verto_call_id, wanted.sdp, wanted.destination) == ("call-1", OFFER, "+12025550100")
    assert (wanted.caller_name, wanted.caller_number) == ("Alice", "+12025550111")
    assert (wanted.client_state, wanted.custom_headers) == ("c3RhdGU=", (("X-A", "1"),))
    assert (wanted.is_trickle, wanted.user_agent) == (False, "Web-2.27.10")


@pytest.mark.parametrize(
    "params",
    [{**invite(), "trickle": True}, invite(trickle=True), invite(useTrickleIce=True), {**invite(), "trickle": "true"}],
)
def test_v62_trickle_is_seen_wherever_an_sdk_puts_it(params: dict[str, object]) -> None:
    talk = Conversation().log_in()

    talk.say("telnyx_rtc.invite", params)

    (requested,) = talk.take_events()
    assert isinstance(requested, CallRequested)
    assert requested.invite.is_trickle


def without(name: str) -> dict[str, object]:
    params = invite()
    params["dialogParams"].pop(name, None)
    params.pop(name, None)
    return params


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (without("sdp"), "sdp is missing"),
        ({**invite(), "sdp": "  "}, "sdp is missing"),
        ({**invite(), "sdp": "v=0\x00"}, "sdp is too long or holds control characters"),
        ({**invite(), "sdp": "v=0\ud800"}, "sdp is too long or holds control characters"),
        ({**invite(), "sdp": "v" * 140_000}, "sdp is too long or holds control characters"),
        (without("callID"), "callID is missing"),
        (invite(""), "callID must be 1 to 128 printable characters"),
        (invite("a b"), "callID must be 1 to 128 printable characters"),
        (invite("x" * 129), "callID must be 1 to 128 printable characters"),
        (without("destination_number"), "destination_number is missing; only a visitor may leave it empty"),
        (invite(destination=None), "destination_number is missing; only a visitor may leave it empty"),
        (invite(destination="a\r\nb"), "destination_number holds control characters"),
        (invite(destination="1" * 300), "destination_number is longer than 256 characters"),
        (
            invite(custom_headers=[{"name": "X-A\r\nVia", "value": "1"}]),
            "a custom header needs a name (a SIP token) and a value (one line of text)",
        ),
        (
            invite(custom_headers=[{"name": "X-A", "value": "1\r\nVia: x"}]),
            "a custom header needs a name (a SIP token) and a value (one line of text)",
        ),
        (invite(custom_headers=[{"name": "X", "value": "1"}] * 101), "more than 100 custom headers"),
        ({"dialogParams": []}, "callID is missing"),
    ],
)
def test_an_invite_that_cannot_be_served_is_refused_with_the_reason(params: dict[str, object], message: str) -> None:
    talk = Conversation().log_in()

    answer = talk.ask("telnyx_rtc.invite", params)

    assert answer["error"] == {"code": -32002, "message": message}
    assert talk.take_events() == []
    assert talk.session.calls.live == ()


def test_v61_an_empty_destination_is_refused() -> None:
    assert Conversation().log_in().ask("telnyx_rtc.invite", invite(destination=""))["error"]["code"] == -32002


def test_v58_a_duplicate_call_id_is_refused_and_the_live_call_goes_on() -> None:
    talk = Conversation().log_in().call()

    answer = talk.ask("telnyx_rtc.invite", invite("CALL-1"))

    assert answer["error"]["code"] == -32002
    assert talk.take_events() == []
    assert talk.session.calls.live == ("call-1",)


def test_a_call_id_that_call_control_has_not_let_go_yet_is_refused() -> None:
    talk = Conversation().log_in().call()
    talk.say("telnyx_rtc.bye", about("call-1"))
    talk.heard()
    talk.take_events()
    talk.still_known.add(CALL)

    assert talk.ask("telnyx_rtc.invite", invite())["error"]["code"] == -32002

    talk.still_known.clear()
    assert talk.ask("telnyx_rtc.invite", invite())["result"]["message"] == "CALL CREATED"


def test_v59_unknown_dialog_params_are_ignored() -> None:
    talk = Conversation().log_in()

    talk.call(somethingNew={"deep": [1, 2]}, userVariables=[], preferred_codecs=[{"mimeType": "audio/opus"}])

    assert talk.session.calls.live == ("call-1",)


def test_v76_six_calls_at_once_are_fine_and_the_number_has_an_end() -> None:
    talk = Conversation(max_live_calls=6).log_in()
    for number in range(6):
        talk.call(f"call-{number}")

    assert talk.ask("telnyx_rtc.invite", invite("one-more"))["error"]["code"] == -32002
    assert len(talk.session.calls.live) == 6


def test_an_invite_without_an_id_makes_no_call() -> None:
    talk = Conversation().log_in()

    talk.say_text(json.dumps({"jsonrpc": "2.0", "method": "telnyx_rtc.invite", "params": invite()}))

    assert (talk.heard(), talk.take_events()) == ([], [])


def test_v66_ringing_carries_both_parties_and_both_ids() -> None:
    talk = Conversation().log_in().call()

    talk.session.calls.send_ringing(CALL, telnyx_ids=TELNYX_IDS)

    (ringing,) = talk.heard()
    assert ringing["method"] == "telnyx_rtc.ringing"
    assert ringing["params"] == {
        "callID": "call-1",
        "caller_id_name": "Alice",
        "caller_id_number": "+12025550111",
        "callee_id_name": "Outbound Call",
        "callee_id_number": "+12025550100",
        "display_direction": "inbound",
        "dialogParams": {"custom_headers": []},
        **IDS,
    }


def test_v67_v68_after_media_the_answer_has_no_sdp_and_each_goes_out_once() -> None:
    talk = Conversation().log_in().call()
    calls = talk.session.calls

    calls.send_media(CALL, sdp=Sdp(ANSWER))
    calls.send_media(CALL, sdp=Sdp(ANSWER))
    calls.send_answer(CALL, sdp=None, telnyx_ids=TELNYX_IDS)
    calls.send_answer(CALL, sdp=None, telnyx_ids=TELNYX_IDS)
    calls.send_media(CALL, sdp=Sdp(ANSWER))
    calls.send_ringing(CALL, telnyx_ids=TELNYX_IDS)

    media, answer = talk.heard()
    assert (media["method"], media["params"]["sdp"]) == ("telnyx_rtc.media", ANSWER)
    assert answer["method"] == "telnyx_rtc.answer"
    assert "sdp" not in answer["params"]


def test_v68_without_media_the_answer_has_the_sdp() -> None:
    talk = Conversation().log_in().call()

    talk.session.calls.send_answer(CALL, sdp=Sdp(ANSWER), telnyx_ids=TELNYX_IDS)

    (answer,) = talk.heard()
    assert answer["params"]["sdp"] == ANSWER
    assert answer["params"]["telnyx_leg_id"] == IDS["telnyx_leg_id"]


def test_an_sdp_in_an_answer_after_media_is_left_out_because_android_shows_an_error() -> None:
    talk = Conversation().log_in().call()
    talk.session.calls.send_media(CALL, sdp=Sdp(ANSWER))

    talk.session.calls.send_answer(CALL, sdp=Sdp(ANSWER), telnyx_ids=TELNYX_IDS)

    assert "sdp" not in talk.heard()[1]["params"]


def test_v69_an_answer_without_any_description_is_a_defect() -> None:
    talk = Conversation().log_in().call()

    with pytest.raises(ValueError, match="without a description"):
        talk.session.calls.send_answer(CALL, sdp=None, telnyx_ids=TELNYX_IDS)

    assert talk.heard() == []


def test_v72_v90_a_failed_call_ends_with_a_bye_that_says_why() -> None:
    talk = Conversation().log_in().call()

    bye(talk, cause=USER_BUSY, sip_code=486, sip_reason="Busy Here", sip_call_id="abc@lab")

    (message,) = talk.heard()
    assert message["method"] == "telnyx_rtc.bye"
    assert message["params"] == {
        "callID": "call-1",
        "cause": "USER_BUSY",
        "causeCode": 17,
        "sipCode": 486,
        "sipReason": "Busy Here",
        "sip_call_id": "abc@lab",
        "dialogParams": {"custom_headers": [], "customHeaders": []},
    }
    assert talk.session.calls.live == ()


def test_v91_a_bye_has_its_headers_in_both_spellings_and_no_nulls() -> None:
    talk = Conversation().log_in().call()

    bye(talk, custom_headers=(("X-Why", "late"),))

    (message,) = talk.heard()
    headers = [{"name": "X-Why", "value": "late"}]
    assert message["params"]["dialogParams"] == {"custom_headers": headers, "customHeaders": headers}
    assert None not in message["params"].values()


def test_what_is_sent_about_a_call_that_is_over_is_dropped() -> None:
    talk = Conversation().log_in().call()
    talk.say("telnyx_rtc.bye", about("call-1"))
    talk.heard()

    calls = talk.session.calls
    calls.send_ringing(CALL, telnyx_ids=TELNYX_IDS)
    calls.send_media(CALL, sdp=Sdp(ANSWER))
    calls.send_answer(CALL, sdp=None, telnyx_ids=TELNYX_IDS)
    bye(talk)

    assert talk.heard() == []


# ---- inbound


def test_v77_v78_an_inbound_invite_has_all_that_the_sdks_read() -> None:
    talk = Conversation().log_in()

    heard = talk.ring(custom_headers=(("X-A", "1"),), client_state="c3Q=")

    assert heard["method"] == "telnyx_rtc.invite"
    assert heard["params"] == {
        "callID": "in-1",
        "sdp": OFFER,
        "caller_id_name": "Bob",
        "caller_id_number": "+12025550199",
        "callee_id_name": "alice",
        "callee_id_number": "alice",
        "display_direction": "outbound",
        "client_state": "c3Q=",
        "dialogParams": {"custom_headers": [{"name": "X-A", "value": "1"}]},
        **IDS,
    }


def test_without_client_state_the_member_is_absent() -> None:
    assert "client_state" not in Conversation().log_in().ring()["params"]


def test_v79_a_second_invite_with_a_live_call_id_is_a_defect() -> None:
    talk = Conversation().log_in()
    talk.ring()

    with pytest.raises(ValueError, match="is live"):
        talk.ring()


def test_v80_the_acknowledgement_of_our_invite_means_ringing_once() -> None:
    talk = Conversation().log_in()
    heard = talk.ring()
    acknowledgement = json.dumps({"jsonrpc": "2.0", "id": heard["id"], "result": {"method": "telnyx_rtc.invite"}})

    talk.say_text(acknowledgement)
    talk.say_text(acknowledgement)

    assert talk.take_events() == [CallMessaged(VertoCallId("in-1"), ClientRinging())]
    assert talk.heard() == []


def test_an_acknowledgement_that_crosses_our_bye_says_nothing() -> None:
    talk = Conversation().log_in()
    heard = talk.ring()
    bye(talk, VertoCallId("in-1"))

    talk.say_text(json.dumps({"jsonrpc": "2.0", "id": heard["id"], "result": {}}))

    assert talk.take_events() == []


@pytest.mark.parametrize("request_id", [999, "x", None])
def test_v23_an_acknowledgement_of_nothing_is_ignored(request_id: object) -> None:
    talk = Conversation().log_in()

    talk.say_text(json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {"message": "PONG"}}))

    assert (talk.heard(), talk.take_events()) == ([], [])


def test_v81_an_answer_gets_a_result_and_reaches_call_control() -> None:
    talk = Conversation().log_in()
    talk.ring()

    answer = talk.ask("telnyx_rtc.answer", about("in-1", sdp=ANSWER, trickle=False))

    assert answer["result"] == {"callID": "in-1", "sessid": "sess-1"}
    expected = ClientAnswer(sdp=Sdp(ANSWER), is_trickle=False, custom_headers=())
    assert talk.take_events() == [CallMessaged(VertoCallId("in-1"), expected)]


def test_v82_headers_that_the_sdk_merely_echoes_are_not_headers_of_the_client() -> None:
    talk = Conversation().log_in()
    talk.ring(custom_headers=(("X-A", "1"), ("X-B", "2")))
    echoed = [{"name": "X-A", "value": "1"}, {"name": "X-B", "value": "changed"}, {"name": "X-C", "value": 3}]

    talk.say("telnyx_rtc.answer", {"sdp": ANSWER, "dialogParams": {"callID": "in-1", "custom_headers": echoed}})
    talk.say("telnyx_rtc.bye", {"dialogParams": {"callID": "in-1", "custom_headers": echoed}})

    answered, ended = talk.take_events()
    assert isinstance(answered, CallMessaged)
    assert isinstance(answered.message, ClientAnswer)
    assert answered.message.custom_headers == (("X-B", "changed"), ("X-C", "3"))
    assert isinstance(ended, CallMessaged)
    assert isinstance(ended.message, ClientBye)
    assert ended.message.custom_headers == (("X-B", "changed"), ("X-C", "3"))


def test_a_bad_header_does_not_stop_an_answer() -> None:
    talk = Conversation().log_in()
    talk.ring()
    headers = [{"name": "bad name", "value": "1"}, {"name": "X", "value": "a\nb"}, "x", {"name": "X-Ok", "value": True}]

    talk.say("telnyx_rtc.answer", {"sdp": ANSWER, "dialogParams": {"callID": "in-1", "custom_headers": headers}})

    (answered,) = talk.take_events()
    assert isinstance(answered, CallMessaged)
    assert isinstance(answered.message, ClientAnswer)
    assert answered.message.custom_headers == (("X-Ok", "true"),)


def test_v85_an_answer_that_crosses_our_bye_gets_an_error_and_revives_nothing() -> None:
    talk = Conversation().log_in()
    talk.ring()
    bye(talk, VertoCallId("in-1"))
    talk.heard()

    answer = talk.ask("telnyx_rtc.answer", about("in-1", sdp=ANSWER))

    assert answer["error"] == {"code": -32002, "message": "no such call", "callID": "in-1"}
    assert talk.take_events() == []


def test_v87_several_invites_ring_side_by_side() -> None:
    talk = Conversation().log_in()

    heard = [talk.ring(f"in-{number}") for number in range(3)]

    assert [message["params"]["callID"] for message in heard] == ["in-0", "in-1", "in-2"]


# ---- in the call


@pytest.mark.parametrize("name", ["callID", "callId"])
def test_v88_a_bye_gets_its_result_and_ends_the_call_in_either_spelling(name: str) -> None:
    talk = Conversation().log_in().call()

    answer = talk.ask("telnyx_rtc.bye", {"cause": "USER_BUSY", "causeCode": 17, "dialogParams": {name: "CALL-1"}})

    assert answer["result"] == {
        "callID": "CALL-1",
        "message": "CALL ENDED",
        "cause": "USER_BUSY",
        "causeCode": 17,
        "sessid": "sess-1",
    }
    expected = ClientBye(cause=USER_BUSY, sip_code=None, custom_headers=())
    assert talk.take_events() == [CallMessaged(CALL, expected)]
    assert talk.session.calls.live == ()


def test_v89_a_bye_for_an_unknown_or_ended_call_gets_a_result() -> None:
    talk = Conversation().log_in()

    answer = talk.ask("telnyx_rtc.bye", about("nobody", sipCode=None, sip_call_id=None))

    assert answer["result"]["message"] == "CALL ENDED"
    assert talk.take_events() == []


@pytest.mark.parametrize("members", [{"cause": "a\nb"}, {"cause": 5, "causeCode": "16"}, {"causeCode": {}}, {}])
def test_a_bye_gets_through_whatever_its_cause(members: dict[str, object]) -> None:
    talk = Conversation().log_in().call()

    talk.say("telnyx_rtc.bye", about("call-1", **members))

    (event,) = talk.take_events()
    assert isinstance(event, CallMessaged)
    assert isinstance(event.message, ClientBye)


@pytest.mark.parametrize(("action", "is_held"), [("hold", True), ("unhold", False), ("toggleHold", None)])
def test_v92_v93_v94_a_hold_is_answered_when_call_control_has_done_it(action: str, is_held: bool | None) -> None:
    talk = Conversation().log_in().call()

    request_id = talk.say("telnyx_rtc.modify", about("call-1", action=action))
    assert talk.heard() == []
    (event,) = talk.take_events()
    assert isinstance(event, CallMessaged)
    assert isinstance(event.message, ClientHold)
    assert event.message.is_held is is_held
    talk.session.calls.reply_hold(event.message.request_id, action="hold", is_held=True)
    talk.session.calls.reply_hold(event.message.request_id, action="hold", is_held=True)

    (answer,) = talk.heard()
    assert answer["id"] == request_id
    assert answer["result"] == {"callID": "call-1", "action": "hold", "holdState": "held", "sessid": "sess-1"}


def test_unhold_is_active() -> None:
    talk = Conversation().log_in().call()
    talk.say("telnyx_rtc.modify", about("call-1", action="unhold"))
    (event,) = talk.take_events()
    assert isinstance(event, CallMessaged)
    assert isinstance(event.message, ClientHold)

    talk.session.calls.reply_hold(event.message.request_id, action="unhold", is_held=False)

    assert talk.heard()[0]["result"]["holdState"] == "active"


def test_v96_v97_update_media_gets_the_answer_and_the_hold_state_while_held() -> None:
    talk = Conversation().log_in().call()
    talk.say("telnyx_rtc.modify", about("call-1", action="hold"))
    (hold,) = talk.take_events()
    assert isinstance(hold, CallMessaged)
    assert isinstance(hold.message, ClientHold)
    talk.session.calls.reply_hold(hold.message.request_id, action="hold", is_held=True)
    talk.heard()

    request_id = talk.say(
        "telnyx_rtc.modify", {"callID": "Call-1", "action": "updateMedia", "sdp": OFFER, "trickle": True}
    )
    (update,) = talk.take_events()
    assert isinstance(update, CallMessaged)
    assert isinstance(update.message, ClientUpdateMedia)
    assert (update.message.sdp, update.message.is_trickle) == (OFFER, True)
    for _ in range(2):
        talk.session.calls.reply_update_media(update.message.request_id, sdp=Sdp(ANSWER))

    (answer,) = talk.heard()
    assert answer["id"] == request_id
    assert answer["result"] == {
        "callID": "Call-1",
        "action": "updateMedia",
        "sdp": ANSWER,
        "holdState": "held",
        "sessid": "sess-1",
    }


def test_an_error_of_call_control_answers_the_request_with_the_call_id() -> None:
    talk = Conversation().log_in().call()
    talk.say("telnyx_rtc.modify", about("call-1", action="updateMedia", sdp=OFFER))
    (update,) = talk.take_events()
    assert isinstance(update, CallMessaged)
    assert isinstance(update.message, ClientUpdateMedia)

    for _ in range(2):
        talk.session.calls.reply_error(update.message.request_id, code=-32002, message="no", data={"cause": "X"})

    (answer,) = talk.heard()
    assert answer["error"] == {"code": -32002, "message": "no", "callID": "call-1", "cause": "X"}


def test_v99_modify_of_an_unknown_call_is_refused_at_once() -> None:
    talk = Conversation().log_in()

    assert talk.ask("telnyx_rtc.modify", about("nobody", action="hold"))["error"]["code"] == -32002


@pytest.mark.parametrize("action", ["videoRefresh", "", None, 5])
def test_another_action_of_modify_is_refused_with_those_that_work(action: object) -> None:
    talk = Conversation().log_in().call()

    answer = talk.ask("telnyx_rtc.modify", about("call-1", action=action))

    assert answer["error"]["code"] == -32002
    assert "toggleHold" in answer["error"]["message"]


def test_transfer_is_answered_with_its_destination_and_then_the_call_ends() -> None:
    talk = Conversation().log_in().call()
    request_id = talk.say("telnyx_rtc.modify", about("call-1", action="transfer", destination=" +12025550100 "))
    (event,) = talk.take_events()
    assert isinstance(event, CallMessaged)
    message = event.message
    assert isinstance(message, ClientTransfer)
    assert message.destination == "+12025550100"

    talk.session.calls.reply_transfer(message.request_id, action="transfer", details={"destination": "+12025550100"})
    talk.session.calls.reply_transfer(message.request_id, action="transfer", details={})

    (answer,) = talk.heard()
    assert answer["id"] == request_id
    assert answer["result"] == {
        "callID": "call-1", "action": "transfer", "destination": "+12025550100", "sessid": "sess-1"
    }  # fmt: skip


def test_replace_names_the_other_call_as_it_is_known() -> None:
    talk = Conversation().log_in().call("call-1").call("Call-2")
    talk.say("telnyx_rtc.modify", about("call-1", action="replace", replaceCallID="CALL-2"))

    (event,) = talk.take_events()
    assert isinstance(event, CallMessaged)
    assert isinstance(event.message, ClientReplace)
    assert event.message.other == "Call-2"


@pytest.mark.parametrize(
    "params",
    [
        {"action": "transfer"},
        {"action": "transfer", "destination": "  "},
        {"action": "transfer", "destination": {"number": 1}},
        {"action": "replace"},
        {"action": "replace", "replaceCallID": "nobody"},
    ],
)
def test_transfer_to_nowhere_is_refused_at_once(params: dict[str, object]) -> None:
    talk = Conversation().log_in().call()

    assert talk.ask("telnyx_rtc.modify", about("call-1", **params))["error"]["code"] == -32002


def test_a_modify_that_call_control_leaves_waiting_gets_an_error_before_the_sdk_gives_up() -> None:
    talk = Conversation(request_timeout=8.0).log_in().call()
    talk.say("telnyx_rtc.modify", about("call-1", action="hold"))

    talk.pass_time(7.9)
    assert talk.heard() == []
    talk.pass_time(0.2)

    (answer,) = talk.heard()
    assert answer["error"] == {"code": -32002, "message": "not done in time", "callID": "call-1"}


def test_requests_that_wait_are_answered_when_their_call_ends() -> None:
    talk = Conversation().log_in().call()
    request_id = talk.say("telnyx_rtc.modify", about("call-1", action="hold"))

    bye(talk)

    answer, ended = talk.heard()
    assert (answer["id"], answer["error"]["message"]) == (request_id, "the call has ended")
    assert ended["method"] == "telnyx_rtc.bye"


def test_not_any_number_of_requests_may_wait() -> None:
    talk = Conversation().log_in().call()
    for _ in range(32):
        talk.say("telnyx_rtc.modify", about("call-1", action="hold"))
    assert talk.heard() == []

    assert talk.ask("telnyx_rtc.modify", about("call-1", action="hold"))["error"]["code"] == -32002


def test_v101_digits_reach_call_control_and_get_a_result_with_the_session() -> None:
    talk = Conversation().log_in().call()

    answer = talk.ask("telnyx_rtc.info", about("call-1", dtmf="12#a"))

    assert answer["result"]["sessid"] == "sess-1"
    assert talk.take_events() == [CallMessaged(CALL, ClientDtmf("12#A"))]


@pytest.mark.parametrize("digits", ["", "x", "1 2", "1" * 200, {}])
def test_digits_that_are_none_are_refused(digits: object) -> None:
    talk = Conversation().log_in().call()

    assert talk.ask("telnyx_rtc.info", about("call-1", dtmf=digits))["error"]["code"] == -32002
    assert talk.take_events() == []


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"from": "a", "to": "b", "body": "hi\nthere"}, ClientText("a", "b", "hi\nthere")),
        ({"body": "hi"}, ClientText("", "", "hi")),
        ({"from": 7.5, "to": ["b"], "body": {"x": 1}}, ClientText("", "", "")),
        ("hi", ClientText("", "", "")),
    ],
)
def test_v102_a_text_message_gets_a_result_and_goes_to_call_control(message: object, text: ClientText) -> None:
    talk = Conversation().log_in().call()

    answer = talk.ask("telnyx_rtc.info", about("call-1", msg=message))

    assert "result" in answer
    assert talk.take_events() == [CallMessaged(VertoCallId("call-1"), text)]


def test_a_text_message_that_is_too_long_is_refused() -> None:
    talk = Conversation().log_in().call()

    assert talk.ask("telnyx_rtc.info", about("call-1", msg={"body": "x" * 20_000}))["error"]["code"] == -32002
    assert talk.take_events() == []


def test_a_text_of_the_other_side_is_an_info_without_any_state() -> None:
    talk = Conversation().log_in().call()

    talk.session.calls.send_text(VertoCallId("CALL-1"), ClientText("bob", "alice", "hi"))
    talk.session.calls.send_text(VertoCallId("other"), ClientText("bob", "alice", "hi"))

    (info,) = talk.heard()
    assert info["method"] == "telnyx_rtc.info"
    assert info["params"] == {"callID": "call-1", "msg": {"from": "bob", "to": "alice", "body": "hi"}}


def test_digits_of_the_other_side_are_an_info_with_their_length_where_it_is_known() -> None:
    talk = Conversation().log_in().call()

    talk.session.calls.send_dtmf(VertoCallId("CALL-1"), "5", duration=0.1604)
    talk.session.calls.send_dtmf(VertoCallId("call-1"), "42#", duration=None)
    talk.session.calls.send_dtmf(VertoCallId("other"), "5", duration=None)

    assert [(message["method"], message["params"]) for message in talk.heard()] == [
        ("telnyx_rtc.info", {"callID": "call-1", "dtmf": "5", "duration": 160}),
        ("telnyx_rtc.info", {"callID": "call-1", "dtmf": "42#"}),
    ]


def test_display_shows_the_new_far_end_in_the_direction_of_the_call() -> None:
    talk = Conversation().log_in().call()
    talk.ring("in-1")

    for call_id in ("call-1", "in-1", "other"):
        talk.session.calls.send_display(VertoCallId(call_id), name="Carol", number="+12025550177")

    shown = {"display_name": "Carol", "display_number": "+12025550177"}
    assert [(message["method"], message["params"]) for message in talk.heard()] == [
        ("telnyx_rtc.display", {"callID": "call-1", **shown, "display_direction": "inbound"}),
        ("telnyx_rtc.display", {"callID": "in-1", **shown, "display_direction": "outbound"}),
    ]


def test_info_about_nothing_and_digits_for_nobody_are_refused() -> None:
    talk = Conversation().log_in().call()

    assert talk.ask("telnyx_rtc.info", about("call-1"))["error"]["code"] == -32002
    assert talk.ask("telnyx_rtc.info", about("nobody", dtmf="1"))["error"]["code"] == -32002


def test_v63_v64_candidates_are_found_by_dialog_params_and_may_end_twice() -> None:
    talk = Conversation().log_in().call()
    line = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host"

    talk.say("telnyx_rtc.candidate", about("call-1", candidate=line, sdpMid="0", sdpMLineIndex=0))
    talk.say("telnyx_rtc.candidate", about("call-1", candidate="", sdpMid="0", sdpMLineIndex=0))
    talk.say("telnyx_rtc.endOfCandidates", about("call-1", endOfCandidates=True))

    assert all("result" in answer for answer in talk.heard())
    assert talk.take_events() == [
        CallMessaged(CALL, ClientCandidate(line)),
        CallMessaged(CALL, ClientCandidate(None)),
        CallMessaged(CALL, ClientCandidate(None)),
    ]


def test_candidates_of_a_call_that_has_just_ended_get_a_result() -> None:
    talk = Conversation().log_in()

    assert "result" in talk.ask("telnyx_rtc.candidate", about("nobody", candidate="candidate:1"))
    assert "result" in talk.ask("telnyx_rtc.endOfCandidates", about("nobody"))
    assert talk.take_events() == []


@pytest.mark.parametrize("call_id", ["call-1", "nobody"])
def test_a_ringing_ack_of_ios_gets_a_result(call_id: str) -> None:
    talk = Conversation().log_in().call()

    assert "result" in talk.ask("telnyx_rtc.ringing_ack", {"callID": call_id, "sessid": "sess-1"})


def test_v33_mobile_the_session_may_be_spelled_in_any_way_or_be_absent() -> None:
    talk = Conversation().log_in().call()

    for spelling in ("sessid", "sessionId", "sessId", "nothing"):
        params = {"dtmf": "1", "dialogParams": {"callID": "call-1"}, spelling: "a-session-of-the-clients-own"}
        assert "result" in talk.ask("telnyx_rtc.info", params)


@pytest.mark.parametrize("method", ["answer", "bye", "modify", "info", "candidate", "endOfCandidates", "invite"])
def test_params_that_are_no_object_are_invalid_params(method: str) -> None:
    talk = Conversation().log_in()

    assert talk.ask(f"telnyx_rtc.{method}", [1])["error"]["code"] == -32602
