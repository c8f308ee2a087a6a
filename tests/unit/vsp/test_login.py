"""Logins: the sequence that every SDK waits for, and the refusals that do not make them loop."""

import pytest

from gateway.domain.causes import USER_BUSY
from gateway.domain.ids import SessionId, VertoCallId
from gateway.vsp.core.calls import CallRequested
from gateway.vsp.core.messages import Login
from gateway.vsp.core.platforms import login_error
from gateway.vsp.core.session import CloseRequested, LoginRequested, State
from tests.unit.vsp.conversation import Conversation, invite


def test_v31_v38_v39_v40_a_login_gets_its_result_then_client_ready_without_calls() -> None:
    talk = Conversation()

    request_id = talk.say("login", {"login": "alice", "passwd": "secret", "userVariables": {}, "reconnection": False})
    (requested,) = talk.take_events()
    assert talk.heard() == []
    talk.session.accept_login(SessionId("sess-1"), now=0.0)

    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert (requested.login.username, requested.login.password, requested.login.token) == ("alice", "secret", None)
    assert talk.heard() == [
        {
            "jsonrpc": "2.0",
            "id": request_id,
            "result": {"message": "logged in", "sessid": "sess-1"},
            "voice_sdk_id": "VSDK1test",
        },
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "telnyx_rtc.clientReady",
            "params": {"reattached_sessions": []},
            "voice_sdk_id": "VSDK1test",
        },
    ]


def test_v32_a_token_login_may_carry_null_credentials() -> None:
    talk = Conversation()

    talk.say("login", {"login": None, "passwd": None, "login_token": "a.b.c"})

    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert (requested.login.username, requested.login.password, requested.login.token) == (None, None, "a.b.c")


def test_v33_password_and_token_together_are_both_handed_on() -> None:
    talk = Conversation()

    talk.say("login", {"login": "alice", "passwd": "secret", "login_token": "a.b.c"})

    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert requested.login.token == "a.b.c"
    assert requested.login.password == "secret"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"login": "alice"},
        {"passwd": "secret"},
        {"login": "", "passwd": ""},
        {"login_token": ""},
        {"login": 7.5, "passwd": "x"},
        {"login": "a\nb", "passwd": "x"},
        {"login_token": "t" * 9000},
        {"login_token": {"a": 1}},
    ],
)
def test_v34_a_login_that_cannot_be_checked_is_refused_but_never_with_32000(params: dict[str, object]) -> None:
    talk = Conversation()

    answer = talk.ask("login", params)

    assert answer["error"]["code"] == -32001
    assert talk.take_events() == []
    assert talk.session.state is State.NEW


def test_a_login_whose_params_are_no_object_is_refused_as_a_login() -> None:
    assert Conversation().ask("login", [1])["error"]["code"] == -32001


def test_v34_trap1_bad_credentials_give_32001_and_the_socket_stays() -> None:
    talk = Conversation()
    request_id = talk.say("login", {"login": "alice", "passwd": "wrong"})

    events = talk.session.refuse_login("wrong user name or password", now=0.0)

    (answer,) = talk.heard()
    assert answer["error"] == {"code": -32001, "message": "wrong user name or password"}
    assert answer["id"] == request_id
    assert events == []
    assert talk.session.state is State.NEW


@pytest.mark.parametrize(
    ("user_agent", "is_token_refused", "code"),
    [
        ("Web-2.27.10", True, -32001),
        ("Web-2.27.10", False, -32001),
        ("", True, -32001),
        ("Mozilla/5.0 (iPhone) iOS-like", True, -32001),
        ("iOS-4.1.2", True, -32000),
        ("iOS-mpn-4.1.2", True, -32000),
        ("Android-3.7.0", True, -32000),
        ("Flutter-4.4.0", True, -32000),
        ("ReactNative-1.1.0", True, -32000),
        ("ReactNative-mpn-1.1.0", False, -32001),
        ("Android-3.7.0", False, -32001),
    ],
)
def test_v34_v35_m25_a_bad_token_is_32000_to_mobile_sdks_alone(
    user_agent: str, is_token_refused: bool, code: int
) -> None:
    assert login_error(user_agent, is_token_refused=is_token_refused) == code


