"""What the fields of connections and profiles do to calls: each rejection as the client sees it (rest-v2 H.1)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.harness.gateway import Running, running
from tests.harness.verto_client import connected
from tests.wire.whole.phone import Phone, phone

PASSWORD = "long enough"
ECHO, MINE = "+12025550100", "+12025550123"


@dataclass
class Account:
    """What a backend has made by the API."""

    gateway: Running

    async def send(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {self.gateway.key}"}
        async with (
            aiohttp.ClientSession() as client,
            client.request(method, f"{self.gateway.http}/v2{path}", json=body, headers=headers) as response,
        ):
            assert response.status < 300, await response.text()
            made: dict[str, object] = (await response.json())["data"]
            return made

    async def profile(self, **rules: object) -> str:
        return str((await self.send("POST", "/outbound_voice_profiles", {"name": "rules", **rules}))["id"])

    async def connection(self, name: str, **settings: object) -> str:
        body = {"connection_name": name, "user_name": name, "password": PASSWORD, **settings}
        return str((await self.send("POST", "/credential_connections", body))["id"])

    async def change(self, connection_id: str, **settings: object) -> None:
        await self.send("PATCH", f"/credential_connections/{connection_id}", settings)

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[Phone]:
        async with connected(self.gateway.websocket) as verto:
            await verto.login(name, PASSWORD)
            one = Phone(verto, ["PCMU"])
            try:
                yield one
            finally:
                await one.close()


@pytest_asyncio.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    async with running(tmp_path, {"calls": {"max_outbound_calls": 2}}) as gateway:
        yield Account(gateway)


async def refusal(caller: Phone, destination: str, *, shows: str = MINE) -> tuple[str, int, str]:
    """Cause, SIP code and the code of Telnyx at the end of the SIP reason, as the SDK gets them."""
    call = await caller.call(destination, caller_id_number=shows)
    bye = (await caller.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]
    return bye["cause"], bye["sipCode"], bye["sipReason"].rpartition(" ")[2]


async def reason_of(caller: Phone, destination: str) -> tuple[int, str]:
    """SIP code and reason of a refused call that no code of Telnyx is for; the cause is CALL_REJECTED."""
    call = await caller.call(destination, caller_id_number=MINE)
    bye = (await caller.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]
    assert bye["cause"] == "CALL_REJECTED"
    return bye["sipCode"], bye["sipReason"]


async def talking(caller: Phone, destination: str = ECHO) -> str:
    call = await caller.call(destination, caller_id_number=MINE)
    await caller.until_answered(call)
    return call


async def test_call_without_a_profile_is_d38_and_with_one_it_is_made(account: Account) -> None:
    connection = await account.connection("carol")

    async with account.client("carol") as carol:
        assert await refusal(carol, ECHO) == ("CALL_REJECTED", 403, "D38")

        await account.change(connection, outbound={"outbound_voice_profile_id": await account.profile()})
        await carol.hang_up(await talking(carol))


@pytest.mark.parametrize(
    ("rules", "destination", "shows", "expected"),
    [
        ({}, "+442079460123", MINE, ("CALL_REJECTED", 403, "D12")),
        ({"whitelisted_destinations": ["GB"]}, "+442079460123", MINE, ("NO_ROUTE_DESTINATION", 404, "D40")),
        ({}, "+99912345", MINE, ("CALL_REJECTED", 403, "D11")),
        ({}, ECHO, "carol", ("CALL_REJECTED", 403, "D35")),
        ({"enabled": False}, ECHO, MINE, ("CALL_REJECTED", 403, "D10")),
        ({"max_destination_rate": 0.0001}, ECHO, MINE, ("CALL_REJECTED", 403, "D24")),
    ],
)
async def test_profile_refuses_with_its_code(
    account: Account,
    rules: Mapping[str, object],
    destination: str,
    shows: str,
    expected: tuple[str, int, str],
) -> None:
    profile = await account.profile(**rules)
    await account.connection("carol", outbound={"outbound_voice_profile_id": profile})

    async with account.client("carol") as carol:
        assert await refusal(carol, destination, shows=shows) == expected


async def test_limits_of_account_profile_and_connection_count_live_calls(account: Account) -> None:
    one = await account.profile(concurrent_call_limit=1)
    carol_id = await account.connection("carol", outbound={"outbound_voice_profile_id": one, "channel_limit": 1})
    await account.connection("daisy", outbound={"outbound_voice_profile_id": one})
    free = await account.profile()
    await account.connection("erika", outbound={"outbound_voice_profile_id": free})

    async with account.client("carol") as carol, account.client("daisy") as daisy, account.client("erika") as erika:
        first = await talking(carol)
        assert await refusal(carol, ECHO) == ("CALL_REJECTED", 403, "D3")
        await account.change(carol_id, outbound={"channel_limit": None})
        assert await refusal(carol, ECHO) == ("CALL_REJECTED", 403, "D2")
        assert await refusal(daisy, ECHO) == ("CALL_REJECTED", 403, "D2")
        second = await talking(erika)
        assert await refusal(erika, ECHO) == ("CALL_REJECTED", 403, "D1")

        await carol.verto.bye(first)
        await carol.media[first].close()
        await until_calls(account, 1)
        await daisy.hang_up(await talking(daisy))
        await erika.hang_up(second)


async def test_profile_that_has_spent_its_money_makes_no_more_calls_that_day(account: Account) -> None:
    profile = await account.profile(daily_spend_limit="0.003", daily_spend_limit_enabled=True)
    await account.connection("carol", outbound={"outbound_voice_profile_id": profile})
    await account.connection("daisy", outbound={"outbound_voice_profile_id": profile})

    async with account.client("carol") as carol, account.client("daisy") as daisy:
        call = await talking(carol)  # a minute begun is 0.002
        assert await reason_of(daisy, ECHO) == (403, "Daily spend limit of the outbound voice profile reached")
        await carol.hang_up(call)
        await until_records(account, 2)  # what has ended counts on; the refused call cost nothing
        assert await reason_of(carol, ECHO) == (403, "Daily spend limit of the outbound voice profile reached")

        await account.send("PATCH", f"/outbound_voice_profiles/{profile}", {"daily_spend_limit": "0.004"})
        await carol.hang_up(await talking(carol))


async def test_connection_makes_only_so_many_calls_an_hour(tmp_path: Path) -> None:
    async with running(tmp_path, {"calls": {"max_outbound_calls_per_hour": 2}}) as gateway:
        account = Account(gateway)
        outbound = {"outbound_voice_profile_id": await account.profile()}
        await account.connection("carol", outbound=outbound)
        await account.connection("daisy", outbound=outbound)
        async with account.client("carol") as carol, account.client("daisy") as daisy:
            for _ in range(2):
                await carol.hang_up(await talking(carol))

            assert await reason_of(carol, ECHO) == (403, "Calls per hour of the connection exceeded")
            await daisy.hang_up(await talking(daisy))


async def test_parked_call_is_refused_and_not_bridged(account: Account) -> None:
    await account.connection("carol", outbound={"call_parking_enabled": True})

    async with account.client("carol") as carol, phone(account.gateway, "alice"):
        assert (await refusal(carol, ECHO))[:2] == ("SERVICE_NOT_IMPLEMENTED", 501)
        assert (await refusal(carol, "alice"))[:2] == ("SERVICE_NOT_IMPLEMENTED", 501)


async def test_sip_uri_preference_decides_whether_the_user_name_rings(account: Account) -> None:
    carol_id = await account.connection("carol")

    async with account.client("carol") as carol, phone(account.gateway, "robert") as robert:
        assert await refusal(robert, "carol") == ("CALL_REJECTED", 403, "D30")

        await account.change(carol_id, sip_uri_calling_preference="internal")
        call = await robert.call("sip:carol@sip.telnyx.com")
        await carol.until_rung()
        await robert.hang_up(call)


async def test_inbound_limit_lets_one_call_through_and_refuses_the_next(account: Account) -> None:
    await account.connection("carol", sip_uri_calling_preference="unrestricted", inbound={"channel_limit": 1})

    async with account.client("carol") as carol, phone(account.gateway, "robert") as robert:
        first = await robert.call("carol")
        await carol.until_rung()

        assert await refusal(robert, "carol") == ("CALL_REJECTED", 403, "D22")
        await robert.hang_up(first)


async def test_override_replaces_the_number_that_the_called_side_sees(account: Account) -> None:
    outbound = {"outbound_voice_profile_id": await account.profile(), "ani_override": "+12025550188"}
    await account.connection("carol", outbound=outbound)

    async with account.client("carol") as carol:
        call = await talking(carol)
        heard = (await account.gateway.get("/_lab/calls"))["data"]
        await carol.hang_up(call)

    assert [one["from"] for one in heard] == ["+12025550188"]


async def until_calls(account: Account, count: int) -> None:
    """Wait until that many calls are live: a bye is on its way through the gateway."""
    while len((await account.gateway.get("/v2/gateway/calls?state=live"))["data"]) != count:
        pass


async def until_records(account: Account, count: int) -> None:
    """Wait until that many detail records are written."""
    path = "/v2/detail_records?filter[record_type]=webrtc"
    while (await account.gateway.get(path))["meta"]["total_results"] != count:
        pass
