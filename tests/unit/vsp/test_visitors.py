"""Visitors: the messages of `anonymous_login`, what they may do, and the assistant that is not there yet."""

import json
from typing import Any

import pytest

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Target
from gateway.domain.ids import SessionId
from gateway.vsp.core.assistant import MAX_ECHO, NOBODY_ANSWERS
from gateway.vsp.core.calls import CallRequested
from gateway.vsp.core.messages import AnonymousLogin
from gateway.vsp.core.session import LoginRequested
from gateway.vsp.settings import VspSettings
from gateway.vsp.visitors import admit
from tests.unit.vsp.conversation import Conversation, invite

LOGIN: dict[str, Any] = {
    "target_type": "ai_assistant",
    "target_id": "assistant-1",
    "reconnection": False,
    "User-Agent": {"sdkVersion": "2.27.10", "data": "Mozilla/5.0"},
}


def asked(talk: Conversation, **params: object) -> AnonymousLogin:
    """The login that the shell is to check."""
    talk.say("anonymous_login", {**LOGIN, **params})
    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, AnonymousLogin)
    return requested.login


def visitor() -> Conversation:
    """A visitor that has been let in."""
    talk = Conversation()
    asked(talk)
    talk.session.accept_login(SessionId("visit-1"), now=0.0)
    talk.heard()
    return talk


def test_v46_m72_a_visitor_gets_what_a_login_gets() -> None:
    talk = Conversation()
    asked(talk)

    talk.session.accept_login(SessionId("visit-1"), now=0.0)

    result, ready = talk.heard()
    assert result["result"] == {"message": "logged in", "sessid": "visit-1"}
    assert (ready["method"], ready["params"]) == ("telnyx_rtc.clientReady", {"reattached_sessions": []})
    state = talk.ask("telnyx_rtc.gatewayState")["result"]
    assert (state["params"]["state"], state["sessid"]) == ("REGED", "visit-1")


def test_v47_everything_of_the_target_is_read() -> None:
    login = asked(
        Conversation(),
        target_version_id="v2",
        target_params={"conversation_id": "conv-1", "tier": 3, "vip": True, "nested": {"a": 1}},
        userVariables={"shop": "berlin"},
        reconnection=True,
        sessid="visit-0",
    )

    assert login.target == Target(
        target_type="ai_assistant",
        target_id="assistant-1",
        version_id="v2",
        conversation_id="conv-1",
        params=(("conversation_id", "conv-1"), ("tier", "3"), ("vip", "true")),
    )
    assert (login.session_id, login.user_agent) == ("visit-0", "Web-2.27.10")
    assert login.user_variables == (("shop", "berlin"),)


def test_a_conversation_id_beside_the_target_is_android_s_and_flutter_s() -> None:
    assert asked(Conversation(), conversation_id="conv-2").target.conversation_id == "conv-2"


@pytest.mark.parametrize("missing", ["target_type", "target_id"])
@pytest.mark.parametrize("value", [None, "", 7.5, {"a": 1}])
def test_a_visitor_without_a_target_is_refused_but_never_with_32000(missing: str, value: object) -> None:
    talk = Conversation()

    answer = talk.ask("anonymous_login", {**LOGIN, missing: value})

    assert answer["error"]["code"] == -32001
    assert talk.take_events() == []


def test_a_visitor_is_let_in_without_a_name_and_without_a_connection() -> None:
    login = asked(Conversation())

    identity = admit(login, VspSettings(), visitors=0, peer="192.0.2.1")

    assert not isinstance(identity, Refusal)
    assert identity.is_visitor
    assert (identity.username, identity.connection_id, identity.credential_id) == ("", None, None)
    assert identity.target == login.target


@pytest.mark.parametrize(
    ("settings", "params", "visitors", "code"),
    [
        ({"anonymous_login": False}, {}, 0, "anonymous_login_off"),
        ({"max_visitors": 2}, {}, 2, "too_many_visitors"),
        ({}, {"target_type": "queue"}, 0, "unknown_target"),
    ],
)
def test_a_visitor_is_turned_away_with_a_reason(
    settings: dict[str, Any], params: dict[str, object], visitors: int, code: str
) -> None:
    login = asked(Conversation(), **params)

    refusal = admit(login, VspSettings(**settings), visitors=visitors, peer="192.0.2.1")

    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert refusal.message


