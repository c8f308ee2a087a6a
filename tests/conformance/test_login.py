"""V-31 to V-54: logins, sessions and registration (verto-js 3)."""

import asyncio
import json
import time
import uuid
from pathlib import Path

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.domain.registration import Ending
from tests.conformance.client import Client, client, logged_in, phone
from tests.conformance.conftest import QUICK
from tests.conformance.mobile.site import OFFER
from tests.conformance.rules import Message
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.lab import token_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO, TONE, RINGS = "+12025550100", "+12025550101", "+12025550104"
GOOD: Message = {"login": "alice", "passwd": PASSWORD}
TARGET: Message = {"target_type": "ai_assistant", "target_id": "assistant-1"}


def params(**members: object) -> Message:
    """As the SDK fills them."""
    return {
        "userVariables": {"push_when_active": False, "pn_late_fanout": False},
        "reconnection": False,
        "loginParams": {"early_sdp_answer": False},
        "User-Agent": {"sdkVersion": "2.27.10", "data": "Mozilla/5.0"},
        **members,
    }


async def who(gateway: Running, one: Client) -> str:
    """The user name of a session."""
    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
    return next(str(session["username"]) for session in sessions if session["session_id"] == one.session_id)


async def expired_token(gateway: Running, user: str) -> str:
    """A token of a good credential of that user, a minute too old."""
    made = await gateway.gateway.provisioning.add_credential(gateway.connections[user], name="old")
    now = int(time.time()) - 3600  # noqa: TID251 -- wall time is what a token is made of
    return gateway.gateway.tokens.create(
        credential_id=made.credential.credential_id, token_id=str(uuid.uuid4()), now=now, expires_at=now + 600
    )


def states(one: Client) -> list[str]:
    """Every gateway state that the client was told, in answers and pushes."""
    found = [message.get("result", message).get("params", {}).get("state") for message in one.frames]
    return [state for state in found if state is not None]


async def set_state(gateway: Running, one: Client, state: str) -> None:
    """Take the registration of a client down or up, as the lab can."""
    await gateway.post(f"/_lab/sessions/{one.session_id}/gateway_state", {"state": state})


async def test_v031_user_name_and_password_give_a_session(gateway: Running) -> None:
    async with client(gateway) as one:
        answer = await one.ask("login", params(**GOOD))

        assert isinstance(answer["result"]["sessid"], str)
        assert answer["result"]["sessid"]


async def test_v032_a_token_gives_a_session(gateway: Running) -> None:
    async with client(gateway) as one:
        answer = await one.ask("login", params(login_token=await token_of(gateway, "alice")))

        assert answer["result"]["sessid"]


async def test_v033_user_name_and_password_count_before_a_token(gateway: Running) -> None:
    token = await token_of(gateway, "robert")
    for given, expected in (
        ({**GOOD, "login_token": token}, "alice"),
        ({**GOOD, "passwd": "wrong", "login_token": token}, "robert"),
        ({"login": "alice", "login_token": token}, "robert"),
        ({"login_token": token}, "robert"),
    ):
        for _ in range(2):
            async with client(gateway) as one:
                answer = await one.ask("login", params(**given))
                one.session_id = answer["result"]["sessid"]
                sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
                connection = next(one_ for one_ in sessions if one_["session_id"] == one.session_id)["connection_id"]

                assert connection == gateway.connections[expected]


@pytest.mark.parametrize(
    "bad",
    [
        {"login": "alice", "passwd": "wrong"},
        {"login": "nobody", "passwd": PASSWORD},
        {"login": "alice"},
        {"login_token": "a.b.c"},
        {},
        {"login": 7, "passwd": []},
    ],
)
async def test_v034_bad_credentials_are_32001_and_leave_the_socket_open(gateway: Running, bad: Message) -> None:
    async with client(gateway) as one:
        answers = [await one.ask("login", params(**bad)) for _ in range(2)]
        await one.barrier()

        assert [answer["error"]["code"] for answer in answers] == [-32001, -32001]
        assert all(isinstance(answer["error"]["message"], str) for answer in answers)


async def test_v035_an_expired_token_is_32001(gateway: Running) -> None:
    async with client(gateway) as one:
        answer = await one.ask("login", params(login_token=await expired_token(gateway, "alice")))

        assert answer["error"]["code"] == -32001


@pytest.mark.parametrize("agent", [{"sdkVersion": "2.27.10", "data": "Mozilla"}, "Web-2.22.17", {}, None])
@pytest.mark.parametrize("login_params", [{}, {"early_sdp_answer": True}, {"of": {"tomorrow": 1}}, ...])
async def test_v036_user_agent_and_login_params_are_taken_in_every_form(
    gateway: Running, agent: object, login_params: object
) -> None:
    given = params(**GOOD, **{"User-Agent": agent, "loginParams": login_params})
    async with client(gateway) as one:
        answer = await one.ask("login", {name: value for name, value in given.items() if value is not ...})

        assert answer["result"]["sessid"]


