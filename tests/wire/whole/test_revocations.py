"""What ends a registration: a credential, connection or password that is good no longer, whoever changed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.connections import ConnectionChange
from gateway.auth.passwords import Verdict
from gateway.domain.registration import Ending
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection
from tests.harness.command import command_line
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import RequestFailed, VertoClient, connected
from tests.wire.whole.phone import Phone, phone

TONE = "+12025550101"
QUICK = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}

WAYS = ("removed", "expired", "connection off", "connection removed")


@asynccontextmanager
async def desk(gateway: Running) -> AsyncIterator[tuple[str, Phone]]:
    """A phone that is logged in with a credential of alice's connection, and the credential's id."""
    made = await gateway.gateway.provisioning.add_credential(gateway.connections["alice"], name="desk")
    async with connected(gateway.websocket) as verto:
        await verto.login(made.credential.sip_username, made.sip_password)
        one = Phone(verto, ("opus", "PCMU", "PCMA"))
        try:
            yield made.credential.credential_id, one
        finally:
            await one.close()


async def ended(client: VertoClient) -> tuple[str, int | None]:
    """The state that the client was told, and the code with which its socket closed."""
    state = (await client.wait_for("telnyx_rtc.gatewayState"))["params"]["state"]
    async with asyncio.timeout(30):
        await client.is_closed.wait()
    return state, client.socket.close_code


async def credentials_of(gateway: Running) -> list[str | None]:
    """The credential of each session, None for a connection's own user name."""
    return [one["credential_id"] for one in (await gateway.get("/v2/gateway/sessions"))["data"]]


async def end(gateway: Running, way: str, credential_id: str) -> None:
    """Have the credential end in one of `WAYS`."""
    connection = f"/v2/credential_connections/{gateway.connections['alice']}"
    credential = f"/v2/telephony_credentials/{credential_id}"
    match way:
        case "removed":
            await gateway.delete(credential)
        case "expired":
            await gateway.patch(credential, {"expires_at": (utc_now() - timedelta(seconds=1)).isoformat()})
        case "connection off":
            await gateway.patch(connection, {"active": False})
        case _:
            await gateway.delete(connection)


# ---- registrations


async def test_credential_that_another_process_removes_ends_its_registration(tmp_path: Path) -> None:
    async with running(tmp_path, QUICK) as gateway, desk(gateway) as (credential_id, one):
        await command_line(tmp_path, "credential", "remove", credential_id, "--yes")

        assert await ended(one.verto) == ("UNREGED", 1008)
        assert await credentials_of(gateway) == []


@pytest.mark.parametrize("way", WAYS)
async def test_client_whose_login_is_good_no_longer_is_told_and_closed_and_others_stay(
    tmp_path: Path, way: str
) -> None:
    async with running(tmp_path, QUICK) as gateway, phone(gateway, "robert"), desk(gateway) as (credential_id, one):
        await end(gateway, way, credential_id)

        assert await ended(one.verto) == ("UNREGED", 1008)
        assert await credentials_of(gateway) == [None]


async def test_credential_that_expires_while_its_client_is_connected_ends_its_registration(tmp_path: Path) -> None:
    async with running(tmp_path, QUICK) as gateway:
        until = utc_now() + timedelta(seconds=1)
        made = await gateway.gateway.provisioning.add_credential(gateway.connections["alice"], expires_at=until)
        async with connected(gateway.websocket) as verto:
            await verto.login(made.credential.sip_username, made.sip_password)

            assert await ended(verto) == ("UNREGED", 1008)
            assert utc_now() >= until


async def test_new_password_ends_whoever_has_the_old_one_and_nobody_else(tmp_path: Path) -> None:
    new_password = "another one entirely"
    async with (
        running(tmp_path, QUICK) as gateway,
        desk(gateway) as (credential_id, _),
        connected(gateway.websocket) as old,
        connected(gateway.websocket) as new,
        connected(gateway.websocket) as late,
    ):
        await old.login("alice", PASSWORD)

        await gateway.patch(f"/v2/credential_connections/{gateway.connections['alice']}", {"password": new_password})
        await new.login("alice", new_password)

        assert await ended(old) == ("UNREGED", 1008)
        with pytest.raises(RequestFailed, match="-32001"):
            await late.login("alice", PASSWORD)
        assert (await new.request("telnyx_rtc.gatewayState", {}))["params"]["state"] == "REGED"
        assert await credentials_of(gateway) == [credential_id, None]


async def test_new_login_is_not_ended_by_the_change_that_made_it_good(tmp_path: Path) -> None:
    """The gateway hears of a change later than a client that is told of it by whoever made it."""
    async with (
        running(tmp_path, QUICK) as gateway,
        connected(gateway.websocket) as new,
        desk(gateway) as (desk_id, one),
    ):
        await gateway.gateway.accounts.connections.change(
            gateway.connections["alice"], ConnectionChange(password="another one entirely")
        )
        await new.login("alice", "another one entirely")
        await end(gateway, "removed", desk_id)  # so that the change before has been looked at as well

        await ended(one.verto)

        assert (await new.request("telnyx_rtc.gatewayState", {}))["params"]["state"] == "REGED"


