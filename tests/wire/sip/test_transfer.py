"""REFER, NOTIFY and Replaces between real user agents, and with a peer that cheats."""

import asyncio

import pytest

from gateway.sip.call import (
    Answered,
    Confirmed,
    Ended,
    OutgoingCall,
    ReferProgress,
    Referred,
    Rejected,
    Replaces,
    Target,
)
from gateway.sip.core.headers.replaces import format_replaces
from gateway.sip.core.message import Request
from tests.wire.sip.agents import (
    ANSWER,
    OFFER,
    PATIENCE,
    Agent,
    Ear,
    Inbound,
    Outbound,
    Peer,
    connected,
    pair,
    running,
    settings,
)


class Progress:
    """Takes what becomes of one `refer`."""

    def __init__(self) -> None:
        self._told: asyncio.Queue[ReferProgress] = asyncio.Queue()

    def __call__(self, progress: ReferProgress) -> None:
        self._told.put_nowait(progress)

    async def get(self) -> ReferProgress:
        async with asyncio.timeout(PATIENCE):
            return await self._told.get()

    async def statuses(self) -> list[int]:
        """All statuses, up to the final one."""
        statuses = []
        while True:
            one = await self.get()
            statuses.append(one.status)
            if one.is_final:
                return statuses


def replacing(agent: Agent, uri: str, replaces: Replaces) -> Outbound:
    ear = Ear()
    target = Target(uri=uri, from_uri="sip:carol@127.0.0.1", replaces=replaces)
    return Outbound(agent.agent.invite(target, OFFER, ear), ear)


async def referred(inbound: Inbound | Outbound) -> Referred:
    return await inbound.ear.hears(Referred)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_blind_transfer_is_accepted_and_told_about_to_its_end(transport: str) -> None:
    config = settings("tcp" if transport == "tcp" else "udp")
    async with pair(config) as (caller, callee):
        out, into = await connected(caller, callee)
        told = Progress()

        into.call.refer("sip:+12025550100@127.0.0.1", told)
        asked = await referred(out)
        out.call.accept_refer()
        assert [(await told.get()).status, (await told.get()).status] == [202, 100]
        out.call.notify_refer(180, "Ringing")
        out.call.notify_refer(200, "OK")

        assert asked.target.uri == "sip:+12025550100@127.0.0.1"
        assert asked.referred_by is not None
        assert await told.statuses() == [180, 200]
        into.call.hangup()
        await out.ear.hears(Ended)


async def test_a_refused_transfer_leaves_the_call_as_it_was() -> None:
    async with pair() as (caller, callee):
        out, into = await connected(caller, callee)
        told = Progress()

        out.call.refer("sip:carol@127.0.0.1", told)
        await referred(into)
        into.call.reject_refer(603)

        assert await told.get() == ReferProgress(603, "Decline", True)
        out.call.hangup()
        await into.ear.hears(Ended)


async def test_a_second_refer_is_491() -> None:
    async with pair() as (caller, callee):
        out, into = await connected(caller, callee)
        first, second = Progress(), Progress()

        out.call.refer("sip:carol@127.0.0.1", first)
        out.call.refer("sip:dave@127.0.0.1", second)

        assert await second.get() == ReferProgress(491, "Request Pending", True)
        await referred(into)
        into.call.accept_refer()
        into.call.notify_refer(486, "Busy Here")
        assert await first.statuses() == [202, 100, 486]


async def test_an_attended_transfer_takes_the_place_of_the_consultation_call() -> None:
    """Alice consults Carol, then has Bob take her place there: REFER with Replaces, INVITE with Replaces."""
    async with running() as alice, running() as bob, running() as carol:
        to_bob, at_bob = await connected(alice, bob)
        to_carol, at_carol = await connected(alice, carol)
        told = Progress()

        to_bob.call.refer(carol.uri("carol"), told, replaces=to_carol.call.dialog)
        asked = await referred(at_bob)
        at_bob.call.accept_refer()
        assert asked.target.replaces == to_carol.call.dialog
        assert asked.target.replaces is not None
        moved = replacing(bob, asked.target.uri, asked.target.replaces)
        into = await carol.gets_call()
        assert into.call.replaces == at_carol.call.sip_call_id
        into.call.answer(ANSWER)
        await into.ear.hears(Confirmed)
        at_carol.call.hangup()
        await moved.ear.hears(Answered)
        at_bob.call.notify_refer(200, "OK")

        assert await to_carol.ear.hears(Ended) == Ended(None, "bye")
        assert await told.statuses() == [202, 100, 200]


