"""Transfers that a trunk asks for: REFER, REFER with Replaces, INVITE with Replaces; with sound."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.media.core import tones
from gateway.sip.call import Ended, Provisional, ReferProgress, Rejected
from tests.harness.gateway import Running, running
from tests.wire.media import sound
from tests.wire.sip.agents import PATIENCE, Agent
from tests.wire.sip.agents import running as user_agent
from tests.wire.whole.carrier import NUMBER, Carrier, carrier
from tests.wire.whole.phone import Phone, phone

USERS = ("alice", "robert")


@dataclass
class Street:
    """A gateway between two phones and a carrier."""

    gateway: Running
    carrier: Carrier
    agent: Agent
    alice: Phone
    robert: Phone

    async def until_no_call_is_live(self) -> None:
        async with asyncio.timeout(30):
            while (await self.gateway.get("/v2/gateway/calls?state=live"))["data"]:
                pass


MakeStreet = Callable[..., AbstractAsyncContextManager[Street]]


@pytest.fixture
def make_street(tmp_path: Path) -> MakeStreet:
    @asynccontextmanager
    async def make(**calls: object) -> AsyncIterator[Street]:
        async with user_agent() as agent, AsyncExitStack() as stack:
            uri = agent.uri().replace("bob@", "")
            trunk = {"name": "carrier", "uri": uri, "accept_from": ["127.0.0.0/8"]}
            settings = {
                "lab": {"enabled": False},
                "calls": {"stop_grace": 0.0, **calls},
                "trunks": [trunk],
            }
            gateway = await stack.enter_async_context(running(tmp_path, settings, users=USERS))
            line = await stack.enter_async_context(carrier(agent, gateway))
            phones = [await stack.enter_async_context(phone(gateway, user, codecs=["PCMU"])) for user in USERS]
            yield Street(gateway, line, agent, *phones)

    return make


@pytest.fixture
async def street(make_street: MakeStreet) -> AsyncIterator[Street]:
    async with make_street() as made:
        yield made


class Told:
    """What the carrier learns of its REFER."""

    def __init__(self) -> None:
        self._news: asyncio.Queue[ReferProgress] = asyncio.Queue()

    def __call__(self, progress: ReferProgress) -> None:
        self._news.put_nowait(progress)

    async def statuses(self, *, up_to: int | None = None) -> list[int]:
        """Up to the last word, or to that status."""
        statuses: list[int] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                one = await self._news.get()
                statuses.append(one.status)
                if one.is_final or one.status == up_to:
                    return statuses


async def hears_ringing(one: Phone, call: str) -> None:
    """Wait until both frequencies of ringing are heard."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pcm = sound.heard("PCMU", await one.listen(call, codec="PCMU", frames=25))
            if min(tones.power(pcm, 440), tones.power(pcm, 480)) > tones.loudness(pcm) - 6 > -60:
                return


async def talk(one: Phone, call: str, other: Phone, theirs: str) -> None:
    """Both hear each other."""
    with ExitStack() as stack:
        for phone_, call_id, tone in ((one, call, 500), (other, theirs, 900)):
            browser = phone_.media[call_id]
            stack.enter_context(sound.speaking(browser.send, "PCMU", tone, payload_type=0, ssrc=browser.ssrc))
        assert await one.hears(call, 900, codec="PCMU")
        assert await other.hears(theirs, 500, codec="PCMU")


async def test_carrier_that_refers_talks_on_until_the_target_has_answered(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)
    told = Told()
    line.leg.call.refer("sip:robert@127.0.0.1", told)
    theirs = await street.robert.until_rung()
    assert await told.statuses(up_to=180) == [202, 100, 180]
    with line.speaking(700):
        assert await street.alice.hears(call, 700, codec="PCMU")
    await street.robert.answer(theirs)

    assert await told.statuses() == [200]
    await line.until(Ended)  # the carrier is slow to hang up, so the gateway does
    await talk(street.alice, call, street.robert, theirs)
    await street.alice.hang_up(call)
    assert (await street.robert.until_over(theirs))[0] == "NORMAL_CLEARING"
    await street.until_no_call_is_live()


async def test_carrier_that_hangs_up_at_once_leaves_its_far_end_to_the_ringing(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)
    line.leg.call.refer("sip:robert@127.0.0.1", Told())
    theirs = await street.robert.until_rung()
    line.leg.call.hangup()

    await hears_ringing(street.alice, call)
    await street.robert.answer(theirs)

    await talk(street.alice, call, street.robert, theirs)
    await street.robert.hang_up(theirs)
    assert (await street.alice.until_over(call))[0] == "NORMAL_CLEARING"


async def test_target_that_declines_is_told_and_the_carrier_talks_on(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)
    told = Told()
    line.leg.call.refer("sip:robert@127.0.0.1", told)
    theirs = await street.robert.until_rung()
    await street.robert.verto.bye(theirs, cause="USER_BUSY", code=17)

    assert (await told.statuses())[-1] == 486
    with line.speaking(700):
        assert await street.alice.hears(call, 700, codec="PCMU")
    line.leg.call.hangup()
    assert (await street.alice.until_over(call))[0] == "NORMAL_CLEARING"


async def test_far_end_that_hangs_up_ends_carrier_and_target(street: Street) -> None:
    call, line = await street.carrier.is_called_by(street.alice)
    line.leg.call.refer("sip:robert@127.0.0.1", Told())
    theirs = await street.robert.until_rung()
    await street.alice.hang_up(call)

    await line.until(Ended)
    bye = (await street.robert.verto.wait_for("telnyx_rtc.bye", call_id=theirs))["params"]
    assert bye["cause"] == "ORIGINATOR_CANCEL"
    await street.until_no_call_is_live()