def test_m26_a_second_identical_login_after_a_refusal_is_checked_again() -> None:
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "wrong"})
    talk.session.refuse_login("no", now=0.0)
    talk.take_events()

    talk.say("login", {"login": "alice", "passwd": "right"})

    assert isinstance(talk.take_events()[0], LoginRequested)
    talk.session.accept_login(SessionId("s"), now=0.0)
    assert talk.session.state is State.READY


def test_too_many_refused_logins_close_the_socket_after_the_last_answer() -> None:
    talk = Conversation(max_login_attempts=3)

    for _ in range(2):
        talk.say("login", {"login": "alice", "passwd": "wrong"})
        assert talk.session.refuse_login("no", now=0.0) == []
    talk.say("login", {"login": "alice", "passwd": "wrong"})
    events = talk.session.refuse_login("no", now=0.0)

    assert events == [CloseRequested(1008, "login_attempts")]
    assert [answer["error"]["code"] for answer in talk.heard()] == [-32001] * 3


@pytest.mark.parametrize("agent", ["Android-3.7.0", {"sdkVersion": "2.27.10", "data": "Mozilla"}, {}, None, 5, ["x"]])
@pytest.mark.parametrize("login_params", [{}, None, {"early_sdp_answer": True}, {"attach_call": "true"}, "x"])
def test_v36_user_agent_and_login_params_are_taken_in_every_form(agent: object, login_params: object) -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "b", "User-Agent": agent, "loginParams": login_params})

    assert isinstance(talk.take_events()[0], LoginRequested)


def test_the_user_agent_of_the_browser_sdk_is_its_version() -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "b", "User-Agent": {"sdkVersion": "2.27.10", "data": "Mozilla"}})

    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert requested.login.user_agent == "Web-2.27.10"


def test_v37_unknown_user_variables_are_kept_as_text() -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "b", "userVariables": {"x": "1", "push_when_active": True, "o": {}}})

    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert requested.login.user_variables == (("x", "1"), ("push_when_active", "true"))


@pytest.mark.parametrize("user_variables", [[], None, "x", 5])
def test_user_variables_of_another_type_do_no_harm(user_variables: object) -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "b", "userVariables": user_variables})

    assert isinstance(talk.take_events()[0], LoginRequested)


def test_secrets_do_not_show_in_the_text_of_an_event() -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "hunter2", "login_token": "to.ke.n"})

    assert "hunter2" not in repr(talk.events)
    assert "to.ke.n" not in repr(talk.events)


@pytest.mark.parametrize("name", ["sessid", "sessionId", "sessId"])
def test_the_former_session_id_is_found_in_every_spelling(name: str) -> None:
    talk = Conversation()

    talk.say("login", {"login": "a", "passwd": "b", name: "sess-old", "reconnection": True})

    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    assert requested.login.session_id == "sess-old"


def test_v44_v45_trap3_a_login_on_a_live_socket_keeps_session_and_calls_and_sends_no_client_ready() -> None:
    talk = Conversation().log_in().call()

    request_id = talk.say("login", {"login_token": "a.b.c", "reconnection": True, "sessid": "sess-1"})
    talk.session.accept_login(SessionId("sess-1"), now=1.0)

    (answer,) = talk.heard()
    assert answer["id"] == request_id
    assert answer["result"] == {"message": "logged in", "sessid": "sess-1"}
    assert talk.session.calls.live == ("call-1",)


def test_a_refused_login_on_a_live_socket_leaves_the_session_as_it_was() -> None:
    talk = Conversation().log_in().call()

    talk.say("login", {"login_token": "a.b.c"})
    talk.session.refuse_login("the token has expired", now=1.0)

    assert talk.heard()[0]["error"]["code"] == -32001
    assert talk.session.state is State.READY
    assert talk.session.calls.live == ("call-1",)


def test_requests_of_a_ready_session_are_served_while_a_new_login_is_checked() -> None:
    talk = Conversation().log_in()
    talk.say("login", {"login_token": "a.b.c"})

    assert talk.ask("telnyx_rtc.gatewayState")["result"]["params"]["state"] == "REGED"


def test_logins_that_arrive_together_are_checked_one_after_the_other_and_all_answered() -> None:
    talk = Conversation()
    first = talk.say("login", {"login": "alice", "passwd": "1"})
    second = talk.say("login", {"login": "alice", "passwd": "2"})
    assert len(talk.take_events()) == 1

    (following,) = talk.session.refuse_login("no", now=0.0)
    assert isinstance(following, LoginRequested)
    assert isinstance(following.login, Login)
    assert following.login.password == "2"
    assert talk.session.state is State.AUTHENTICATING
    assert talk.session.accept_login(SessionId("s"), now=0.0) == []

    answers = talk.heard()
    assert [answer["id"] for answer in answers] == [first, second, 1]
    assert "error" in answers[0]
    assert "result" in answers[1]


