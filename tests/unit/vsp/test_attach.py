"""Calls on their way from one socket to the next (verto-js 7)."""

from gateway.domain.causes import NORMAL_CLEARING
from gateway.domain.ids import Sdp, SessionId, VertoCallId
from gateway.vsp.control import AttachHeard, ClientAttach
from gateway.vsp.core.calls import CallMessaged
from tests.unit.vsp.conversation import ANSWER, IDS, OFFER, Conversation, Message, about

CALL = VertoCallId("call-1")
TELNYX_IDS = (IDS["telnyx_session_id"], IDS["telnyx_leg_id"])


def back(lost: Conversation, *kept: str, user_agent: object = None) -> Conversation:
    """The client of a socket that was lost, on another one."""
    lost.session.close()
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "secret", "sessid": "sess-1", "User-Agent": user_agent})
    ids = [VertoCallId(one) for one in kept]
    talk.session.accept_login(SessionId("sess-1"), now=talk.now, lost=lost.session.calls, reattached=ids)
    talk.take_events()
    talk.heard()
    return talk


def attach(talk: Conversation) -> list[Message]:
    """Have the call attached; what the client hears."""
    talk.session.calls.send_attach(
        CALL,
        sdp=Sdp(OFFER),
        caller=("Outbound Call", "+12025550100"),
        callee=("Alice", "+12025550111"),
        telnyx_ids=TELNYX_IDS,
        custom_headers=[("X-Ref", "42")],
    )
    return talk.heard()


def hang_up(talk: Conversation, call: VertoCallId = CALL) -> None:
    talk.session.calls.send_bye(
        call, cause=NORMAL_CLEARING, sip_code=None, sip_reason=None, sip_call_id=None, custom_headers=()
    )


def media(talk: Conversation) -> list[Message]:
    talk.session.calls.send_media(CALL, sdp=Sdp(ANSWER))
    return talk.heard()


def test_v112_attach_has_what_an_invite_has_under_the_old_id() -> None:
    (heard,) = attach(back(Conversation().log_in().call(), "call-1"))

    assert heard["method"] == "telnyx_rtc.attach"
    assert heard["params"] == {
        "callID": "call-1",
        "sdp": OFFER,
        "caller_id_name": "Outbound Call",
        "caller_id_number": "+12025550100",
        "callee_id_name": "Alice",
        "callee_id_number": "+12025550111",
        **IDS,
        "display_direction": "outbound",
        "dialogParams": {"custom_headers": [{"name": "X-Ref", "value": "42"}]},
    }


def test_v113_m50_answer_of_the_client_gets_a_result_whatever_it_says_about_attach() -> None:
    talk = back(Conversation().log_in().call(), "call-1")
    attach(talk)

    answer = talk.ask("telnyx_rtc.attach", {**about("call-1", sdp=ANSWER), "trickle": True})

    assert answer["result"] == {"callID": "call-1", "sessid": "sess-1"}
    assert talk.take_events() == [CallMessaged(CALL, ClientAttach(sdp=Sdp(ANSWER), is_trickle=True))]


def test_attach_of_an_unknown_call_is_an_error() -> None:
    assert Conversation().log_in().ask("telnyx_rtc.attach", about("call-9", sdp=ANSWER))["error"]["code"] == -32002


def test_attach_counts_as_heard_when_it_is_acknowledged_or_a_ping_follows() -> None:
    acknowledged = back(Conversation().log_in().call(), "call-1")
    (heard,) = attach(acknowledged)
    acknowledged.say_text(f'{{"jsonrpc":"2.0","id":{heard["id"]},"result":{{"method":"telnyx_rtc.attach"}}}}')
    pinged = back(Conversation().log_in().call(), "call-1")
    attach(pinged)
    pinged.say("telnyx_rtc.ping")
    pinged.say("telnyx_rtc.ping")

    assert acknowledged.take_events() == pinged.take_events() == [CallMessaged(CALL, AttachHeard())]


def test_sdk_that_acknowledges_nothing_is_pinged_behind_the_attach() -> None:
    heard = attach(back(Conversation().log_in().call(), "call-1", user_agent="Android-3.7.0"))

    assert [message["method"] for message in heard] == ["telnyx_rtc.attach", "telnyx_rtc.ping"]


def test_what_is_sent_to_a_lost_socket_is_dropped_but_for_the_end() -> None:
    lost = Conversation().log_in().call()
    lost.session.close()
    media(lost)
    hang_up(lost)

    assert lost.heard() == []
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "secret"})
    talk.session.accept_login(SessionId("sess-1"), now=0.0, lost=lost.session.calls, reattached=[])
    assert [message.get("method") for message in talk.heard()] == [None, "telnyx_rtc.bye", "telnyx_rtc.clientReady"]


def test_early_media_that_nobody_acknowledged_may_be_said_again() -> None:
    lost = Conversation().log_in().call()
    media(lost)
    unheard = back(lost, "call-1")
    lost = Conversation().log_in().call()
    (heard,) = media(lost)
    lost.say_text(f'{{"jsonrpc":"2.0","id":{heard["id"]},"result":{{"method":"telnyx_rtc.media"}}}}')
    known = back(lost, "call-1")

    assert [message["method"] for message in media(unheard)] == ["telnyx_rtc.media"]
    assert media(known) == []


def test_bye_that_nobody_acknowledged_is_said_again_and_one_that_was_is_not() -> None:
    lost = Conversation().log_in().call("call-1").call("call-2")
    hang_up(lost)
    hang_up(lost, VertoCallId("call-2"))
    first, _ = lost.heard()
    lost.say_text(f'{{"jsonrpc":"2.0","id":{first["id"]},"result":{{"method":"telnyx_rtc.bye"}}}}')
    lost.session.close()
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "secret"})
    talk.session.accept_login(SessionId("sess-1"), now=0.0, lost=lost.session.calls, reattached=[])

    assert [one["params"]["callID"] for one in talk.heard() if one.get("method") == "telnyx_rtc.bye"] == ["call-2"]


def test_v107_punt_names_a_call_whose_media_the_client_keeps() -> None:
    plain = Conversation().log_in().call()
    plain.session.punt()
    keeping = Conversation().log_in().call(keepConnectionAliveOnSocketClose=True)
    keeping.session.punt()

    assert [one["params"] for one in plain.heard()] == [{}]
    assert [one["params"] for one in keeping.heard()] == [{"callID": "call-1"}]