@pytest.mark.parametrize(
    ("refer", "destination", "sip_status"),
    [
        ("follow", "sip:+4930999999@127.0.0.1", 403),  # nobody's phone bill is paid by a REFER
        ("refuse", "sip:robert@127.0.0.1", 603),
    ],
)
async def test_refer_beyond_what_the_setting_allows_is_refused_and_the_call_goes_on(
    make_street: MakeStreet, refer: str, destination: str, sip_status: int
) -> None:
    async with make_street(refer=refer) as street:
        call, line = await street.carrier.is_called_by(street.alice)
        told = Told()
        line.leg.call.refer(destination, told)

        assert await told.statuses() == [sip_status]
        with line.speaking(700):
            assert await street.alice.hears(call, 700, codec="PCMU")


async def test_refer_to_a_number_goes_out_if_it_may_go_anywhere(make_street: MakeStreet) -> None:
    async with make_street(refer="anywhere") as street:
        call, line = await street.carrier.is_called_by(street.alice)
        told = Told()
        line.leg.call.refer("sip:+4930999999@127.0.0.1", told)
        second = await street.carrier.answers()

        assert (await told.statuses())[-1] == 200
        line.leg.call.hangup()
        with second.speaking(900):
            assert await street.alice.hears(call, 900, codec="PCMU")


async def test_refer_to_a_number_counts_as_a_call_of_the_client_that_pays_for_it(make_street: MakeStreet) -> None:
    async with make_street(refer="anywhere", max_outbound_calls_per_hour=1) as street:
        call, line = await street.carrier.is_called_by(street.alice)
        told = Told()
        line.leg.call.refer("sip:+4930999999@127.0.0.1", told)

        assert await told.statuses() == [403]
        with line.speaking(700):
            assert await street.alice.hears(call, 700, codec="PCMU")


async def test_attended_transfer_of_the_carrier_joins_two_clients(street: Street) -> None:
    call, first = await street.carrier.is_called_by(street.alice)
    second = await street.carrier.calls("robert")
    theirs = await street.robert.until_rung()
    await street.robert.answer(theirs)
    await street.carrier.until_answered(second)
    told = Told()

    first.leg.call.refer("sip:robert@127.0.0.1", told, replaces=second.leg.call.dialog)

    assert (await told.statuses())[-1] == 200
    await second.until(Ended)
    await first.until(Ended)
    await talk(street.alice, call, street.robert, theirs)
    await street.alice.hang_up(call)
    await street.until_no_call_is_live()


async def test_attended_transfer_to_the_second_call_of_the_same_client(street: Street) -> None:
    """Whoever answered last is the target: alice's two calls with the carrier are joined with each other."""
    first_call, first = await street.carrier.is_called_by(street.alice)
    second_call, second = await street.carrier.is_called_by(street.alice)
    told = Told()

    first.leg.call.refer(f"sip:{NUMBER}@127.0.0.1", told, replaces=second.leg.call.dialog)

    assert (await told.statuses())[-1] == 200
    await second.until(Ended)
    await talk(street.alice, first_call, street.alice, second_call)
    await street.alice.hang_up(second_call)
    assert (await street.alice.until_over(first_call))[0] == "NORMAL_CLEARING"


@pytest.mark.parametrize("times", [1, 3])
async def test_invite_with_replaces_takes_the_place_of_the_call_that_it_names(street: Street, times: int) -> None:
    call, line = await street.carrier.is_called_by(street.alice)
    for number in range(times):
        newcomer = await street.carrier.calls("whoever", replaces=line.leg.call.dialog)
        await street.carrier.until_answered(newcomer)
        await line.until(Ended)
        line = newcomer
        with line.speaking(500 + 100 * number):
            assert await street.alice.hears(call, 500 + 100 * number, codec="PCMU")
    browser = street.alice.media[call]
    with sound.speaking(browser.send, "PCMU", 900, payload_type=0, ssrc=browser.ssrc):
        assert await line.hears(900)
    line.leg.call.hangup()
    assert (await street.alice.until_over(call))[0] == "NORMAL_CLEARING"
    await street.until_no_call_is_live()


async def test_invite_with_replaces_for_a_call_that_still_rings_is_declined(street: Street) -> None:
    line = await street.carrier.calls("robert")
    await street.robert.until_rung()
    await line.until(Provisional)

    other = await street.carrier.calls("robert", replaces=line.leg.call.dialog)

    refused = await other.until(Rejected)
    assert isinstance(refused, Rejected)
    assert refused.status in (481, 603)
    line.leg.call.hangup()
    await street.robert.verto.wait_for("telnyx_rtc.bye")


async def test_lab_number_that_refers_leads_to_the_echo(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550111")
        await alice.until_answered(call)
        shown = (await alice.verto.wait_for("telnyx_rtc.display", call_id=call))["params"]
        browser = alice.media[call]
        with sound.speaking(browser.send, "PCMU", 700, payload_type=0, ssrc=browser.ssrc):
            assert await alice.hears(call, 700, codec="PCMU")

        assert shown["display_number"] == "+12025550100"
        live = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
        assert [(one["caller"], one["callee"]) for one in live] == [("alice", "+12025550100")]
        await alice.hang_up(call)