def test_more_waiting_logins_than_make_sense_are_refused_at_once() -> None:
    talk = Conversation()
    for _ in range(5):
        talk.say("login", {"login": "alice", "passwd": "x"})
    assert talk.heard() == []

    assert talk.ask("login", {"login": "alice", "passwd": "x"})["error"]["code"] == -32001
    assert len(talk.take_events()) == 1


def test_an_answer_to_a_login_that_comes_after_the_socket_has_gone_is_dropped() -> None:
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "x"})

    talk.session.close()

    assert talk.session.accept_login(SessionId("s"), now=0.0) == []
    assert talk.session.refuse_login("no", now=0.0) == []
    assert talk.heard() == []


def test_a_login_without_an_id_is_ignored() -> None:
    talk = Conversation()

    talk.say_text('{"jsonrpc":"2.0","method":"login","params":{"login":"a","passwd":"b"}}')

    assert (talk.heard(), talk.take_events(), talk.session.state) == ([], [], State.NEW)


# ---- before the login

METHODS_NEEDING_LOGIN = [
    "telnyx_rtc.gatewayState",
    "telnyx_rtc.invite",
    "telnyx_rtc.answer",
    "telnyx_rtc.attach",
    "telnyx_rtc.attachCalls",
    "telnyx_rtc.bye",
    "telnyx_rtc.modify",
    "telnyx_rtc.info",
    "telnyx_rtc.candidate",
    "telnyx_rtc.endOfCandidates",
    "telnyx_rtc.subscribe",
    "telnyx_rtc.unsubscribe",
    "telnyx_rtc.broadcast",
    "telnyx_rtc.disable_push_notification",
    "ai_conversation",
    "nobody.knows",
]


@pytest.mark.parametrize("method", METHODS_NEEDING_LOGIN)
def test_v29_a_request_before_the_login_gives_32000_whatever_it_carries(method: str) -> None:
    talk = Conversation()

    assert talk.ask(method, invite())["error"]["code"] == -32000
    assert talk.ask(method, {})["error"]["code"] == -32000
    assert talk.take_events() == []


def test_v29_a_debug_report_before_the_login_gives_32000() -> None:
    talk = Conversation()

    talk.say_text('{"jsonrpc":"2.0","id":"1","type":"debug_report_start"}')

    assert talk.heard()[0]["error"]["code"] == -32000


def test_requests_while_the_login_is_checked_give_32000() -> None:
    talk = Conversation()
    talk.say("login", {"login": "a", "passwd": "b"})

    assert talk.ask("telnyx_rtc.gatewayState")["error"]["code"] == -32000


def test_a_speed_test_before_the_login_is_not_answered() -> None:
    talk = Conversation()

    talk.say_text("#SPU 1000")
    talk.say_text("#SPE")

    assert talk.heard() == []


# ---- gateway state


def test_v48_v20_gateway_state_is_reged_with_centre_and_region() -> None:
    talk = Conversation(dc="fra1", region="eu").log_in()

    answer = talk.ask("telnyx_rtc.gatewayState", voice_sdk_id=None)

    assert answer["result"] == {"params": {"state": "REGED", "dc": "fra1", "region": "eu"}, "sessid": "sess-1"}


def test_v129_without_call_reports_there_is_no_call_report_id_and_with_them_there_is() -> None:
    talk = Conversation()
    talk.say("login", {"login": "a", "passwd": "b"})
    talk.session.accept_login(SessionId("s"), now=0.0, call_report_id="report-1")
    talk.heard()

    assert talk.ask("telnyx_rtc.gatewayState")["result"]["params"]["call_report_id"] == "report-1"
    assert "call_report_id" not in Conversation().log_in().ask("telnyx_rtc.gatewayState")["result"]["params"]


def test_v51_the_same_odd_request_id_is_answered_every_time() -> None:
    talk = Conversation().log_in()

    answers = [talk.ask("telnyx_rtc.gatewayState", id="Instance of 'Uuid'") for _ in range(3)]

    assert {answer["id"] for answer in answers} == {"Instance of 'Uuid'"}


