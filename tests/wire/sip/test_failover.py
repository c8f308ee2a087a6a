"""A trunk with several addresses: the next one is tried when one does not take a request (RFC 3263 section 4.3)."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.sip.call import Answered, Ended, Provisional, Rejected
from gateway.sip.settings import SipSettings
from tests.wire.sip.agents import ANSWER, Agent, Peer, running, settings
from tests.wire.sip.name_server import NameServer, Zone, name_server

SOON = 0.1
"""Seconds of silence after which a test's gateway tries the next address."""
LATE = 60.0

Two = tuple[Agent, NameServer, Peer, Peer]


def zone_of(*peers: Peer) -> Zone:
    """The peers in their order of priority."""
    records = [f"{number} 0 {peer.address[1]} host.example." for number, peer in enumerate(peers)]
    return {("_sip._udp.trunk.example", "SRV"): records, ("host.example", "A"): ["127.0.0.1"]}


@asynccontextmanager
async def two_servers(silence: float = LATE, base: SipSettings | None = None) -> AsyncIterator[Two]:
    """A caller that knows two servers of one trunk."""
    async with Peer.listening() as first, Peer.listening() as second, name_server(zone_of(first, second)) as names:
        config = dataclasses.replace(base or settings(), nameservers=(names.address,), failover_after=silence)
        async with running(config) as caller:
            yield caller, names, first, second


async def take(peer: Peer) -> None:
    """Answer the call that comes, and see its ACK."""
    invite = await peer.expects("INVITE")
    peer.answers(invite, 200, sdp=ANSWER)
    await peer.expects("ACK")


async def test_server_that_says_503_is_followed_by_the_next() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        refused = await first.expects("INVITE")
        first.answers(refused, 503)
        await first.expects("ACK")
        again = await second.expects("INVITE")
        second.answers(again, 200, sdp=ANSWER)
        await out.ear.hears(Answered)

        assert again.top_via.branch != refused.top_via.branch
        assert (again.call_id, again.cseq, again.from_.tag) == (refused.call_id, refused.cseq, refused.from_.tag)
        await second.expects("ACK")
        out.call.hangup()
        second.answers(await second.expects("BYE"), 200)


async def test_silent_server_is_followed_by_the_next() -> None:
    async with two_servers(SOON) as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")

        await take(second)

        await out.ear.hears(Answered)
        await first.expects("INVITE")
        out.call.hangup()
        second.answers(await second.expects("BYE"), 200)


async def test_late_ringing_of_a_server_that_was_given_up_is_cancelled() -> None:
    async with two_servers(SOON) as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        late = await first.expects("INVITE")
        await take(second)
        await out.ear.hears(Answered)

        first.answers(late, 180)

        cancel = await first.expects("CANCEL")
        first.answers(cancel, 200)
        first.answers(late, 487)
        await first.expects("ACK")
        out.call.hangup()
        second.answers(await second.expects("BYE"), 200)


async def test_late_answer_of_a_server_that_was_given_up_is_hung_up() -> None:
    async with two_servers(SOON) as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        late = await first.expects("INVITE")
        await take(second)
        await out.ear.hears(Answered)

        first.answers(late, 200, sdp=ANSWER, tag="late")

        await first.expects("ACK")
        first.answers(await first.expects("BYE"), 200)
        out.call.hangup()
        second.answers(await second.expects("BYE"), 200)


async def test_late_answer_is_the_call_while_the_next_server_says_nothing() -> None:
    async with two_servers(SOON) as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        late = await first.expects("INVITE")
        waiting = await second.expects("INVITE")

        first.answers(late, 200, sdp=ANSWER)

        await out.ear.hears(Answered)
        await first.expects("ACK")
        second.answers(waiting, 180)
        second.answers(await second.expects("CANCEL"), 200)
        second.answers(waiting, 487)
        out.call.hangup()
        first.answers(await first.expects("BYE"), 200)


