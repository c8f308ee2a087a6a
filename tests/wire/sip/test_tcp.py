"""TCP connections: framing, keep-alives, reuse, limits, and what happens when one breaks."""

import asyncio
import contextlib
from typing import Any

import pytest

from gateway.sip.core.message import parse, response_to, serialize
from tests.unit.sip.core.messages import bare_request, request, response
from tests.wire.sip.wire import HOST, PATIENT, WAIT, site, soon, tcp_listener, tcp_peer

VIA = "SIP/2.0/TCP 192.0.2.9:5070"
NOW = 0.2
"""Seconds: short enough to wait for, in tests where waiting is the point."""


async def test_messages_in_one_segment_and_one_in_many_segments_are_all_answered() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        gateway.endpoint.on_request = lambda transaction, received: transaction.respond(response_to(received, 200))
        many = b"".join(serialize(request(branch=f"z9hG4bK{n}", number=n, via=VIA, body=b"x" * n)) for n in range(1, 4))
        peer.send(many)
        for byte in serialize(request(branch="z9hG4bK4", number=4, via=VIA)):
            peer.send(bytes([byte]))
            await peer.writer.drain()

        assert [(await peer.response()).cseq.number for _ in range(4)] == [1, 2, 3, 4]


async def test_keep_alive_is_answered_with_a_line_break() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(b"\r\n\r\n")

        async with asyncio.timeout(WAIT):
            assert await peer.reader.readexactly(2) == b"\r\n"


async def test_two_requests_to_one_address_share_a_connection_and_so_do_their_responses() -> None:
    async with site(PATIENT) as caller, tcp_listener() as (address, taken):
        first, second = (caller.send(bare_request("OPTIONS", number=n), address) for n in (1, 2))
        peer = await soon(taken)
        for _ in range(2):
            peer.send(response(200, await peer.request()))

        assert (await first.final(), await second.final()) == (200, 200)
        assert taken.empty()
        assert caller.endpoint.connection_count == 1


async def test_request_to_the_address_of_a_connection_that_the_peer_opened_goes_over_it() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(request(via=VIA))
        transaction, _ = await soon(gateway.requests)

        sent = gateway.send(bare_request("BYE"), transaction.source)
        peer.send(response(200, await peer.request()))

        assert await sent.final() == 200


async def test_response_after_the_connection_broke_goes_to_the_address_in_via() -> None:
    async with site(PATIENT) as gateway, tcp_listener() as (address, taken):
        async with tcp_peer(gateway.at("tcp")) as peer:
            peer.send(request("INVITE", via=f"SIP/2.0/TCP 192.0.2.9:{address.port}"))
            transaction, invite = await soon(gateway.requests)
            assert (await peer.response()).status == 100
        await gateway.endpoint.connections_are(0)

        transaction.respond(response_to(invite, 200, to_tag="t"))

        assert (await (await soon(taken)).response()).status == 200


async def test_stream_without_content_length_is_answered_400_and_closed() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(serialize(request(via=VIA)).replace(b"Content-Length: 0\r\n", b""))

        answer = parse(await peer.rest())

        assert serialize(answer).startswith(b"SIP/2.0 400 ")
        assert gateway.requests.empty()


async def test_message_above_the_limit_is_answered_513_and_closed_before_it_is_read() -> None:
    async with site(PATIENT, max_message_bytes=5000) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(serialize(request(via=VIA)).replace(b"Content-Length: 0", b"Content-Length: 999999"))

        assert (await peer.rest()).startswith(b"SIP/2.0 513 ")


async def test_endless_header_fields_end_the_connection() -> None:
    async with site(PATIENT, max_message_bytes=5000) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        with contextlib.suppress(ConnectionError):
            peer.send(b"X-A: b\r\n" * 2000)
            await peer.writer.drain()

        await peer.rest()

        await gateway.endpoint.connections_are(0)


async def test_half_a_message_is_cut_off_after_the_message_timeout() -> None:
    async with site(PATIENT, message_timeout=NOW) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(serialize(request(via=VIA)) + b"INVITE sip:a@b SIP/2.0\r\n")
        await soon(gateway.requests)

        assert await peer.rest() == b""
        await gateway.endpoint.connections_are(0)


