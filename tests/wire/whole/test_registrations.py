"""A client's registration: what the lab makes of it, and its end with its user."""

import asyncio
from pathlib import Path

import pytest

from gateway.domain.registration import Ending
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import connected
from tests.wire.whole.phone import phone

TONE = "+12025550101"


@pytest.mark.parametrize("state", ["FAIL_WAIT", "UNREGED", "NOREG", "FAILED", "EXPIRED", "TIMEOUT"])
async def test_v52_the_lab_takes_a_registration_down_and_up_again(gateway: Running, state: str) -> None:
    async with connected(gateway.websocket) as client:
        await client.login("alice", PASSWORD)
        path = f"/_lab/sessions/{client.session_id}/gateway_state"

        await gateway.post(path, {"state": state})
        push = await client.wait_for("telnyx_rtc.gatewayState")
        answer = await client.request("telnyx_rtc.gatewayState", {})
        await gateway.post(path, {"state": "REGED"})
        recovered = await client.wait_for("telnyx_rtc.gatewayState", count=2)

        assert (push["params"], recovered["params"]) == ({"state": state}, {"state": "REGED"})
        assert (answer["params"]["state"], answer["sessid"]) == (state, client.session_id)


async def test_v50_a_pending_registration_withholds_the_answer(gateway: Running) -> None:
    async with connected(gateway.websocket) as client:
        await client.login("alice", PASSWORD)
        path = f"/_lab/sessions/{client.session_id}/gateway_state"
        await gateway.post(path, {"state": "PENDING"})
        answers: list[str] = []

        async def ask() -> None:
            answers.append((await client.request("telnyx_rtc.gatewayState", {}))["params"]["state"])

        async with asyncio.TaskGroup() as group:
            group.create_task(ask())
            await client.request("telnyx_rtc.ping", {})
            await client.request("telnyx_rtc.ping", {})
            assert answers == []
            await gateway.post(path, {"state": "REGED"})

        assert answers == ["REGED"]


@pytest.mark.parametrize("what", ["connection", "credential"])
async def test_v52_the_end_of_a_user_tells_its_clients_and_ends_their_calls(tmp_path: Path, what: str) -> None:
    async with running(tmp_path, {"verto": {"revoked_calls": "end"}}) as gateway:
        await _end_of_a_user(gateway, what)


async def _end_of_a_user(gateway: Running, what: str) -> None:
    made = await gateway.gateway.provisioning.add_credential(gateway.connections["alice"], name="desk")
    owner = {
        "connection": Ending(connection_id=gateway.connections["alice"]),
        "credential": Ending(credential_id=made.credential.credential_id),
    }
    async with phone(gateway, "robert") as robert, connected(gateway.websocket) as client:
        await client.login(made.credential.sip_username, made.sip_password)
        call = await robert.call(made.credential.sip_username)
        await client.wait_for("telnyx_rtc.invite")

        assert gateway.gateway.verto.endings.end_registrations(owner[what]) == 1

        assert (await client.wait_for("telnyx_rtc.gatewayState"))["params"] == {"state": "UNREGED"}
        async with asyncio.timeout(30):
            await client.is_closed.wait()
        assert client.socket.close_code == 1008
        await robert.until_over(call)
        sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
        assert [session["username"] for session in sessions] == ["robert"]


async def test_a_state_of_the_lab_outlives_the_socket(gateway: Running) -> None:
    async with connected(gateway.websocket) as old, connected(gateway.websocket) as new:
        await old.login("alice", PASSWORD)
        await gateway.post(f"/_lab/sessions/{old.session_id}/gateway_state", {"state": "NOREG"})

        login = {"login": "alice", "passwd": PASSWORD, "sessid": old.session_id, "reconnection": True}
        assert (await new.request("login", login))["sessid"] == old.session_id
        assert (await new.request("telnyx_rtc.gatewayState", {}))["params"]["state"] == "NOREG"

        await gateway.post(f"/_lab/sessions/{old.session_id}/gateway_state", {"state": "REGED"})
        assert (await new.wait_for("telnyx_rtc.gatewayState"))["params"] == {"state": "REGED"}