@pytest.mark.parametrize("way", ["removed", "connection off"])
async def test_login_that_is_being_checked_while_its_account_goes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    async with running(tmp_path, QUICK) as gateway, connected(gateway.websocket) as client:
        program = gateway.gateway
        made = await program.provisioning.add_credential(gateway.connections["alice"])
        verify, end_registrations = program.passwords.verify, program.verto.endings.end_registrations
        is_ended, is_asked = asyncio.Event(), asyncio.Event()

        async def slow(password: str, password_hash: str | None) -> Verdict:
            verdict = await verify(password, password_hash)
            is_asked.set()
            await is_ended.wait()
            return verdict

        def noted(which: Ending) -> int:
            is_ended.set()
            return end_registrations(which)

        # A credential's connection is read behind the password: have that be from before as well.
        connection = await program.provisioning.connections.get(gateway.connections["alice"])
        stale = [connection]
        get = program.provisioning.connections.get

        async def old(connection_id: str) -> Connection:
            return stale.pop() if stale else await get(connection_id)

        monkeypatch.setattr(program.passwords, "verify", slow)
        monkeypatch.setattr(program.verto.endings, "end_registrations", noted)
        monkeypatch.setattr(program.provisioning.connections, "get", old)
        async with asyncio.TaskGroup() as group:
            login = group.create_task(_refused(client, made.credential.sip_username, made.sip_password))
            await is_asked.wait()
            await end(gateway, way, made.credential.credential_id)

        assert login.result() == -32001
        assert await credentials_of(gateway) == []


async def _refused(client: VertoClient, username: str, password: str) -> int | None:
    with pytest.raises(RequestFailed) as refused:
        await client.login(username, password)
    return refused.value.code


# ---- calls


async def test_call_goes_on_without_a_registration_until_it_ends(tmp_path: Path) -> None:
    async with (
        running(tmp_path, QUICK) as gateway,
        phone(gateway, "robert") as robert,
        desk(gateway) as (credential_id, one),
    ):
        call = await one.call(TONE)
        await one.until_answered(call)

        await end(gateway, "removed", credential_id)
        told = (await one.verto.wait_for("telnyx_rtc.gatewayState"))["params"]
        other = await one.call(TONE)
        with pytest.raises(RequestFailed, match="not registered any more"):
            await one.verto.modify(call, "transfer", destination=TONE)
        refused = (await one.verto.wait_for("telnyx_rtc.bye", call_id=other))["params"]
        dead = await robert.call(await _username(gateway))
        unreachable = await robert.until_over(dead)
        hears = await one.hears(call, 1004.0, codec="PCMU")
        await one.hang_up(call)

        assert told == {"state": "UNREGED"}
        assert (refused["sipCode"], refused["sipReason"]) == (403, "Connection validation failed D25")
        assert unreachable[0] in ("UNALLOCATED_NUMBER", "NO_ROUTE_DESTINATION", "USER_NOT_REGISTERED")
        assert hears
        async with asyncio.timeout(30):
            await one.verto.is_closed.wait()
        assert one.verto.socket.close_code == 1008


async def _username(gateway: Running) -> str:
    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
    return next(str(one["username"]) for one in sessions if one["credential_id"] is not None)


async def test_call_without_a_registration_does_not_outlive_its_socket(tmp_path: Path) -> None:
    async with (
        running(tmp_path, QUICK) as gateway,
        phone(gateway, "robert") as robert,
        desk(gateway) as (credential_id, one),
    ):
        call = await robert.call(await _username(gateway))
        await one.answer(await one.until_rung())
        await robert.until_answered(call)
        await end(gateway, "removed", credential_id)
        await one.verto.wait_for("telnyx_rtc.gatewayState")

        one.verto.drop()

        await robert.until_over(call)
        assert await credentials_of(gateway) == [None]
        assert gateway.gateway.verto.endings.retired == 0


async def test_calls_end_with_the_registration_where_the_settings_say_so(tmp_path: Path) -> None:
    settings = {**QUICK, "verto": {"revoked_calls": "end"}}
    async with (
        running(tmp_path, settings) as gateway,
        phone(gateway, "robert") as robert,
        desk(gateway) as (credential_id, one),
    ):
        call = await robert.call(await _username(gateway))
        rung = await one.until_rung()
        await one.answer(rung)
        await robert.until_answered(call)

        await end(gateway, "removed", credential_id)

        bye = (await one.verto.wait_for("telnyx_rtc.bye", call_id=rung))["params"]
        assert (bye["cause"], bye["sipCode"], bye["sipReason"]) == (
            "CALL_REJECTED",
            403,
            "Connection validation failed D25",
        )
        assert await ended(one.verto) == ("UNREGED", 1008)
        await robert.until_over(call)


async def test_client_that_logs_in_again_on_its_socket_is_registered_again(tmp_path: Path) -> None:
    async with (
        running(tmp_path, QUICK) as gateway,
        phone(gateway, "robert") as robert,
        phone(gateway, "alice") as alice,
    ):
        call = await alice.call(TONE)
        await alice.until_answered(call)
        path = f"/v2/credential_connections/{gateway.connections['alice']}"
        await gateway.patch(path, {"password": "another one entirely"})
        await alice.verto.wait_for("telnyx_rtc.gatewayState")

        await alice.verto.request("login", {"login": "alice", "passwd": "another one entirely"})

        back = await alice.verto.wait_for("telnyx_rtc.gatewayState", count=2)
        assert back["params"] == {"state": "REGED"}
        await alice.hang_up(call)
        ringing = await robert.call("alice")
        await alice.until_rung()
        await robert.hang_up(ringing)
