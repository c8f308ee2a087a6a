"""Calls through several trunks, each with its own rules: from the client's words to the trunk's INVITE, and back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.sip.core.message import Request
from tests.harness.gateway import Running, running
from tests.harness.verto_client import Message
from tests.wire.sip.agents import PATIENCE
from tests.wire.trunks.registrar import CHALLENGE, Registrar
from tests.wire.whole.phone import Phone, phone

NUMBER = "+41441234567"
CALLER = {"caller_id_number": "+41449876543", "caller_id_name": "Alice"}


@dataclass
class Exchange:
    """A gateway, the phone of alice, and the far sides of its trunks, which do what a test says."""

    gateway: Running
    alice: Phone
    peers: dict[str, Registrar]

    async def dials(self, destination: str = NUMBER, **dialog: object) -> str:
        return await self.alice.call(destination, **{**CALLER, **dialog})

    async def hangs_up(self, name: str, invite: Request, call: str, *, status: int = 486) -> Message:
        """That trunk's last word, and the end that the client hears of."""
        self.peers[name].answers(invite, status)
        await self.peers[name].expects("ACK")
        return await self.alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

    async def hears_from(self, name: str, request: Request) -> None:
        """A request of that trunk."""
        host, _, port = self.gateway.sip("udp").rpartition(":")
        peer = self.peers[name]
        peer._from = (host, int(port))
        peer.sends(request)


MakeExchange = Callable[..., AbstractAsyncContextManager[Exchange]]


@pytest.fixture
def make_exchange(tmp_path: Path) -> MakeExchange:
    @asynccontextmanager
    async def make(*, patience: float = 30.0, **trunks: dict[str, object]) -> AsyncIterator[Exchange]:
        """Trunks by name, in that order, with their settings; `patience` is how long one of them may say nothing."""
        async with AsyncExitStack() as stack:
            peers = {name: await stack.enter_async_context(Registrar.listening()) for name in trunks}
            sections = [
                {"name": name, "uri": "sip:{}:{}".format(*peers[name].address), **more} for name, more in trunks.items()
            ]
            settings = {
                "lab": {"enabled": False},
                "calls": {"stop_grace": 0.0},
                "sip": {"failover_after": patience},
                "trunks": sections,
            }
            gateway = await stack.enter_async_context(running(tmp_path, settings, users=("alice",)))
            alice = await stack.enter_async_context(phone(gateway, "alice", codecs=["PCMU"]))
            yield Exchange(gateway, alice, peers)

    return make


async def test_a_trunk_that_fails_before_it_rings_is_followed_by_the_next_with_the_same_offer(
    make_exchange: MakeExchange,
) -> None:
    async with make_exchange(first={"codecs": ["PCMA"]}, second={"codecs": ["PCMU"]}) as exchange:
        call = await exchange.dials()
        first = await exchange.peers["first"].expects("INVITE")
        exchange.peers["first"].answers(first, 503)
        await exchange.peers["first"].expects("ACK")
        second = await exchange.peers["second"].expects("INVITE")
        exchange.peers["second"].answers(second, 180)
        await exchange.alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)

        assert second.body == first.body
        assert b"PCMA/8000" in first.body and b"PCMU/8000" in first.body
        assert second.call_id != first.call_id
        bye = await exchange.hangs_up("second", second, call)
        assert bye["params"]["cause"] == "USER_BUSY"


async def test_a_trunk_that_says_nothing_is_followed_by_the_next_and_cancelled_when_it_wakes_up(
    make_exchange: MakeExchange,
) -> None:
    async with make_exchange(patience=0.2, silent={}, second={}) as exchange:
        call = await exchange.dials()
        silent = await exchange.peers["silent"].expects("INVITE")
        second = await exchange.peers["second"].expects("INVITE")

        exchange.peers["silent"].answers(silent, 180)

        cancel = await exchange.peers["silent"].expects("CANCEL")
        exchange.peers["silent"].answers(cancel, 200)
        exchange.peers["silent"].answers(silent, 487)
        assert (await exchange.hangs_up("second", second, call))["params"]["cause"] == "USER_BUSY"