async def test_v037_unknown_user_variables_are_taken_and_kept(gateway: Running) -> None:
    given = {"customer": "4711", "of_tomorrow": "1", "push_when_active": True}
    async with client(gateway) as one:
        answer = await one.ask("login", params(**GOOD) | {"userVariables": given})
        sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
        session = next(session for session in sessions if session["session_id"] == answer["result"]["sessid"])

        assert session["user_variables"] == {"customer": "4711", "of_tomorrow": "1", "push_when_active": "true"}


async def test_v038_the_answer_to_a_login_comes_before_client_ready_and_attach(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        alice.verto.drop()
        await alice.verto.is_closed.wait()
        async with client(gateway) as again:
            await again.ask("login", params(**GOOD, sessid=alice.verto.session_id) | {"reconnection": True})
            await again.wait_for("telnyx_rtc.attach")

            assert "result" in again.frames[0]
            methods = {message["method"] for message in again.frames[1:]}
            assert {"telnyx_rtc.clientReady", "telnyx_rtc.attach"} <= methods
            await again.ask("telnyx_rtc.bye", {"dialogParams": {"callID": call}})


async def test_v039_one_client_ready_with_an_array_follows_each_login_on_a_new_socket(gateway: Running) -> None:
    for login in ("login", "anonymous_login", "login"):
        async with client(gateway) as one:
            await one.ask(login, params(**(GOOD if login == "login" else TARGET)))
            await one.ask("telnyx_rtc.gatewayState", {})
            await one.barrier()

            ready = one.requests("telnyx_rtc.clientReady")
            assert len(ready) == 1
            assert isinstance(ready[0]["reattached_sessions"], list)


async def test_v040_a_first_login_has_nothing_reattached(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        assert alice.requests("telnyx_rtc.clientReady") == [{"reattached_sessions": []}]


async def test_v041_a_reconnection_gets_the_same_session(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        alice.drop()
        await alice.is_closed.wait()
    async with client(gateway) as again:
        answer = await again.ask("login", {**params(**GOOD, sessid=alice.session_id), "reconnection": True})

        assert answer["result"]["sessid"] == alice.session_id


@pytest.mark.parametrize("sessid", ["7c0b6a52-5d0e-4a0e-8f6e-2f8f5c0a9d11", "", None, ..., 7], ids=str)
async def test_v042_a_reconnection_without_a_known_session_gets_a_new_one(gateway: Running, sessid: object) -> None:
    given = {} if sessid is ... else {"sessid": sessid}
    async with client(gateway) as one:
        answer = await one.ask("login", {**params(**GOOD, **given), "reconnection": True})
        await one.barrier()

        assert answer["result"]["sessid"] not in ("", sessid)
        assert one.requests("telnyx_rtc.clientReady") == [{"reattached_sessions": []}]


async def test_v043_the_session_of_somebody_else_is_not_taken_over_and_shows_nothing(gateway: Running) -> None:
    async with (
        logged_in(gateway, "robert") as robert,
        client(gateway, f"/?voice_sdk_id={robert.rules.voice_sdk_id}") as one,
    ):
        call = await robert.invite(ECHO, OFFER)
        await robert.wait_for("telnyx_rtc.answer", call_id=call)
        answer = await one.ask("login", {**params(**GOOD, sessid=robert.session_id), "reconnection": True})
        await one.barrier()

        assert answer["result"]["sessid"] != robert.session_id
        assert one.requests("telnyx_rtc.clientReady") == [{"reattached_sessions": []}]
        assert [message for message in one.frames if call in json.dumps(message)] == []
        hold = await one.ask_about(call, "telnyx_rtc.modify", action="hold")
        assert hold["error"]["code"] == -32002
        assert (await robert.modify(call, "hold"))["holdState"] == "held"
        await robert.bye(call)


async def test_v044_a_login_on_a_live_socket_keeps_session_calls_and_sound(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        frames = len(alice.verto.frames)
        token = await token_of(gateway, "alice")
        answer = await alice.verto.ask(
            "login", {**params(login_token=token, sessid=alice.verto.session_id), "reconnection": True}
        )
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.verto.barrier()

        assert answer["result"]["sessid"] == alice.verto.session_id
        sent = {message.get("method") for message in alice.verto.frames[frames:]}
        assert sent & {"telnyx_rtc.attach", "telnyx_rtc.punt", "telnyx_rtc.bye", "telnyx_rtc.invite"} == set()
        await alice.hang_up(call)


async def test_v045_after_a_login_on_a_live_socket_client_ready_is_absent_or_lists_every_call(
    gateway: Running,
) -> None:
    async with logged_in(gateway) as alice:
        calls = [await alice.invite(number, OFFER) for number in (ECHO, RINGS)]
        await alice.ask("login", {**params(**GOOD, sessid=alice.session_id), "reconnection": True})
        await alice.barrier()

        later = alice.requests("telnyx_rtc.clientReady")[1:]
        assert [ready for ready in later if set(ready["reattached_sessions"]) != set(calls)] == []
        for call in calls:
            await alice.bye(call)


async def test_v046_an_anonymous_login_gives_a_session(gateway: Running) -> None:
    target = {**TARGET, "target_version_id": "v2", "target_params": {"conversation_id": "c1", "X-Any": "thing"}}
    async with client(gateway) as one:
        answer = await one.ask("anonymous_login", params(**target))

        assert answer["result"]["sessid"]
        assert (await one.ask("telnyx_rtc.gatewayState", {}))["result"]["params"]["state"] == "REGED"


async def test_v048_a_registered_client_is_told_so_with_report_id_centre_and_region(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        state = await alice.ask("telnyx_rtc.gatewayState", {}, voice_sdk_id=alice.rules.voice_sdk_id)

        told = state["result"]["params"]
        assert told["state"] == "REGED"
        assert all(isinstance(told[name], str) and told[name] for name in ("call_report_id", "dc", "region"))
        assert state["result"]["sessid"] == alice.session_id
        assert state["voice_sdk_id"] == alice.rules.voice_sdk_id


async def test_v049_a_socket_is_never_told_register(gateway: Running) -> None:
    for login in ("login", "anonymous_login"):
        async with client(gateway) as one:
            await one.ask(login, params(**(GOOD if login == "login" else TARGET)))
            for _ in range(3):
                await one.ask("telnyx_rtc.gatewayState", {})

            assert states(one) == ["REGED"] * 3


async def test_v050_a_state_asked_for_while_registration_is_pending_is_withheld(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        told = len(states(alice))
        await set_state(gateway, alice, "PENDING")
        async with asyncio.TaskGroup() as group:
            early = group.create_task(alice.ask("telnyx_rtc.gatewayState", {}))
            await alice.barrier()
            await alice.barrier()
            assert states(alice)[told:] == []
            await set_state(gateway, alice, "REGED")

        assert early.result()["result"]["params"]["state"] == "REGED"
        assert set(states(alice)[told:]) == {"REGED"}


async def test_v051_every_question_for_the_state_gets_a_known_one(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        told = len(states(alice))
        for number in range(5):
            await alice.ask("telnyx_rtc.gatewayState", {}, id=f"again-{number}")

        assert states(alice)[told:] == ["REGED"] * 5


async def test_v052_a_lost_registration_is_pushed_and_so_is_its_return(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        await set_state(gateway, alice, "UNREGED")
        asked = await alice.ask("telnyx_rtc.gatewayState", {})
        await set_state(gateway, alice, "REGED")
        await alice.until(lambda message: message.get("method") == "telnyx_rtc.gatewayState", count=2)

        assert asked["result"]["params"]["state"] == "UNREGED"
        assert alice.requests("telnyx_rtc.gatewayState") == [{"state": "UNREGED"}, {"state": "REGED"}]


async def test_v052_the_registrations_of_a_user_that_is_removed_are_pushed_away_and_closed(tmp_path: Path) -> None:
    async with running(tmp_path, QUICK) as gateway, logged_in(gateway) as alice:
        assert gateway.gateway.verto.endings.end_registrations(Ending(connection_id=gateway.connections["alice"])) == 1
        await alice.is_closed.wait()

        assert alice.requests("telnyx_rtc.gatewayState") == [{"state": "UNREGED"}]


async def test_v053_what_passes_by_itself_is_never_told_as_failed(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_args: object, **_kwargs: object) -> None:
        raise ConnectionError("the database restarts")

    async with logged_in(gateway, "robert") as robert:
        with monkeypatch.context() as patch:
            patch.setattr(Authenticator, "login", down)
            async with client(gateway) as one:
                await one.ask("login", params(**GOOD))
                await one.is_closed.wait()  # so that the SDK tries again, with its back-off
            assert states(one) == []
            state = await robert.ask("telnyx_rtc.gatewayState", {})
        async with client(gateway) as one:
            assert (await one.ask("login", params(**GOOD)))["result"]["sessid"]

        assert state["result"]["params"]["state"] == "REGED"
        assert set(states(robert)) == {"REGED"}


@pytest.mark.parametrize("is_active", [False, True])
async def test_v054_a_browser_suppresses_pushes_unless_it_says_push_when_active(
    tmp_path: Path, is_active: bool
) -> None:
    device = {"push_device_token": "device-1", "push_notification_provider": "ios"}
    async with running(tmp_path, QUICK) as gateway:
        async with client(gateway) as mobile:
            await mobile.ask("login", params(**GOOD) | {"userVariables": device})
        async with client(gateway) as browser, logged_in(gateway, "robert") as robert:
            wish = {"push_when_active": is_active, "pn_late_fanout": is_active}
            await browser.ask("login", params(**GOOD) | {"userVariables": wish})
            call = await robert.invite("alice", OFFER)
            await browser.wait_for("telnyx_rtc.invite")
            await robert.wait_for("telnyx_rtc.ringing", call_id=call)
            pushes = [push["kind"] for push in (await gateway.get("/_lab/pushes"))["data"]]
            await robert.bye(call)

            assert pushes == (["call"] if is_active else [])
