"""What somebody who watches an endpoint sees: the octets on the wire, both ways, repeats too."""

import pytest

from gateway.sip.core.message import Request, Response, response_to, serialize
from gateway.sip.observer import PassingMessage
from gateway.sip.transport.flow import Transport
from tests.unit.sip.core.messages import bare_request, request
from tests.wire.sip.wire import HOST, PATIENT, site, soon, udp_peer


def seen(found: list[PassingMessage]) -> list[tuple[str, str]]:
    return [("in" if one.is_inbound else "out", _name(one.message)) for one in found]


def _name(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else str(message.status)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_call_is_seen_from_both_sides_as_the_octets_that_went_over_the_wire(transport: Transport) -> None:
    async with site(PATIENT) as caller, site(PATIENT) as callee:
        ours, theirs = list[PassingMessage](), list[PassingMessage]()
        caller.endpoint.observe, callee.endpoint.observe = ours.append, theirs.append
        callee.endpoint.on_request = lambda transaction, request: transaction.respond(
            response_to(request, 200, to_tag=transaction.to_tag)
        )
        there = callee.at(transport)
        sent = caller.send(bare_request("INVITE"), there)
        await sent.final()
        caller.endpoint.send_stateless(bare_request("ACK"), there)
        await soon(callee.acks)

    assert seen(ours) == [("out", "INVITE"), ("in", "100"), ("in", "200"), ("out", "ACK")]
    assert seen(theirs) == [("in", "INVITE"), ("out", "100"), ("out", "200"), ("in", "ACK")]
    assert [one.data for one in ours] == [one.data for one in theirs]
    assert ours[0].remote == there
    assert theirs[0].local == (HOST, there.port)
    assert {one.call_id for one in ours} == {"call-1"}


async def test_repeats_are_seen_in_both_directions() -> None:
    async with site() as one, udp_peer() as peer:
        found = list[PassingMessage]()
        one.endpoint.observe = found.append
        one.send(bare_request("OPTIONS"), peer.address)
        for _ in range(3):
            await soon(peer.datagrams)
        again = request("OPTIONS")
        for _ in range(2):
            peer.send(again, one.at("udp"))
        transaction, _ = await soon(one.requests)
        transaction.respond(response_to(transaction.request, 200, to_tag="t"))
        await soon(peer.datagrams)

    assert seen(found).count(("out", "OPTIONS")) >= 3
    assert seen(found).count(("in", "OPTIONS")) >= 1
    assert len({one.data for one in found if not one.is_inbound and _name(one.message) == "OPTIONS"}) == 1
    received = [one.data for one in found if one.is_inbound]
    assert received[0] == serialize(again)


async def test_strangers_are_not_seen_but_within_a_dialog() -> None:
    async with site(PATIENT) as one, udp_peer() as peer:
        found = list[PassingMessage]()
        one.endpoint.observe, one.endpoint.accept = found.append, lambda _source: False
        peer.send(request("INVITE", branch="z9hG4bKa"), one.at("udp"))
        assert (await peer.response()).status == 403
        peer.send(request("BYE", branch="z9hG4bKb", to="<sip:gw@192.0.2.1>;tag=ours"), one.at("udp"))
        await soon(one.requests)

    assert seen(found) == [("in", "BYE")]


async def test_what_is_no_message_is_not_seen() -> None:
    async with site(PATIENT) as one, udp_peer() as peer:
        found = list[PassingMessage]()
        one.endpoint.observe = found.append
        peer.send(b"\r\n\r\n", one.at("udp"))
        peer.send(b"nonsense", one.at("udp"))
        peer.send(request("OPTIONS"), one.at("udp"))
        await soon(one.requests)

    assert seen(found) == [("in", "OPTIONS")]
