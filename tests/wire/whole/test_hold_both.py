"""Hold from both sides at once, with a carrier that holds by re-INVITE: the right sound at every moment."""

import asyncio
from pathlib import Path

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Rejected, Reoffered
from tests.harness.gateway import running
from tests.wire.media import sound
from tests.wire.sip.agents import PATIENCE
from tests.wire.sip.agents import running as user_agent
from tests.wire.whole.carrier import Line, carrier
from tests.wire.whole.phone import Phone, phone


def direction(sdp: Sdp) -> str:
    found = [line[2:] for line in sdp.split("\r\n") if line in DIRECTIONS]
    return found[0]


DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


async def carrier_says(line: Line, wanted: str) -> str:
    """The carrier's re-INVITE with that direction; the direction of our answer."""
    results: asyncio.Queue[Answered | Rejected] = asyncio.Queue()
    line.media.direction = wanted
    line.leg.call.reinvite(line.media.describe(), results.put_nowait)
    async with asyncio.timeout(PATIENCE):
        result = await results.get()
    assert isinstance(result, Answered), result
    assert result.sdp is not None
    return direction(result.sdp)


async def told(line: Line, answered: str) -> str:
    """Our re-INVITE, answered with that direction; the direction that it says."""
    event = await line.until(Reoffered)
    assert isinstance(event, Reoffered) and event.sdp is not None
    line.media.direction = answered
    line.leg.call.answer_reoffer(line.media.describe())
    return direction(event.sdp)


async def is_silent(one: Phone, call: str) -> bool:
    await one.listen(call, codec="PCMU", frames=25)
    return not await one.hears(call, 900, codec="PCMU", patience=1)


@pytest.mark.parametrize("first_to_let_go", ["client", "carrier"])
@pytest.mark.parametrize("way", ["sendonly", "inactive"])
async def test_hold_from_both_sides_ends_right_whoever_lets_go_first(
    tmp_path: Path, first_to_let_go: str, way: str
) -> None:
    async with user_agent() as agent:
        trunk = {"name": "carrier", "uri": agent.uri().replace("bob@", ""), "accept_from": ["127.0.0.0/8"]}
        settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        async with (
            running(tmp_path, settings) as gateway,
            carrier(agent, gateway) as far,
            phone(gateway, codecs=["PCMU"]) as alice,
        ):
            call = await alice.call("+4930123456")
            line = await far.answers()
            await alice.until_answered(call)
            browser = alice.media[call]
            with (
                line.speaking(900),
                sound.speaking(browser.send, "PCMU", 500, payload_type=0, ssrc=browser.ssrc),
            ):
                assert await carrier_says(line, way) == {"sendonly": "recvonly", "inactive": "inactive"}[way]
                # music of the carrier is heard, and nothing of one who is not there
                assert await alice.hears(call, 900, codec="PCMU", patience=2) is (way == "sendonly")
                assert (await alice.verto.modify(call, "hold"))["holdState"] == "held"
                assert await told(line, "inactive") == "sendonly"
                assert await is_silent(alice, call)
                if first_to_let_go == "client":
                    await alice.verto.modify(call, "unhold")
                    assert await told(line, way) == "sendrecv"
                    assert await alice.hears(call, 900, codec="PCMU", patience=2) is (way == "sendonly")
                    assert await carrier_says(line, "sendrecv") == "sendrecv"
                else:
                    assert await carrier_says(line, "sendrecv") == "sendonly"
                    assert await is_silent(alice, call)
                    await alice.verto.modify(call, "unhold")
                    assert await told(line, "sendrecv") == "sendrecv"
                assert await alice.hears(call, 900, codec="PCMU")
                assert await line.hears(500)
            await alice.hang_up(call)


@pytest.mark.parametrize("sip_status", [488, 500])
async def test_carrier_that_refuses_the_reinvite_loses_neither_call_nor_hold(tmp_path: Path, sip_status: int) -> None:
    async with user_agent() as agent:
        trunk = {"name": "carrier", "uri": agent.uri().replace("bob@", ""), "accept_from": ["127.0.0.0/8"]}
        settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        async with (
            running(tmp_path, settings) as gateway,
            carrier(agent, gateway) as far,
            phone(gateway, codecs=["PCMU"]) as alice,
        ):
            call = await alice.call("+4930123456")
            line = await far.answers()
            await alice.until_answered(call)
            with line.speaking(900):
                assert (await alice.verto.modify(call, "hold"))["holdState"] == "held"
                await line.until(Reoffered)
                line.leg.call.reject_reoffer(sip_status)
                assert await is_silent(alice, call)
                assert (await alice.verto.modify(call, "unhold"))["holdState"] == "active"
                assert await alice.hears(call, 900, codec="PCMU")
            await alice.hang_up(call)
