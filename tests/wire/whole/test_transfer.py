"""Transfers through the whole gateway, with sound: who hears whom in the end, and what each is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.harness.gateway import Running, running
from tests.harness.verto_client import RequestFailed
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.test_hold import hears_music

TONE, ECHO, BUSY, SILENT_RING = "+12025550101", "+12025550100", "+12025550102", "+12025550104"
USERS = ("alice", "robert", "carol")


@dataclass
class Town:
    """A gateway and its phones."""

    gateway: Running
    phones: AsyncExitStack
    codecs: dict[str, str] = field(default_factory=dict)

    async def phone(self, user: str, codec: str = "PCMU") -> Phone:
        return await self.phones.enter_async_context(phone(self.gateway, user, codecs=[codec]))

    async def calls(self) -> list[dict[str, object]]:
        live: list[dict[str, object]] = (await self.gateway.get("/v2/gateway/calls?state=live"))["data"]
        return live

    async def until_no_call_is_live(self) -> None:
        async with asyncio.timeout(30):
            while await self.calls():
                pass


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    settings = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path, settings, users=USERS) as gateway, AsyncExitStack() as phones:
        yield Town(gateway, phones)


@contextmanager
def speaking(one: Phone, call: str, frequency: float, codec: str = "PCMU") -> Iterator[None]:
    browser = one.media[call]
    with sound.speaking(browser.send, codec, frequency, payload_type=CODEC_LINES[codec][0], ssrc=browser.ssrc):
        yield


async def internal(caller: Phone, callee: Phone, user: str) -> tuple[str, str]:
    """A call between two phones that is answered; the ids at either end."""
    call = await caller.call(user)
    count = sum(message["method"] == "telnyx_rtc.invite" for message in callee.verto.messages)
    theirs = await callee.until_rung(max(1, count))
    await callee.answer(theirs)
    await caller.until_answered(call)
    return call, theirs


async def talk(one: Phone, first: str, other: Phone, second: str, codecs: Sequence[str] = ("PCMU", "PCMU")) -> None:
    """Both hear each other."""
    with ExitStack() as stack:
        stack.enter_context(speaking(one, first, 500, codecs[0]))
        stack.enter_context(speaking(other, second, 900, codecs[1]))
        assert await one.hears(first, 900, codec=codecs[0])
        assert await other.hears(second, 500, codec=codecs[1])


async def test_client_transfers_its_trunk_to_another_client_and_leaves(town: Town) -> None:
    alice, robert = await town.phone("alice"), await town.phone("robert", "opus")
    call = await alice.call(TONE)
    await alice.until_answered(call)
    result = await alice.verto.modify(call, "transfer", destination="robert")
    bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)
    theirs = await robert.until_rung()
    await robert.answer(theirs)

    assert result == {
        "callID": call, "action": "transfer", "destination": "robert", "sessid": alice.verto.session_id
    }  # fmt: skip
    assert (bye["params"]["cause"], bye["params"]["causeCode"]) == ("BLIND_TRANSFER", 600)
    invite = (await robert.verto.wait_for("telnyx_rtc.invite"))["params"]
    assert invite["caller_id_number"] == TONE
    assert await robert.hears(theirs, 1004.0, codec="opus")
    live = await town.calls()
    assert [(one["caller"], one["callee"], one["state"]) for one in live] == [("robert", TONE, "active")]
    await robert.hang_up(theirs)
    await town.until_no_call_is_live()
    (record,) = (await town.gateway.get("/v2/gateway/calls"))["data"]
    (transfer,) = record["transfers"]
    assert (transfer["kind"], transfer["leg"], transfer["former"], transfer["successor"]) == (
        "blind", "a", "alice", "robert"
    )  # fmt: skip


async def test_called_client_transfers_its_caller_to_the_trunk_who_hears_ringing_meanwhile(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path, settings, users=USERS) as gateway, AsyncExitStack() as phones:
        town = Town(gateway, phones)
        alice, robert = await town.phone("alice", "opus"), await town.phone("robert", "opus")
        call, theirs = await internal(alice, robert, "robert")
        await talk(alice, call, robert, theirs, ("opus", "opus"))
        stream = await alice.listen(call, codec="opus", frames=10)
        await robert.verto.modify(theirs, "transfer", destination="+12025550119")  # answers after 10 s (3 s here)
        await sound.until(alice.media[call].received.get, stream, "opus", partial(sound.is_ringing, "opus"))
        with speaking(alice, call, 700, "opus"):
            assert await alice.hears(call, 700, codec="opus")

        sound.assert_unbroken(stream, ticks=960)
        display = (await alice.verto.wait_for("telnyx_rtc.display", call_id=call))["params"]
        assert display["display_number"] == "+12025550119"
        await alice.hang_up(call)


async def test_busy_target_ends_the_call_of_the_one_who_remained(town: Town) -> None:
    alice, robert = await town.phone("alice"), await town.phone("robert")
    call, theirs = await internal(alice, robert, "robert")

    await alice.verto.modify(call, "transfer", destination=BUSY)

    assert await robert.until_over(theirs) == ("USER_BUSY", 486)
    await town.until_no_call_is_live()


async def test_target_that_does_not_answer_ends_the_call_after_the_ring_timeout(tmp_path: Path) -> None:
    settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0, "ring_timeout": 3.0}}
    async with running(tmp_path, settings, users=USERS) as gateway, AsyncExitStack() as phones:
        town = Town(gateway, phones)
        alice, robert, carol = [await town.phone(user) for user in USERS]
        call, theirs = await internal(alice, robert, "robert")

        await robert.verto.modify(theirs, "transfer", destination="carol")
        ringing = await carol.until_rung()

        assert await alice.until_over(call) == ("NO_ANSWER", 480)
        assert (await carol.verto.wait_for("telnyx_rtc.bye", call_id=ringing))["params"]["cause"] == "NO_ANSWER"


async def test_one_who_remained_hangs_up_and_the_target_stops_ringing(town: Town) -> None:
    alice, robert, carol = [await town.phone(user) for user in USERS]
    call, theirs = await internal(alice, robert, "robert")
    await robert.verto.modify(theirs, "transfer", destination="carol")
    ringing = await carol.until_rung()

    await alice.hang_up(call)

    assert (await carol.verto.wait_for("telnyx_rtc.bye", call_id=ringing))["params"]["cause"] == "ORIGINATOR_CANCEL"
    await town.until_no_call_is_live()


@pytest.mark.parametrize("destination", ["nobody@sip.telnyx.com", "not a number!", "+49"])
async def test_destination_without_a_route_is_refused_and_the_call_goes_on(town: Town, destination: str) -> None:
    alice, robert = await town.phone("alice"), await town.phone("robert")
    call, theirs = await internal(alice, robert, "robert")

    with pytest.raises(RequestFailed) as failed:
        await alice.verto.modify(call, "transfer", destination=destination)

    assert failed.value.code == -32002
    await talk(alice, call, robert, theirs)
    await alice.hang_up(call)


async def test_transfer_before_the_answer_is_refused(town: Town) -> None:
    alice = await town.phone("alice")
    call = await alice.call(SILENT_RING)

    with pytest.raises(RequestFailed) as failed:
        await alice.verto.modify(call, "transfer", destination=TONE)

    assert failed.value.code == -32002
    await alice.verto.bye(call)


@pytest.mark.parametrize("codecs", [("PCMU", "PCMU", "PCMU"), ("opus", "PCMU", "opus")])
async def test_attended_transfer_joins_two_clients_and_lets_the_third_go(town: Town, codecs: Sequence[str]) -> None:
    alice, robert, carol = [await town.phone(user, codec) for user, codec in zip(USERS, codecs, strict=True)]
    first, roberts = await internal(robert, alice, "alice")
    await alice.verto.modify(roberts, "hold")
    assert await hears_music(robert, first, codec=codecs[1])
    second, carols = await internal(alice, carol, "carol")
    result = await alice.verto.modify(roberts, "replace", replaceCallID=second)

    assert (result["action"], result["replaceCallID"], result["callID"]) == ("replace", second, roberts)
    for call in (roberts, second):
        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]
        assert (bye["cause"], bye["causeCode"]) == ("ATTENDED_TRANSFER", 601)
    await talk(robert, first, carol, carols, (codecs[1], codecs[2]))
    shown = (await carol.verto.wait_for("telnyx_rtc.display", call_id=carols))["params"]
    assert shown["display_number"] == "robert"
    shown = (await robert.verto.wait_for("telnyx_rtc.display", call_id=first))["params"]
    assert shown["display_number"] == "carol"
    live = await town.calls()
    assert [(one["caller"], one["callee"]) for one in live] == [("robert", "carol")]
    assert (await carol.verto.modify(carols, "hold"))["holdState"] == "held"  # the calls go on under their names
    assert await hears_music(robert, first, codec=codecs[1])
    await carol.hang_up(carols)
    await town.until_no_call_is_live()


@pytest.mark.parametrize("keeps_first", [True, False])
async def test_attended_transfer_joins_a_client_and_a_trunk(town: Town, keeps_first: bool) -> None:
    alice, robert = await town.phone("alice"), await town.phone("robert")
    to_trunk = await alice.call(TONE)
    await alice.until_answered(to_trunk)
    await alice.verto.modify(to_trunk, "hold")
    second, theirs = await internal(alice, robert, "robert")
    one, other = (to_trunk, second) if keeps_first else (second, to_trunk)

    await alice.verto.modify(one, "replace", replaceCallID=other)

    assert await robert.hears(theirs, 1004.0, codec="PCMU")
    await robert.hang_up(theirs)
    await town.until_no_call_is_live()


async def test_two_trunks_are_joined_and_hear_each_other(town: Town) -> None:
    alice = await town.phone("alice")
    calls = []
    for destination in (TONE, ECHO):
        calls.append(await alice.call(destination))
        await alice.until_answered(calls[-1])

    await alice.verto.modify(calls[0], "replace", replaceCallID=calls[1])
    for call in calls:
        assert (await alice.until_over(call))[0] == "ATTENDED_TRANSFER"

    async with asyncio.timeout(30):
        while True:
            live = await town.calls()
            media = live[0]["media"]
            assert isinstance(media, dict)
            if media["a_packets_received"] > 25 and media["b_packets_received"] > 25:
                break
    call_id = live[0]["call_id"]
    await town.gateway.post(f"/v2/gateway/calls/{call_id}/actions/hangup", {})
    await town.until_no_call_is_live()


@pytest.mark.parametrize("other", ["itself", "unknown", "ringing"])
async def test_replace_needs_another_answered_call(town: Town, other: str) -> None:
    alice, robert = await town.phone("alice"), await town.phone("robert")
    call, theirs = await internal(alice, robert, "robert")
    ringing = await alice.call(SILENT_RING)
    named = {"itself": call, "unknown": "b7a1e9f4-0000-4000-8000-000000000000", "ringing": ringing}[other]

    with pytest.raises(RequestFailed) as failed:
        await alice.verto.modify(call, "replace", replaceCallID=named)

    assert failed.value.code == -32002
    await talk(alice, call, robert, theirs)
    await alice.hang_up(call)


async def test_call_of_another_client_cannot_be_taken(town: Town) -> None:
    alice, robert, carol = [await town.phone(user) for user in USERS]
    call, theirs = await internal(alice, robert, "robert")
    carols = await carol.call(TONE)
    await carol.until_answered(carols)

    with pytest.raises(RequestFailed):
        await carol.verto.modify(carols, "replace", replaceCallID=call)

    await talk(alice, call, robert, theirs)


async def test_transfers_of_one_call_come_to_an_end(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0, "max_transfers": 1}}
    async with running(tmp_path, settings, users=USERS) as gateway, AsyncExitStack() as phones:
        town = Town(gateway, phones)
        alice, robert = await town.phone("alice"), await town.phone("robert")
        call, theirs = await internal(alice, robert, "robert")
        await alice.verto.modify(call, "transfer", destination=TONE)
        assert await robert.hears(theirs, 1004.0, codec="PCMU")

        with pytest.raises(RequestFailed, match="too often"):
            await robert.verto.modify(theirs, "transfer", destination=ECHO)

        assert await robert.hears(theirs, 1004.0, codec="PCMU")
        await robert.hang_up(theirs)
