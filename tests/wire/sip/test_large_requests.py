"""Requests that are too large for UDP (RFC 3261 section 18.1.1)."""

import dataclasses

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Confirmed, Ended, Rejected
from tests.wire.sip.agents import ANSWER, OFFER, Agent, Peer, running, settings

BOTH = dataclasses.replace(settings(), listen=(("udp", "127.0.0.1", 0), ("tcp", "127.0.0.1", 0)), failover_after=60.0)
LARGE = Sdp(OFFER + "a=x-filler:" + "x" * 1200 + "\r\n")


def port(agent: Agent, transport: str) -> int:
    return next(listener.port for listener in agent.endpoint.listeners if listener.transport == transport)


async def test_large_invite_goes_over_tcp() -> None:
    async with running(BOTH) as caller, running(settings("tcp")) as callee:
        out = caller.dials(f"sip:bob@127.0.0.1:{port(callee, 'tcp')}", sdp=LARGE)
        into = await callee.gets_call()
        into.call.answer(ANSWER)
        await out.ear.hears(Answered)

        assert into.call.offer == LARGE
        assert caller.endpoint.connection_count == 1
        out.call.hangup()
        await into.ear.hears(Confirmed)
        await into.ear.hears(Ended)


async def test_small_invite_goes_over_udp() -> None:
    async with running(BOTH) as caller, Peer.listening() as peer:
        out = caller.dials(peer.uri)

        peer.answers(await peer.expects("INVITE"), 486)

        await out.ear.hears(Rejected)
        assert caller.endpoint.connection_count == 0


async def test_large_invite_goes_over_udp_where_nobody_takes_tcp() -> None:
    async with running(BOTH) as caller, Peer.listening() as peer:
        for _ in range(2):
            out = caller.dials(f"sip:bob@{peer.address[0]}:{peer.address[1]}", sdp=LARGE)
            invite = await peer.expects("INVITE")
            peer.answers(invite, 486)
            await out.ear.hears(Rejected)
            await peer.expects("ACK")

            assert (invite.top_via.transport, invite.top_via.port) == ("UDP", port(caller, "udp"))
            assert invite.headers.get("Contact") == f"<sip:alice@127.0.0.1:{port(caller, 'udp')}>"
            assert invite.body == LARGE.encode()


@pytest.mark.parametrize("listen", [BOTH.listen, BOTH.listen[:1]])
async def test_uri_that_asks_for_udp_gets_it(listen: tuple[tuple[str, str, int], ...]) -> None:
    config = dataclasses.replace(BOTH, listen=listen)  # type: ignore[arg-type]  # parts of the same setting
    async with running(config) as caller, Peer.listening() as peer:
        out = caller.dials(f"{peer.uri};transport=udp", sdp=LARGE)

        peer.answers(await peer.expects("INVITE"), 486)

        assert (await out.ear.hears(Rejected)).status == 486
        assert caller.endpoint.connection_count == 0


async def test_network_that_carries_more_gets_larger_datagrams() -> None:
    async with running(dataclasses.replace(BOTH, path_mtu=9000)) as caller, Peer.listening() as peer:
        out = caller.dials(peer.uri, sdp=LARGE)

        peer.answers(await peer.expects("INVITE"), 486)

        await out.ear.hears(Rejected)
        assert caller.endpoint.connection_count == 0