async def test_ringing_server_is_not_left_when_it_says_503_later() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        invite = await first.expects("INVITE")
        first.answers(invite, 180)
        await out.ear.hears(Provisional)

        first.answers(invite, 503)

        assert (await out.ear.hears(Rejected)).status == 503
        assert second.requests.empty()


@pytest.mark.parametrize("status", [404, 486, 500, 603])
async def test_any_other_refusal_is_the_outcome(status: int) -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")

        first.answers(await first.expects("INVITE"), status)

        assert (await out.ear.hears(Rejected)).status == status
        assert second.requests.empty()


async def test_last_server_decides_when_none_takes_the_call() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        for peer in (first, second):
            peer.answers(await peer.expects("INVITE"), 503, more=(("Retry-After", "7"),))

        rejected = await out.ear.hears(Rejected)

        assert (rejected.status, rejected.retry_after) == (503, 7.0)


async def test_server_that_failed_is_tried_last_by_the_next_call() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        first.answers(await first.expects("INVITE"), 503)
        await first.expects("ACK")
        second.answers(await second.expects("INVITE"), 486)
        await out.ear.hears(Rejected)
        await second.expects("ACK")

        out = caller.dials("sip:bob@trunk.example")

        invite = await second.expects("INVITE")
        second.answers(invite, 486)
        assert (await out.ear.hears(Rejected)).status == 486
        assert first.requests.empty()


async def test_hang_up_while_servers_are_tried_ends_the_search() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        invite = await first.expects("INVITE")
        out.call.hangup()

        first.answers(invite, 503)

        assert (await out.ear.hears(Rejected)).status in (487, 503)
        assert second.requests.empty()


async def test_closed_tcp_port_is_followed_by_the_next_server_and_contact_stays_right() -> None:
    both = dataclasses.replace(settings(), listen=(("udp", "127.0.0.1", 0), ("tcp", "127.0.0.1", 0)))
    async with Peer.listening() as second:
        zone = {
            ("trunk.example", "NAPTR"): [
                '1 1 "s" "SIP+D2T" "" _sip._tcp.trunk.example.',
                '2 1 "s" "SIP+D2U" "" _sip._udp.trunk.example.',
            ],
            # Nobody listens for TCP on a port of UDP.
            ("_sip._tcp.trunk.example", "SRV"): [f"0 0 {second.address[1]} host.example."],
            ("_sip._udp.trunk.example", "SRV"): [f"0 0 {second.address[1]} host.example."],
            ("host.example", "A"): ["127.0.0.1"],
        }
        async with (
            name_server(zone) as names,
            running(dataclasses.replace(both, nameservers=(names.address,), failover_after=LATE)) as caller,
        ):
            out = caller.dials("sip:bob@trunk.example")

            invite = await second.expects("INVITE")

            udp = next(one.port for one in caller.endpoint.listeners if one.transport == "udp")
            assert invite.headers.get("Contact") == f"<sip:alice@127.0.0.1:{udp}>"
            assert (invite.top_via.transport, invite.top_via.port) == ("UDP", udp)
            second.answers(invite, 486)
            await out.ear.hears(Rejected)


async def test_request_in_a_call_leaves_an_address_that_says_503() -> None:
    async with two_servers() as (caller, _, first, second):
        out = caller.dials("sip:bob@trunk.example")
        invite = await first.expects("INVITE")
        first.answers(invite, 200, sdp=ANSWER, contact="<sip:bob@trunk.example>")
        await out.ear.hears(Answered)
        await first.expects("ACK")

        out.call.hangup()
        first.answers(await first.expects("BYE"), 503)

        second.answers(await second.expects("BYE"), 200)


async def test_far_end_hangs_up_a_call_that_came_to_its_second_server() -> None:
    async with two_servers(SOON) as (caller, _, _, second):
        out = caller.dials("sip:bob@trunk.example")
        invite = await second.expects("INVITE")
        second.answers(invite, 200, sdp=ANSWER)
        await out.ear.hears(Answered)
        await second.expects("ACK")

        second.sends(second.request_as_callee(invite, "BYE"))

        assert (await out.ear.hears(Ended)).reason == "bye"
        await second.expects_response(200)
