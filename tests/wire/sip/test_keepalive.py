"""Keep-alives: connections that carry a call are pinged, dead ones noticed (RFC 5626 section 4.4.1)."""

import asyncio
import dataclasses
from ipaddress import ip_network

from gateway.sip.call import Answered
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.endpoint import Destination
from gateway.sip.trunk_settings import TrunkSettings
from tests.unit.sip.core.messages import bare_request
from tests.wire.sip.agents import ANSWER, running, settings
from tests.wire.sip.wire import PATIENT, WAIT, TcpPeer, site, soon, tcp_listener, tcp_peer, udp_peer

INTERVAL = 0.05
BUSY = dataclasses.replace(PATIENT, keepalive_interval=INTERVAL, keepalive_timeout=INTERVAL)
PING = b"\r\n\r\n"


async def ping(peer: TcpPeer) -> bytes:
    """The next four bytes, which must be nothing but a ping."""
    async with asyncio.timeout(WAIT):
        return await peer.reader.readexactly(len(PING))


def answer_to(invite: Request, address: Destination) -> Response:
    contact = ("Contact", f"<sip:bob@{address.host}:{address.port};transport=tcp>")
    return response_to(
        invite, 200, to_tag="peer", headers=(contact,), body=ANSWER.encode(), content_type="application/sdp"
    )


async def test_connection_that_somebody_needs_is_pinged_and_one_that_nobody_needs_is_not() -> None:
    patient = dataclasses.replace(BUSY, keepalive_timeout=WAIT)
    async with site(patient) as gateway, tcp_listener() as (needed, taken), tcp_listener() as (other, also_taken):
        gateway.endpoint.hold(needed)
        for number, address in enumerate((needed, other)):
            gateway.send(bare_request("OPTIONS", number=number), address)
        first, second = await soon(taken), await soon(also_taken)
        await first.request()
        await second.request()

        for _ in range(3):
            assert await ping(first) == PING
            first.send(b"\r\n")

        # All that the other one has got by then is in its buffer: nothing.
        assert second.reader._buffer == b""  # type: ignore[attr-defined]  # a look without waiting


async def test_far_end_that_answers_pings_no_longer_is_given_up_and_reached_anew() -> None:
    async with site(BUSY) as gateway, tcp_listener() as (address, taken):
        gateway.endpoint.hold(address)
        gateway.send(bare_request("OPTIONS"), address)
        first = await soon(taken)
        await first.request()
        assert await ping(first) == PING
        first.send(b"\r\n")

        assert (await first.rest()).strip() == b""

        await gateway.endpoint.connections_are(0)
        gateway.send(bare_request("OPTIONS", number=2), address)
        assert (await (await soon(taken)).request()).cseq.number == 2


async def test_far_end_that_has_never_answered_a_ping_is_not_given_up() -> None:
    async with site(BUSY) as gateway, tcp_listener() as (address, taken):
        gateway.endpoint.hold(address)
        gateway.send(bare_request("OPTIONS"), address)
        peer = await soon(taken)
        await peer.request()

        for _ in range(4):
            assert await ping(peer) == PING

        assert gateway.endpoint.connection_count == 1


async def test_call_over_tcp_is_pinged_until_it_ends() -> None:
    config = dataclasses.replace(settings("tcp"), keepalive_interval=INTERVAL, keepalive_timeout=WAIT)
    async with running(config) as caller, tcp_listener() as (address, taken):
        out = caller.dials(f"sip:bob@{address.host}:{address.port};transport=tcp")
        peer = await soon(taken)
        invite = await peer.request()
        peer.send(answer_to(invite, address))
        await out.ear.hears(Answered)
        await peer.request()
        assert await ping(peer) == PING
        peer.send(b"\r\n")

        out.call.hangup()

        bye = await peer.request()
        assert bye.method == "BYE"
        peer.send(response_to(bye, 200))


async def test_ping_of_a_far_end_is_answered() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(PING)

        async with asyncio.timeout(WAIT):
            assert await peer.reader.readexactly(2) == b"\r\n"


async def test_trunk_that_asks_for_it_is_kept_reachable_over_udp() -> None:
    async with udp_peer() as peer:
        trunk = TrunkSettings(
            name="nat", uri=f"sip:{peer.address.host}:{peer.address.port}", accept_from=(ip_network("127.0.0.0/8"),)
        )
        async with running(trunks=(dataclasses.replace(trunk, keepalive=INTERVAL),)):
            assert [await soon(peer.datagrams) for _ in range(3)] == [PING] * 3


async def test_trunk_over_tcp_gets_no_datagrams_and_no_connection() -> None:
    both = dataclasses.replace(settings(), listen=(("udp", "127.0.0.1", 0), ("tcp", "127.0.0.1", 0)))
    async with tcp_listener() as (address, taken), udp_peer() as peer:
        trunk = TrunkSettings(name="a", uri=f"sip:{address.host}:{address.port};transport=tcp", keepalive=INTERVAL)
        other = TrunkSettings(name="b", uri=f"sip:{peer.address.host}:{peer.address.port}", keepalive=INTERVAL)
        async with running(both, trunks=(trunk, other)) as agent:
            for _ in range(2):
                await soon(peer.datagrams)

            assert agent.endpoint.connection_count == 0
            assert taken.empty()


async def test_connection_that_somebody_needs_outlives_the_idle_timeout_without_answers_to_its_pings() -> None:
    config = dataclasses.replace(BUSY, idle_timeout=INTERVAL)
    async with site(config) as gateway, tcp_listener() as (address, taken):
        release = gateway.endpoint.hold(address)
        gateway.send(bare_request("OPTIONS"), address)
        peer = await soon(taken)
        await peer.request()
        for _ in range(4):
            assert await ping(peer) == PING

        release()

        await gateway.endpoint.connections_are(0)


async def test_whoever_needs_a_connection_is_told_of_its_end() -> None:
    lost: asyncio.Queue[str] = asyncio.Queue()
    async with site(PATIENT) as gateway, tcp_listener() as (address, taken):
        gateway.endpoint.hold(address, lambda: lost.put_nowait("kept"))
        gateway.endpoint.hold(address, lambda: lost.put_nowait("released"))()
        gateway.send(bare_request("OPTIONS"), address)
        peer = await soon(taken)
        await peer.request()

        await peer.close()

        assert await soon(lost) == "kept"
        await gateway.endpoint.connections_are(0)
        assert lost.empty()