@pytest.mark.parametrize("destination", ["", None, "   ", "+12025550100", "anybody@sip.telnyx.com"])
def test_v61_m72_a_visitor_may_call_with_any_destination_and_with_none(destination: str | None) -> None:
    talk = visitor()

    answer = talk.ask("telnyx_rtc.invite", invite(destination=destination))

    assert answer["result"]["message"] == "CALL CREATED"
    (requested,) = talk.take_events()
    assert isinstance(requested, CallRequested)
    assert requested.invite.destination == (destination or "").strip()


def test_v61_others_may_not_leave_the_destination_empty() -> None:
    talk = Conversation().log_in()

    assert talk.ask("telnyx_rtc.invite", invite(destination="  "))["error"]["code"] == -32002
    assert talk.take_events() == []


# ---- ai_conversation


def typed(*content: object, **item: object) -> dict[str, object]:
    """`call.sendConversationMessage` of the SDKs."""
    whole = {"id": "item-1", "type": "message", "role": "user", "content": list(content), **item}
    return {"type": "conversation.item.create", "previous_item_id": None, "item": whole}


def test_v119_an_ai_message_with_an_id_gets_a_result_that_says_that_nobody_answers() -> None:
    talk = visitor()
    request_id = talk.say("ai_conversation", {"type": "conversation.item.create", "item": {"type": "x"}})

    (answer,) = talk.heard()
    assert (answer["id"], answer["result"]) == (request_id, {"message": NOBODY_ANSWERS})


@pytest.mark.parametrize("talk", [visitor(), Conversation().log_in()])
def test_m73_what_the_user_typed_is_echoed_with_its_id(talk: Conversation) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    talk.say("ai_conversation", typed({"type": "input_text", "text": "hello"}, picture))

    _, echo = talk.heard()
    assert echo["method"] == "ai_conversation"
    assert isinstance(echo["id"], int)
    assert echo["params"] == {
        "type": "conversation.item.created",
        "item": {
            "id": "item-1",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "text", "text": "hello"}, picture],
        },
    }
    assert "state" not in echo["params"]


def test_an_image_that_is_too_long_is_left_out_of_the_echo() -> None:
    talk = visitor()
    picture = {"type": "image_url", "image_url": {"url": "x" * (MAX_ECHO + 1)}}
    talk.say("ai_conversation", typed({"type": "input_text", "text": "look"}, picture))

    assert talk.heard()[1]["params"]["item"]["content"] == [{"type": "text", "text": "look"}]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"type": "conversation.item.create"},
        {"type": "conversation.item.create", "item": "text"},
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "f1", "output": "{}"}},
        {"type": "conversation.item.create", "item": {"type": "response.audio_stream.subscribe"}},
        typed({"type": "input_text", "text": "hello"}, id=None),
        typed({"type": "input_text", "text": "hello"}, id=7),
        typed({"type": "input_text", "text": "hello"}, id="x" * 257),
        typed({"type": "input_text", "text": "hello"}, role="system"),
        typed({"type": "input_text", "text": "hello"}, type="other"),
    ],
)
def test_anything_else_has_a_result_and_no_echo(params: dict[str, object]) -> None:
    assert "result" in visitor().ask("ai_conversation", params)


@pytest.mark.parametrize("content", [[], [None], ["text"], [{"type": "input_text"}], [{"type": "odd", "text": "x"}]])
def test_content_of_no_known_kind_is_left_out(content: list[object]) -> None:
    talk = visitor()
    talk.say("ai_conversation", typed(*content))

    assert talk.heard()[1]["params"]["item"]["content"] == []


def test_v119_a_notification_is_not_answered_but_its_text_is_echoed() -> None:
    talk = visitor()
    message = {"jsonrpc": "2.0", "method": "ai_conversation", "params": typed({"type": "input_text", "text": "hi"})}
    talk.say_text(json.dumps(message))

    (echo,) = talk.heard()
    assert echo["method"] == "ai_conversation"
