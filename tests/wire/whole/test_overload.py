"""A gateway that has too much to do: new calls are refused on every side, and those that exist go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.b2bua.core.overload import FEW, PATIENCE
from gateway.domain.ids import CallId
from gateway.sip.call import Answered, Provisional, Rejected
from tests.harness.gateway import Running, running
from tests.harness.log_lines import log_lines
from tests.wire.sip.agents import running as user_agent
from tests.wire.whole.carrier import NUMBER, Carrier, carrier
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.sip_phone import sip_phone

USERS = ("alice", "robert")
LATE = 9.0
"""Seconds that its calls have been in hand: nobody waits for them."""


@dataclass
class Street:
    """A gateway between clients and a carrier."""

    gateway: Running
    carrier: Carrier
    alice: Phone
    robert: Phone

    @contextmanager
    def overloaded(self) -> Iterator[None]:
        """As many calls in hand as always may be, and all of them late."""
        control, now = self.gateway.gateway.overload.control, asyncio.get_running_loop().time()
        stuck = [CallId(f"stuck {number}") for number in range(2 * FEW)]
        for call_id in stuck:
            control.take(call_id, now - LATE)
        control.probe(LATE, now)
        control.probe(LATE, now + PATIENCE)
        yield
        for call_id in stuck:
            control.release(call_id)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with user_agent() as agent, AsyncExitStack() as stack:
        uri = agent.uri().replace("bob@", "")
        settings = {
            "calls": {"stop_grace": 0.0, "max_setup_delay": 1.0},
            "trunks": [{"name": "carrier", "uri": uri, "accept_from": ["127.0.0.0/8"]}],
            "registrar": {"enabled": True},
        }
        gateway = await stack.enter_async_context(running(tmp_path, settings, users=USERS))
        line = await stack.enter_async_context(carrier(agent, gateway))
        phones = [await stack.enter_async_context(phone(gateway, user, codecs=["PCMU"])) for user in USERS]
        yield Street(gateway, line, *phones)


async def test_trunk_that_calls_hears_503_and_when_to_try_again(street: Street) -> None:
    with street.overloaded():
        line = await street.carrier.calls("alice")
        refused = await line.until(Rejected)

    assert isinstance(refused, Rejected)
    assert (refused.status, refused.q850, refused.retry_after) == (503, 42, 1.0)
    assert [one["method"] for one in street.alice.verto.messages] == ["telnyx_rtc.clientReady"]


async def test_client_that_calls_hears_of_congestion(street: Street) -> None:
    with street.overloaded():
        call = await street.alice.call(NUMBER)
        bye = (await street.alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

    assert (bye["cause"], bye["causeCode"]) == ("SWITCH_CONGESTION", 42)
    assert (bye["sipCode"], bye["sipReason"]) == (503, "Service Unavailable")
    assert (await street.gateway.get("/v2/gateway/calls"))["data"] == []


async def test_lab_makes_no_call(street: Street) -> None:
    with street.overloaded():
        async with aiohttp.ClientSession() as http:
            response = await http.post(
                f"{street.gateway.http}/_lab/calls",
                json={"to": "alice", "from": "+12025550177", "scenario": "echo"},
                headers={"Authorization": f"Bearer {street.gateway.key}"},
            )
            [error] = (await response.json())["errors"]

    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert error["code"] == "10011"
    assert (await street.gateway.get("/_lab/calls"))["data"] == []


async def test_phone_that_calls_is_not_even_asked_who_it_is(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sip_phone(street.gateway) as desk:
        await desk.register()
        registrar = street.gateway.gateway.sip.registrar
        assert registrar is not None
        monkeypatch.setattr(registrar, "identify", None)
        with street.overloaded():
            line = await desk.calls(NUMBER)
            refused = await line.until(Rejected)

    assert isinstance(refused, Rejected)
    assert (refused.status, refused.retry_after) == (503, 1.0)


async def test_call_that_talks_goes_on_and_its_reinvite_is_answered(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)

    with street.overloaded():
        line.leg.call.reinvite(line.media.describe(), line.leg.ear)
        answered = await line.until(Answered)
        assert isinstance(answered, Answered)
        held = await street.alice.verto.modify(call, "hold")
        again = await street.alice.verto.modify(call, "unhold")
        with line.speaking(700.0):
            assert await street.alice.hears(call, 700.0, codec="PCMU")

    assert (held["holdState"], again["holdState"]) == ("held", "active")
    await street.alice.hang_up(call)


async def test_call_that_talks_can_be_transferred_to_somebody_new(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)

    with street.overloaded():
        await street.alice.verto.modify(call, "transfer", destination="robert")
        theirs = await street.robert.until_rung()
        await street.robert.answer(theirs)
        with line.speaking(700.0):
            assert await street.robert.hears(theirs, 700.0, codec="PCMU")

    await street.robert.hang_up(theirs)


async def test_call_that_takes_the_place_of_another_is_let_in(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)

    with street.overloaded():
        instead = await street.carrier.calls("alice", replaces=line.leg.call.dialog)
        await street.carrier.until_answered(instead)

    await street.alice.hang_up(call)


async def test_calls_are_taken_again_once_there_is_less_to_do(street: Street) -> None:
    with street.overloaded():
        line = await street.carrier.calls("alice")
        await line.until(Rejected)

    line = await street.carrier.calls("alice")
    assert isinstance(await line.until(Provisional), Provisional)
    call, line = await street.carrier.is_called_by(street.alice)
    await street.alice.hang_up(call)


async def test_operator_reads_how_many_were_refused_and_why(street: Street) -> None:
    guard = street.gateway.gateway.overload
    with log_lines() as log, street.overloaded():
        for _ in range(3):
            line = await street.carrier.calls("alice")
            await line.until(Rejected)
        guard.take_lag(LATE)
        load = (await street.gateway.get("/v2/gateway/info"))["data"]["load"]
        metrics = await street.gateway.metrics()

    assert load["is_limiting"] and load["refused"] == 3
    assert load["limit"] == FEW and load["calls_in_hand"] == 2 * FEW
    assert load["setup_delay_s"] > 1.0
    assert 'gateway_calls_refused_total{reason="switch_congestion"}' in metrics
    lines = [text for text in log.warnings if "calls_refused" in text]
    assert lines and "SWITCH_CONGESTION" in lines[0]
    assert not any("call_refused" in text for text in log.lines)
