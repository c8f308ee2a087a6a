"""What mobile clients say about pushes."""

from typing import Any

import pytest

from gateway.domain.push import Device, masked
from gateway.vsp.core.messages import Login
from gateway.vsp.core.push import DeviceToken, DisablePush, PushOptions
from gateway.vsp.core.session import LoginRequested, PushDisableRequested
from tests.unit.vsp.conversation import Conversation


def options(**params: Any) -> PushOptions:
    """The part of a login that is about pushes."""
    talk = Conversation()
    talk.say("login", {"login": "alice", "passwd": "secret", **params})
    (requested,) = talk.take_events()
    assert isinstance(requested, LoginRequested)
    assert isinstance(requested.login, Login)
    return requested.login.push


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        ({"push_notification_provider": "android"}, "production"),  # Android sends no environment
        ({"push_notification_provider": "ios", "push_notification_environment": "production"}, "production"),
        ({"push_notification_provider": "ios", "push_notification_environment": "debug"}, "debug"),
        ({"push_notification_provider": "ios", "push_notification_environment": "sandbox"}, "debug"),
        ({"push_notification_provider": "android", "push_notification_environment": "development"}, "debug"),
        ({"push_notification_provider": "ios", "push_notification_environment": None}, "production"),
        ({"push_notification_provider": "ios", "push_notification_environment": {"odd": 1}}, "production"),
    ],
)
def test_m59_the_device_is_read_with_provider_and_environment(variables: dict[str, object], environment: str) -> None:
    found = options(userVariables={"push_device_token": "fcm-1", **variables})

    provider = str(variables["push_notification_provider"])
    assert found.device == DeviceToken(provider=provider, token="fcm-1", environment=environment)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"push_device_token": "", "push_notification_provider": "android"},  # Android without a token
        {"push_device_token": None, "push_notification_provider": "ios"},  # Flutter
        {"push_device_token": "t" * 4097, "push_notification_provider": "ios"},
        {"push_device_token": "t\n", "push_notification_provider": "ios"},
        {"push_device_token": "t", "push_notification_provider": "pigeon"},
        {"push_device_token": "t"},
        [],
        "text",
    ],
)
def test_a_device_that_cannot_be_used_is_none_and_does_no_harm(variables: object) -> None:
    assert options(userVariables=variables).device is None


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), ("false", False), (False, False)])
def test_m69_m71_flags_are_taken_as_boolean_and_as_text(value: object, expected: bool) -> None:
    found = options(
        userVariables={"push_when_active": value, "pn_late_fanout": value},
        loginParams={"decline_push": value},
        from_push=value,
    )

    flags = found.rings_when_active, found.is_late, found.is_declined, found.is_from_push
    assert flags == (expected, expected, expected, expected)


# ---- disable


@pytest.mark.parametrize("name", ["push_device_token", "push_notification_token"])
@pytest.mark.parametrize(
    ("who", "username", "login_token"),
    [
        ({"user": "alice"}, "alice", None),
        ({"user": "alice@sip.telnyx.com"}, "alice", None),
        ({"login_token": "a.b.c"}, None, "a.b.c"),
        ({}, None, None),
    ],
)
def test_m61_the_token_is_read_under_user_agent_by_both_names(
    name: str, who: dict[str, str], username: str | None, login_token: str | None
) -> None:
    talk = Conversation().log_in()
    device = {name: "fcm-1", "push_notification_provider": "android"}

    talk.say("telnyx_rtc.disable_push_notification", {**who, "User-Agent": device})

    requested = talk.take_events()[-1]
    assert isinstance(requested, PushDisableRequested)
    assert requested.request == DisablePush(username=username, login_token=login_token, token="fcm-1")
    assert "fcm-1" not in repr(requested)
    assert talk.heard() == []


def test_m62_the_answer_has_the_method_beside_the_result() -> None:
    talk = Conversation().log_in()
    request_id = talk.say("telnyx_rtc.disable_push_notification", {"User-Agent": {"push_device_token": "fcm-1"}})
    requested = talk.take_events()[-1]
    assert isinstance(requested, PushDisableRequested)

    talk.session.answer(requested.ref, {"message": "disable push notification success"})

    (answer,) = talk.heard()
    assert answer["id"] == request_id
    assert answer["method"] == "telnyx_rtc.disable_push_notification"
    assert "success" in answer["result"]["message"]


@pytest.mark.parametrize("agent", [{}, None, "iOS-4.1.2", {"push_device_token": ""}, {"push_device_token": 7.5}])
def test_a_disable_without_a_token_is_refused(agent: object) -> None:
    answer = Conversation().log_in().ask("telnyx_rtc.disable_push_notification", {"User-Agent": agent})

    assert answer["error"]["code"] == -32002


def test_few_disables_wait_at_once_and_an_answer_makes_room() -> None:
    talk = Conversation().log_in()
    params = {"User-Agent": {"push_device_token": "fcm-1"}}
    for _ in range(4):
        talk.say("telnyx_rtc.disable_push_notification", params)
    assert talk.heard() == []
    first = talk.take_events()[0]
    assert isinstance(first, PushDisableRequested)

    assert talk.ask("telnyx_rtc.disable_push_notification", params)["error"]["code"] == -32002
    talk.session.answer_error(first.ref, "no")
    assert talk.heard()[0]["error"] == {"code": -32002, "message": "no"}
    talk.say("telnyx_rtc.disable_push_notification", params)
    assert talk.heard() == []


# ---- what a device wants


@pytest.mark.parametrize(
    ("user_agent", "missed", "elsewhere"),
    [
        ("iOS-4.1.2", False, True),
        ("iOS-mpn-4.1.2", True, True),
        ("Android-3.7.0", True, True),
        ("Flutter-4.4.0", True, False),
        ("ReactNative-1.1.0", False, False),
        ("ReactNative-mpn-1.1.0", True, False),
    ],
)
def test_m68_m70_devices_are_told_what_their_sdk_understands(user_agent: str, missed: bool, elsewhere: bool) -> None:
    device = Device(username="alice", provider="ios", token="t", user_agent=user_agent)

    assert (device.wants_missed_calls, device.wants_answered_elsewhere) == (missed, elsewhere)


@pytest.mark.parametrize(("token", "shown"), [("abcdefghijklmnop", "…klmnop"), ("short", "…"), ("", "…")])
def test_a_token_is_shown_by_its_end(token: str, shown: str) -> None:
    assert masked(token) == shown