@pytest.mark.parametrize("drip", [b"x", b"\r\n\r\n"])
async def test_dripping_bytes_or_pings_do_not_extend_the_message_timeout(drip: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with site(PATIENT, message_timeout=NOW) as gateway, tcp_peer(gateway.at("tcp")) as peer:

        def send() -> None:
            if not peer.writer.is_closing():
                peer.send(drip)
                loop.call_later(NOW / 5, send)

        send()
        await peer.rest()

        await gateway.endpoint.connections_are(0)


async def test_idle_connection_is_closed() -> None:
    async with site(PATIENT, idle_timeout=NOW) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(request(via=VIA))
        await soon(gateway.requests)

        assert await peer.rest() == b""
        await gateway.endpoint.connections_are(0)


async def test_connections_above_the_limit_are_closed_at_once() -> None:
    async with site(PATIENT, max_connections=3) as gateway, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(tcp_peer(gateway.at("tcp"))) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.send(request(branch=f"z9hG4bK{number}", number=number, via=VIA))

        served = {(await soon(gateway.requests))[1].cseq.number for _ in range(3)}

        assert served == {0, 1, 2}
        assert [await peer.rest() for peer in peers[3:]] == [b"", b""]


async def test_strangers_leave_room_for_those_who_may_call() -> None:
    async with site(PATIENT, max_connections=8) as gateway, contextlib.AsyncExitStack() as stack:
        gateway.endpoint.accept = lambda _source: False
        strangers = [await stack.enter_async_context(tcp_peer(gateway.at("tcp"))) for _ in range(6)]
        assert [await peer.rest() for peer in strangers[2:]] == [b""] * 4

        gateway.endpoint.accept = lambda _source: True
        trunk = await stack.enter_async_context(tcp_peer(gateway.at("tcp")))
        trunk.send(request(via=VIA))
        await soon(gateway.requests)


async def test_too_many_connections_of_our_own_are_a_transport_failure() -> None:
    async with site(PATIENT, max_connections=1) as caller, tcp_listener() as (one, _), tcp_listener() as (two, _):
        caller.send(bare_request("OPTIONS"), one)

        assert await caller.send(bare_request("OPTIONS", number=2), two).final() == "transport"


async def test_connection_that_never_opens_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_args: object, **_options: object) -> Any:  # Any: never returns
        await asyncio.Event().wait()

    async with site(PATIENT, connect_timeout=NOW) as caller, tcp_listener() as (address, _):
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", hang)

        sent = caller.send(bare_request("OPTIONS"), address)

        assert caller.endpoint.connection_count == 1
        assert await sent.final() == "transport"
        assert caller.endpoint.connection_count == 0


async def test_stop_gives_up_a_connection_that_is_being_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_args: object, **_options: object) -> Any:  # Any: never returns
        await asyncio.Event().wait()

    async with site(PATIENT) as caller, tcp_listener() as (address, _):
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", hang)
        caller.send(bare_request("OPTIONS"), address)

        await caller.endpoint.stop()

        assert caller.endpoint.connection_count == 0


async def test_peer_that_does_not_read_is_cut_off() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(request("INVITE", via=VIA))
        transaction, invite = await soon(gateway.requests)
        gone: asyncio.Queue[str] = asyncio.Queue()
        transaction.on_failure = gone.put_nowait
        big = response_to(invite, 183, to_tag="t", body=b"x" * 60_000)

        for _ in range(400):
            transaction.respond(big)

        assert await soon(gone) == "transport"
        assert peer.writer is not None


async def test_both_sides_reach_each_other_over_ipv6() -> None:
    listen = (("tcp", "::1", 0), ("udp", "::1", 0))
    async with site(PATIENT, listen=listen) as caller, site(PATIENT, listen=listen) as callee:
        callee.endpoint.on_request = lambda transaction, received: transaction.respond(response_to(received, 200))
        for listener in callee.endpoint.listeners:
            destination = await caller.endpoint.resolve(f"sip:x@[::1]:{listener.port};transport={listener.transport}")

            assert await caller.send(bare_request("OPTIONS", number=listener.port), destination).final() == 200
            assert "[::1]" in caller.endpoint.contact_uri("x", destination)


async def test_connection_comes_from_the_address_that_we_listen_on() -> None:
    async with site(PATIENT, listen=(("tcp", "127.0.0.3", 0),)) as caller, tcp_listener() as (address, taken):
        caller.send(bare_request("OPTIONS"), address)

        assert (await soon(taken)).writer.get_extra_info("peername")[0] == "127.0.0.3"
        assert address.host == HOST