async def test_a_replaces_of_a_call_that_rings_at_the_caller_finds_it() -> None:
    async with pair() as (caller, callee):
        out = caller.dials(callee.uri())
        into = await callee.gets_call()
        into.call.ring()
        await out.ear.events.get()
        there = into.call.dialog
        assert there is not None

        moved = replacing(callee, caller.uri(), Replaces(there.call_id, there.to_tag, there.from_tag, True))
        taken = await caller.gets_call()

        assert taken.call.replaces == out.call.sip_call_id
        taken.call.reject(486, "Busy Here")
        await moved.ear.hears(Rejected)


async def refused(agent: Agent, by: Agent, replaces: Replaces) -> int:
    return (await replacing(by, agent.uri(), replaces).ear.hears(Rejected)).status


async def test_replaces_of_dialogs_that_cannot_be_replaced_are_refused() -> None:
    async with pair() as (caller, callee):
        out, into = await connected(caller, callee)
        here = out.call.dialog
        assert here is not None
        early_only = Replaces(here.call_id, here.to_tag, here.from_tag, True)

        assert await refused(callee, caller, early_only) == 486
        assert await refused(callee, caller, Replaces("nobody", here.to_tag, here.from_tag)) == 481
        assert await refused(callee, caller, Replaces(here.call_id, here.to_tag, "x")) == 481
        assert await refused(callee, caller, Replaces(here.call_id, here.from_tag, here.to_tag)) == 481
        out.call.hangup()
        await into.ear.hears(Ended)
        assert await refused(callee, caller, here) == 603
        assert out.call.dialog is None
        callee.assert_idle()


async def test_a_call_that_rings_here_cannot_be_moved_by_anybody() -> None:
    async with pair() as (caller, callee):
        out = caller.dials(callee.uri())
        into = await callee.gets_call()
        into.call.ring()
        await out.ear.events.get()
        here = out.call.dialog
        assert here is not None

        assert await refused(callee, caller, here) == 481
        into.call.reject(486, "Busy Here")


async def test_two_replaces_or_one_in_another_request_are_400() -> None:
    async with running() as agent, Peer.listening() as peer:
        one = ("Replaces", format_replaces(Replaces("c", "t", "f")))

        peer.sends(peer.request("INVITE", sdp=OFFER, more=(one, one)), agent)
        await peer.expects_response(400)
        peer.sends(peer.request("OPTIONS", more=(one,)), agent)
        await peer.expects_response(400)


async def test_a_dialog_of_ours_is_found_by_what_a_third_party_calls_it() -> None:
    async with pair() as (caller, callee):
        out, into = await connected(caller, callee)
        there = out.call.dialog
        assert there is not None

        assert callee.agent.find_replaced(there) == into.call.sip_call_id
        assert caller.agent.find_replaced(there) is None


async def answered(peer: Peer, agent: Agent) -> tuple[OutgoingCall, Ear, Request]:
    out = agent.dials(peer.uri)
    invite = await peer.expects("INVITE")
    peer.answers(invite, 200, sdp=ANSWER)
    await peer.expects("ACK")
    await out.ear.hears(Answered)
    return out.call, out.ear, invite


async def test_a_refer_before_the_answer_is_403() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 180)
        await out.ear.events.get()

        refer = peer.request_as_callee(invite, "REFER")
        refer.headers.add("Refer-To", "<sip:carol@127.0.0.1>")
        peer.sends(refer)

        await peer.expects_response(403)


async def test_a_repeated_refer_is_one_and_its_subscription_outlives_no_bye() -> None:
    async with running() as agent, Peer.listening() as peer:
        call, ear, invite = await answered(peer, agent)
        refer = peer.request_as_callee(invite, "REFER")
        refer.headers.add("r", "<sip:carol@127.0.0.1>")
        peer.sends(refer)
        await ear.hears(Referred)

        call.accept_refer()
        await peer.expects_response(202)
        peer.sends(refer)
        peer.answers(await peer.expects("NOTIFY"), 200)
        peer.sends(peer.request_as_callee(invite, "BYE", cseq=2))
        await ear.hears(Ended)
        call.notify_refer(200, "OK")

        await peer.expects_response(200)
        assert ear.events.empty()
        agent.assert_idle()


async def test_a_notify_that_nobody_asked_for_is_481() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, _, invite = await answered(peer, agent)
        notify = peer.request_as_callee(invite, "NOTIFY")
        notify.headers.add("Event", "refer")

        peer.sends(notify)

        await peer.expects_response(481)