@pytest.mark.parametrize("voice_sdk_id", [None, "", "VSDK1other"])
def test_v25_the_voice_sdk_id_of_the_client_may_be_anything(voice_sdk_id: str | None) -> None:
    talk = Conversation().log_in()

    assert "result" in talk.ask("telnyx_rtc.ping", voice_sdk_id=voice_sdk_id)
    assert "result" in talk.ask("telnyx_rtc.gatewayState", voice_sdk_id=voice_sdk_id)


def test_v20_v21_no_other_message_carries_a_state_in_params() -> None:
    talk = Conversation()
    talk.say("login", {"login": "a", "passwd": "b"})
    talk.session.accept_login(SessionId("s"), now=0.0)
    messages = talk.heard()
    messages.append(talk.ring())
    talk.say("telnyx_rtc.ping")
    talk.pass_time(20)
    messages += talk.heard()

    assert len(messages) == 5
    for message in messages:
        assert "state" not in message.get("params", {})
        assert "params" not in message.get("result", {})


# ---- the token's life, and calls that were lost


def test_an_expired_token_makes_the_client_log_in_again_and_leaves_its_calls_alone() -> None:
    talk = Conversation()
    talk.say("login", {"login_token": "a.b.c"})
    talk.session.accept_login(SessionId("s"), now=0.0, token_lifetime=60.0)
    talk.heard()
    talk.call("before")
    talk.now = 60.0

    answer = talk.ask("telnyx_rtc.invite", invite("after"))

    assert answer["error"]["code"] == -32000
    assert talk.session.calls.live == ("before",)
    assert talk.ask("telnyx_rtc.info", {"dtmf": "1", "dialogParams": {"callID": "before"}})["result"]


def test_a_fresh_token_brings_invites_back() -> None:
    talk = Conversation()
    talk.say("login", {"login_token": "old"})
    talk.session.accept_login(SessionId("s"), now=0.0, token_lifetime=1.0)
    talk.now = 5.0
    talk.say("login", {"login_token": "new"})
    talk.session.accept_login(SessionId("s"), now=5.0, token_lifetime=60.0)
    talk.heard()
    talk.take_events()

    talk.say("telnyx_rtc.invite", invite())

    assert isinstance(talk.take_events()[0], CallRequested)


def test_v116_calls_that_are_over_get_a_bye_between_result_and_client_ready() -> None:
    lost = Conversation().log_in().call("old-1").call("old-2").call("old-3")
    lost.session.close()
    lost.session.calls.send_bye(
        VertoCallId("old-2"), cause=USER_BUSY, sip_code=486, sip_reason=None, sip_call_id=None, custom_headers=()
    )
    talk = Conversation()
    talk.say("login", {"login": "a", "passwd": "b", "sessid": "sess-1"})

    talk.session.accept_login(SessionId("sess-1"), now=0.0, lost=lost.session.calls, reattached=[VertoCallId("old-3")])

    result, *byes, ready = talk.heard()
    assert "result" in result
    assert [(bye["method"], bye["params"]["callID"], bye["params"]["cause"]) for bye in byes] == [
        ("telnyx_rtc.bye", "old-1", "ORIGINATOR_CANCEL"),
        ("telnyx_rtc.bye", "old-2", "USER_BUSY"),
    ]
    assert ready["params"] == {"reattached_sessions": ["old-3"]}
    assert talk.session.calls.live == ("old-3",)
    assert lost.session.calls.live == ()


def test_a_session_remembers_the_calls_it_had_when_its_socket_closed() -> None:
    talk = Conversation().log_in().call("one").call("two")

    talk.session.close()
    talk.session.close()

    assert talk.session.calls.live == ("one", "two")


def test_v106_a_punt_is_sent_to_a_ready_session_only() -> None:
    talk = Conversation()
    talk.session.punt()
    assert talk.heard() == []

    talk.log_in().session.punt()

    (punt,) = talk.heard()
    assert (punt["method"], punt["params"]) == ("telnyx_rtc.punt", {})


def test_a_closed_session_says_and_hears_nothing() -> None:
    talk = Conversation().log_in()
    talk.session.close()

    talk.say("telnyx_rtc.ping")
    talk.session.handle_timeout(1000.0)

    assert talk.heard() == []
    assert talk.take_events() == []
    assert talk.session.next_deadline() is None
    assert talk.session.receive_other(now=0.0) == []