async def test_a_trunk_that_fails_after_it_rang_is_not_followed(make_exchange: MakeExchange) -> None:
    async with make_exchange(first={}, second={}) as exchange:
        call = await exchange.dials()
        invite = await exchange.peers["first"].expects("INVITE")
        exchange.peers["first"].answers(invite, 180)
        await exchange.alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)

        bye = await exchange.hangs_up("first", invite, call, status=503)

        assert bye["params"]["sipCode"] == 503
        assert exchange.peers["second"].requests.empty()


async def test_the_priority_decides_and_a_full_trunk_is_passed_over(make_exchange: MakeExchange) -> None:
    async with make_exchange(backup={"priority": 1}, main={"max_calls": 1}) as exchange:
        first_call = await exchange.dials()
        first = await exchange.peers["main"].expects("INVITE")
        second_call = await exchange.dials()
        second = await exchange.peers["backup"].expects("INVITE")
        info = (await exchange.gateway.get("/v2/gateway/info"))["data"]

        assert [(one["name"], one["calls"]) for one in info["trunk_states"]] == [("backup", 1), ("main", 1)]
        await exchange.hangs_up("main", first, first_call)
        await exchange.hangs_up("backup", second, second_call)


async def test_a_client_hears_of_congestion_when_every_trunk_is_full(make_exchange: MakeExchange) -> None:
    async with make_exchange(only={"max_calls": 1}) as exchange:
        first_call = await exchange.dials()
        first = await exchange.peers["only"].expects("INVITE")

        second_call = await exchange.dials()
        bye = await exchange.alice.verto.wait_for("telnyx_rtc.bye", call_id=second_call)

        assert (bye["params"]["cause"], bye["params"]["causeCode"]) == ("NORMAL_CIRCUIT_CONGESTION", 34)
        await exchange.hangs_up("only", first, first_call)


async def test_each_trunk_is_called_in_its_own_way(make_exchange: MakeExchange) -> None:
    national = {
        "number_format": "national",
        "country_code": "41",
        "national_prefix": "0",
        "identity_out": ["P-Asserted-Identity"],
        "domain": "carrier.example",
        "headers_out": ["Subject"],
    }
    async with make_exchange(national=national, plain={}) as exchange:
        headers = [{"name": "X-Ref", "value": "7"}, {"name": "Subject", "value": "hi"}]
        call = await exchange.dials(custom_headers=headers)
        one = await exchange.peers["national"].expects("INVITE")
        exchange.peers["national"].answers(one, 503)
        await exchange.peers["national"].expects("ACK")
        other = await exchange.peers["plain"].expects("INVITE")

        assert one.uri.startswith("sip:0441234567@")
        assert one.from_.uri == "sip:0449876543@carrier.example"
        assert one.headers.get("P-Asserted-Identity") == "Alice <sip:0449876543@carrier.example>"
        assert (one.headers.get("Subject"), one.headers.get("X-Ref")) == ("hi", None)
        assert other.uri.startswith(f"sip:{NUMBER}@")
        assert other.from_.uri == "sip:+41449876543@sip.telnyx.com"
        assert other.headers.get("P-Asserted-Identity") is None
        assert (other.headers.get("Subject"), other.headers.get("X-Ref")) == (None, "7")
        await exchange.hangs_up("plain", other, call)


async def test_a_client_that_hides_is_anonymous_to_the_called_and_known_to_the_trunk(
    make_exchange: MakeExchange,
) -> None:
    async with make_exchange(carrier={"identity_out": ["P-Asserted-Identity"]}) as exchange:
        call = await exchange.dials(caller_id_name="Anonymous")
        invite = await exchange.peers["carrier"].expects("INVITE")

        assert str(invite.headers.get("From")).startswith("Anonymous <sip:anonymous@anonymous.invalid>")
        assert invite.headers.get("Privacy") == "id"
        assert invite.headers.get("P-Asserted-Identity") == "<sip:+41449876543@sip.telnyx.com>"
        await exchange.hangs_up("carrier", invite, call)


