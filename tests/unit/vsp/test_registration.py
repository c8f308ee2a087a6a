"""The gateway state: answers, pushes, and answers that are withheld."""

import pytest

from gateway.domain.ids import SessionId
from gateway.domain.registration import RegistrationState
from gateway.vsp.core.registration import MAX_WITHHELD
from gateway.vsp.core.session import LoginRequested
from tests.unit.vsp.conversation import Conversation, Message, invite

LAB_STATES = [state for state in RegistrationState if state is not RegistrationState.PENDING]


def token_login(user_agent: object, *, lifetime: float = 10.0) -> Conversation:
    """A client whose token lasts that long."""
    talk = Conversation(idle_timeout=10_000.0, ping_interval=10_000.0, mobile_ping_interval=10_000.0)
    refresh(talk, user_agent, lifetime)
    talk.heard()
    return talk


def refresh(talk: Conversation, user_agent: object, lifetime: float) -> None:
    talk.say("login", {"login_token": "a.b.c", "User-Agent": user_agent})
    assert isinstance(talk.take_events()[-1], LoginRequested)
    talk.session.accept_login(SessionId("sess-1"), now=talk.now, token_lifetime=lifetime)


def state_of(answer: Message) -> str:
    state: str = answer["result"]["params"]["state"]
    return state


@pytest.mark.parametrize("state", LAB_STATES, ids=lambda state: state.value)
def test_v51_v52_a_state_that_was_set_is_pushed_and_answered_until_it_is_reged_again(state: RegistrationState) -> None:
    talk = Conversation().log_in()

    talk.session.registration.set(state)

    (push,) = talk.heard()
    assert (push["method"], push["params"]) == ("telnyx_rtc.gatewayState", {"state": state.value})
    assert isinstance(push["id"], int)
    answers = [talk.ask("telnyx_rtc.gatewayState") for _ in range(2)]
    assert [state_of(answer) for answer in answers] == [state.value] * 2
    assert all(answer["result"]["sessid"] == "sess-1" for answer in answers)

    talk.session.registration.set(RegistrationState.REGED)

    assert talk.heard()[0]["params"] == {"state": "REGED"}
    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "REGED"


def test_v50_m22_while_the_registration_is_pending_the_answer_is_withheld() -> None:
    talk = Conversation().log_in()
    talk.session.registration.set(RegistrationState.PENDING)

    ids = [talk.say("telnyx_rtc.gatewayState", id="same"), talk.say("telnyx_rtc.gatewayState")]
    assert talk.heard() == []
    talk.session.registration.set(RegistrationState.REGED)

    push, *answers = talk.heard()
    assert push["params"] == {"state": "REGED"}
    assert [answer["id"] for answer in answers] == ["same", ids[1]]
    assert [state_of(answer) for answer in answers] == ["REGED", "REGED"]


def test_withheld_answers_are_bounded() -> None:
    talk = Conversation().log_in()
    talk.session.registration.set(RegistrationState.PENDING)
    ids = [talk.say("telnyx_rtc.gatewayState") for _ in range(MAX_WITHHELD)]

    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "NOREG"
    talk.session.registration.set(RegistrationState.REGED)

    assert [answer["id"] for answer in talk.heard()[1:]] == ids


@pytest.mark.parametrize(
    ("user_agent", "pushes"),
    [
        ({"sdkVersion": "2.27.10", "data": "Mozilla/5.0"}, []),
        ("iOS-4.1.2", []),
        ("Flutter-4.4.0", []),
        ("ReactNative-1.1.0", []),
        ("Android-3.7.0", ["EXPIRED"]),
    ],
)
def test_an_expired_token_is_pushed_to_those_who_can_use_it_and_answered_to_all(
    user_agent: object, pushes: list[str]
) -> None:
    talk = token_login(user_agent)

    talk.pass_time(9.9)
    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "REGED"
    talk.pass_time(0.2)

    assert [message["params"]["state"] for message in talk.heard()] == pushes
    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "EXPIRED"
    assert talk.ask("telnyx_rtc.invite", invite())["error"]["code"] == -32000


def test_an_expired_token_ends_no_call_and_is_told_once() -> None:
    talk = token_login("Android-3.7.0").call()

    talk.pass_time(100.0)

    assert [message["params"] for message in talk.heard()] == [{"state": "EXPIRED"}]
    assert len(talk.session.calls.live) == 1


def test_v52_a_fresh_token_registers_again_and_who_heard_of_the_loss_hears_of_that() -> None:
    talk = token_login("Android-3.7.0")
    talk.pass_time(11.0)
    talk.heard()

    refresh(talk, "Android-3.7.0", 10.0)

    result, push = talk.heard()
    assert result["result"]["sessid"] == "sess-1"
    assert push["params"] == {"state": "REGED"}
    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "REGED"
    talk.pass_time(11.0)
    assert talk.heard()[0]["params"] == {"state": "EXPIRED"}


def test_a_client_that_never_heard_of_the_loss_is_not_told_that_it_is_over() -> None:
    talk = token_login({"sdkVersion": "2.27.10", "data": ""})
    talk.pass_time(11.0)

    refresh(talk, {"sdkVersion": "2.27.10", "data": ""}, 10.0)

    (result,) = talk.heard()
    assert "result" in result


def test_a_password_login_never_expires() -> None:
    talk = Conversation(idle_timeout=1e9, ping_interval=1e8).log_in()

    talk.pass_time(1e6)

    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "REGED"


def test_an_expiring_token_leaves_the_state_of_the_lab_alone() -> None:
    talk = token_login("Android-3.7.0")
    talk.session.registration.set(RegistrationState.FAIL_WAIT)
    talk.heard()

    talk.pass_time(11.0)

    assert talk.heard() == []
    assert state_of(talk.ask("telnyx_rtc.gatewayState")) == "FAIL_WAIT"