async def test_a_reserved_header_of_a_client_never_leaves(make_exchange: MakeExchange) -> None:
    async with make_exchange(carrier={}) as exchange:
        call = await exchange.dials(custom_headers=[{"name": "P-Asserted-Identity", "value": "<sip:+1900@evil>"}])

        bye = await exchange.alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["sipCode"] == 403
        assert "P-Asserted-Identity is reserved" in bye["params"]["sipReason"]
        assert exchange.peers["carrier"].requests.empty()


async def test_a_call_of_a_trusted_trunk_is_read_with_its_rules(make_exchange: MakeExchange) -> None:
    trusted = {
        "accept_from": ["127.0.0.0/8"],
        "identity_in": ["P-Asserted-Identity"],
        "country_code": "41",
        "national_prefix": "0",
        "headers_in": ["X-*", "P-Acme-*"],
    }
    async with make_exchange(carrier=trusted) as exchange:
        gateway = exchange.gateway
        await gateway.gateway.provisioning.add_number(NUMBER, connection_id=gateway.connections["alice"])
        headers = (("P-Asserted-Identity", '"Bob" <sip:0449876543@carrier>'), ("X-Ref", "7"), ("P-Acme-Id", "8"))
        invite = exchange.peers["carrier"].request("INVITE", more=(*headers, ("Subject", "hi")))
        invite.uri = "sip:0441234567@127.0.0.1"

        await exchange.hears_from("carrier", invite)
        rung = (await exchange.alice.verto.wait_for("telnyx_rtc.invite"))["params"]

        assert (rung["caller_id_number"], rung["caller_id_name"]) == ("+41449876543", "Bob")
        assert [(one["name"], one["value"]) for one in rung["dialogParams"]["custom_headers"]] == [
            ("X-Ref", "7"),
            ("P-Acme-Id", "8"),
        ]
        await exchange.alice.verto.bye(rung["callID"])
        await exchange.peers["carrier"].expects_response(180)


async def test_a_trunk_that_is_not_trusted_cannot_name_another_caller(make_exchange: MakeExchange) -> None:
    async with make_exchange(carrier={"accept_from": ["127.0.0.0/8"]}) as exchange:
        headers = (("P-Asserted-Identity", "<sip:+41117@carrier>"), ("Remote-Party-ID", "<sip:+41117@carrier>"))
        invite = exchange.peers["carrier"].request("INVITE", more=headers)
        invite.uri = "sip:alice@127.0.0.1"

        await exchange.hears_from("carrier", invite)
        rung = (await exchange.alice.verto.wait_for("telnyx_rtc.invite"))["params"]

        assert rung["caller_id_number"] == "+12025550199"
        await exchange.alice.verto.bye(rung["callID"])
        await exchange.peers["carrier"].expects_response(180)


async def test_a_call_to_the_registered_contact_rings_whoever_has_the_number(make_exchange: MakeExchange) -> None:
    account = {"register": True, "username": "acme", "password": "s3cret", "domain": "carrier.example"}
    async with make_exchange(carrier=account) as exchange:
        gateway, peer = exchange.gateway, exchange.peers["carrier"]
        await gateway.gateway.provisioning.add_number(NUMBER, connection_id=gateway.connections["alice"])
        peer.answers(await peer.expects("REGISTER"), 401, more=(CHALLENGE,))
        register = await peer.expects("REGISTER")
        peer.grants(register, 600)
        async with asyncio.timeout(PATIENCE):
            while not (await gateway.get("/v2/gateway/info"))["data"]["trunk_states"][0]["is_registered"]:
                pass
        invite = peer.request("INVITE", to=f"<sip:{NUMBER}@carrier.example>")
        invite.uri = str(register.headers.get("Contact")).strip("<>")

        await exchange.hears_from("carrier", invite)
        rung = (await exchange.alice.verto.wait_for("telnyx_rtc.invite"))["params"]

        assert rung["caller_id_number"] == "+12025550199"
        await exchange.alice.verto.bye(rung["callID"])
        await peer.expects_response(180)

    assert peer.taken_back == [register.headers.get("Contact")]
