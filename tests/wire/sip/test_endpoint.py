"""Transactions over real sockets: what the user agent sees of them, and what the far end does."""

import asyncio
import dataclasses
import socket
from collections.abc import Callable

import pytest

from gateway.observability.metrics import REGISTRY
from gateway.sip.core.errors import ListenFailed
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.endpoint import Destination, Endpoint, ServerTransaction
from gateway.sip.transport.flow import Transport
from tests.unit.sip.core.messages import bare_request, request, response
from tests.wire.sip.wire import FAST, HOST, PATIENT, site, soon, tcp_listener, tcp_peer, udp_peer

BOTH: tuple[Transport, ...] = ("udp", "tcp")


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def answer_with(status: int) -> Callable[[ServerTransaction, Request], None]:
    return lambda transaction, request: transaction.respond(response_to(request, status, to_tag=transaction.to_tag))


# Two endpoints


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("INVITE", 486), ("INVITE", 200), ("BYE", 481)])
async def test_request_is_answered_and_both_sides_forget_it(transport: Transport, method: str, status: int) -> None:
    async with site() as caller, site() as callee:
        callee.endpoint.on_request = answer_with(status)

        sent = caller.send(bare_request(method), callee.at(transport))

        assert await sent.final() == status
        await caller.endpoint.becomes_quiet()
        await callee.endpoint.becomes_quiet()


async def test_many_requests_at_once_find_their_own_responses() -> None:
    async with site(PATIENT) as caller, site(PATIENT) as callee:
        callee.endpoint.on_request = lambda transaction, request: transaction.respond(
            response_to(request, 200 + request.cseq.number % 90, to_tag="t")
        )

        sent = [
            caller.send(bare_request("OPTIONS", number=number), callee.at(BOTH[number % 2])) for number in range(100)
        ]

        assert [await one.final() for one in sent] == [200 + number % 90 for number in range(100)]


async def test_silence_of_the_far_end_is_a_timeout_after_some_repeats() -> None:
    async with site() as caller, udp_peer() as peer:
        sent = caller.send(bare_request("INVITE"), peer.address)

        assert await sent.final() == "timeout"

        # Seven on a machine that has time (the machine's own test counts them), fewer on one that fires timers late.
        assert 2 <= peer.datagrams.qsize() <= 7
        assert len({peer.datagrams.get_nowait() for _ in range(peer.datagrams.qsize())}) == 1


async def test_closed_tcp_port_is_a_transport_failure() -> None:
    async with site(PATIENT) as caller:
        with socket.socket() as unused:
            unused.bind((HOST, 0))
            closed = Destination("tcp", HOST, unused.getsockname()[1])

            assert await caller.send(bare_request("INVITE"), closed).final() == "transport"


@pytest.mark.parametrize(
    "destination",
    [
        Destination("udp", HOST, 0),
        Destination("udp", HOST, 99999),
        Destination("tcp", HOST, -1),
        Destination("udp", "not an address", 5060),
        Destination("udp", "2001:db8::1", 5060),
    ],
)
async def test_address_that_cannot_be_sent_to_is_a_transport_failure_and_harms_nobody(destination: Destination) -> None:
    async with site(PATIENT) as caller, site(PATIENT) as callee:
        callee.endpoint.on_request = answer_with(200)

        assert await caller.send(bare_request("OPTIONS"), destination).final() == "transport"

        caller.endpoint.send_stateless(bare_request("ACK"), destination)
        assert await caller.send(bare_request("OPTIONS"), callee.at("udp")).final() == 200


async def test_message_that_no_datagram_can_hold_is_a_transport_failure() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        huge = bare_request("MESSAGE")
        huge.body = b"x" * 70_000

        assert await caller.send(huge, peer.address).final() == "transport"


async def test_request_that_cannot_be_written_down_is_our_defect() -> None:
    async with site() as caller, udp_peer() as peer:
        with pytest.raises(ValueError, match="line break"):
            caller.send(Request("OPTIONS", "sip:a@b\r\nX:", bare_request("OPTIONS").headers), peer.address)
        with pytest.raises(ValueError, match="send_stateless"):
            caller.send(bare_request("ACK"), peer.address)
        assert caller.endpoint.transaction_count == 0


# As a client


@pytest.mark.parametrize("transport", BOTH)
async def test_request_gets_our_via_with_rport_and_max_forwards(transport: Transport) -> None:
    original = bare_request("OPTIONS")
    async with site(PATIENT) as caller, udp_peer() as peer, tcp_listener() as (address, taken):
        caller.send(original, peer.address if transport == "udp" else address)
        received = await peer.request() if transport == "udp" else await (await soon(taken)).request()

        via = received.top_via
        assert via.transport == transport.upper()
        assert (via.host, via.port) == (HOST, caller.at(transport).port)
        assert (via.branch or "").startswith("z9hG4bK")
        assert "rport" in via.params
        assert received.headers.get("Max-Forwards") == "70"
        assert "Via" not in original.headers


async def test_advertised_address_stands_in_via_and_contact() -> None:
    async with site(PATIENT, advertise="198.51.100.7") as caller, udp_peer() as peer:
        caller.send(bare_request("OPTIONS"), peer.address)

        assert (await peer.request()).top_via.host == "198.51.100.7"
        port = caller.at("udp").port
        assert caller.endpoint.contact_uri("a b", peer.address) == f"sip:a%20b@198.51.100.7:{port}"


async def test_each_listener_tells_the_address_and_port_that_a_nat_gives_it() -> None:
    listen = (("udp", HOST, 0), ("tcp", HOST, 0))
    outside = ("203.0.113.7:15060", "203.0.113.8")
    async with site(PATIENT, listen=listen, advertise_listeners=outside) as caller, udp_peer() as peer:
        caller.send(bare_request("OPTIONS"), peer.address)

        via = (await peer.request()).top_via
        assert (via.host, via.port) == ("203.0.113.7", 15060)
        by_tcp = caller.endpoint.contact_uri("x", Destination("tcp", HOST, 5060))
        assert by_tcp == f"sip:x@203.0.113.8:{caller.at('tcp').port};transport=tcp"


async def test_address_of_one_family_is_not_told_for_the_other() -> None:
    async with site(PATIENT, listen=(("udp", "::1", 0),), advertise="203.0.113.7") as caller:
        assert caller.endpoint.contact_uri("x", Destination("udp", "::1", 5060)).startswith("sip:x@[::1]:")


async def test_contact_names_the_transport_and_the_address_that_the_peer_can_reach() -> None:
    listen: tuple[tuple[Transport, str, int], ...] = (("udp", "0.0.0.0", 0), ("tcp", HOST, 0))  # noqa: S104  # the case
    async with site(PATIENT, listen=listen) as caller:
        udp, tcp = Destination("udp", HOST, 5060), Destination("tcp", HOST, 5060)

        assert caller.endpoint.contact_uri("", udp) == f"sip:{HOST}:{caller.at('udp').port}"
        assert caller.endpoint.contact_uri("x", tcp) == f"sip:x@{HOST}:{caller.at('tcp').port};transport=tcp"


async def test_listener_on_the_route_to_the_peer_is_taken_among_several() -> None:
    listen: tuple[tuple[Transport, str, int], ...] = (("udp", "127.0.0.2", 0), ("udp", HOST, 0))
    async with site(PATIENT, listen=listen) as caller, udp_peer() as peer:
        caller.send(bare_request("OPTIONS"), peer.address)

        assert (await peer.request()).top_via.host == HOST


async def test_response_with_a_foreign_branch_or_two_vias_is_dropped() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("OPTIONS"), peer.address)
        received = await peer.request()
        foreign, doubled, good = (response(200, received) for _ in range(3))
        foreign.headers.set("Via", str(received.top_via).replace("z9hG4bK", "z9hG4bKx"))
        doubled.headers.add("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        doubled.status = 500

        for answer in (foreign, doubled, good):
            peer.send(answer, caller.at("udp"))

        assert await sent.final() == 200


async def test_every_success_of_an_invite_reaches_the_user_agent() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("INVITE"), peer.address)
        invite = await peer.request()
        for tag in ("fork-1", "fork-2", "fork-1"):
            peer.send(response(200, invite, tag=tag), caller.at("udp"))

        tags = []
        for _ in range(3):
            outcome = await soon(sent.outcomes)
            assert isinstance(outcome, Response)
            tags.append(outcome.to.tag)
        assert tags == ["fork-1", "fork-2", "fork-1"]


async def test_acknowledgement_of_a_refusal_is_sent_by_the_transaction() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("INVITE"), peer.address)
        invite = await peer.request()
        peer.send(response(404, invite), caller.at("udp"))

        ack = await peer.request()

        assert ack.method == "ACK"
        assert ack.top_via == invite.top_via
        assert await sent.final() == 404


async def test_stateless_request_has_a_new_branch_each_time() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        ack = bare_request("ACK")
        caller.endpoint.send_stateless(ack, peer.address)
        caller.endpoint.send_stateless(ack, peer.address)

        assert (await peer.request()).top_via.branch != (await peer.request()).top_via.branch
        assert caller.endpoint.transaction_count == 0


async def test_cancel_is_held_back_until_a_provisional_response_comes() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("INVITE"), peer.address)
        sent.transaction.cancel([("Reason", "Q.850;cause=16")])
        invite = await peer.request()
        assert peer.datagrams.empty()
        peer.send(response(180, invite), caller.at("udp"))

        cancel = await peer.request()

        assert cancel.method == "CANCEL"
        assert cancel.top_via == invite.top_via
        assert cancel.cseq.number == invite.cseq.number
        assert cancel.headers.get("Reason") == "Q.850;cause=16"
        peer.send(response(200, cancel), caller.at("udp"))
        peer.send(response(487, invite), caller.at("udp"))
        assert await sent.final() == 487


async def test_only_an_invite_can_be_cancelled() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("OPTIONS"), peer.address)

        with pytest.raises(ValueError, match="only an INVITE"):
            sent.transaction.cancel()


async def test_abandoned_request_calls_back_no_more() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        sent = caller.send(bare_request("INVITE"), peer.address)
        invite = await peer.request()
        sent.transaction.abandon()
        sent.transaction.cancel()
        peer.send(response(200, invite), caller.at("udp"))
        peer.send(request("OPTIONS"), caller.at("udp"))
        await soon(caller.requests)

        assert sent.outcomes.empty()


async def test_broken_tcp_connection_fails_a_request_that_was_not_answered_yet() -> None:
    async with site(PATIENT) as caller, tcp_listener() as (address, taken):
        sent = caller.send(bare_request("INVITE"), address)
        peer = await soon(taken)
        await peer.request()
        await peer.close()

        assert await sent.final() == "transport"


# As a server


async def test_repeated_request_is_seen_once_and_gets_the_same_response() -> None:
    repeats = metric("gateway_sip_retransmissions_total", method="OPTIONS")
    async with site(PATIENT) as gateway, udp_peer() as peer:
        options = request("OPTIONS")
        peer.send(options, gateway.at("udp"))
        transaction, _ = await soon(gateway.requests)
        transaction.respond(response_to(transaction.request, 200, to_tag=transaction.to_tag))
        peer.send(options, gateway.at("udp"))

        assert await soon(peer.datagrams) == await soon(peer.datagrams)
        assert gateway.requests.empty()
        assert metric("gateway_sip_retransmissions_total", method="OPTIONS") == repeats + 1


async def test_invite_is_answered_100_before_the_user_agent_says_anything() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        peer.send(request("INVITE"), gateway.at("udp"))

        trying = await peer.response()

        assert trying.status == 100
        assert trying.to.tag is None


async def test_response_goes_to_the_port_that_the_request_came_from_if_rport_is_asked_for() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        peer.send(request("INVITE", via="SIP/2.0/UDP 192.0.2.9:9"), gateway.at("udp"))

        via = (await peer.response()).top_via

        assert via.params.get("received") == HOST
        assert via.params.get("rport") == str(peer.address.port)


async def test_response_goes_to_the_port_in_via_without_rport_but_never_to_its_host() -> None:
    async with site(PATIENT) as gateway, udp_peer() as sender, udp_peer() as listener:
        invite = request("INVITE")
        invite.headers.set("Via", f"SIP/2.0/UDP 192.0.2.9:{listener.address.port};branch=z9hG4bK1;maddr=192.0.2.7")
        sender.send(invite, gateway.at("udp"))

        via = (await listener.response()).top_via

        assert via.params.get("received") == HOST
        assert sender.datagrams.empty()


async def test_ack_of_a_refusal_stays_below_and_ends_its_repeats() -> None:
    async with site() as gateway, udp_peer() as peer:
        gateway.endpoint.on_request = answer_with(486)
        peer.send(request("INVITE"), gateway.at("udp"))
        while (await peer.response()).status != 486:
            continue
        peer.send(request("ACK", to="<sip:gw@192.0.2.1>;tag=x"), gateway.at("udp"))
        await gateway.endpoint.becomes_quiet()

        assert gateway.acks.empty()


@pytest.mark.parametrize("branch", ["z9hG4bK-own", "z9hG4bK1"])
async def test_ack_of_a_success_reaches_the_user_agent_even_with_the_branch_of_the_invite(branch: str) -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.on_request = answer_with(200)
        peer.send(request("INVITE"), gateway.at("udp"))
        peer.send(request("ACK", branch=branch, to="<sip:gw@192.0.2.1>;tag=x"), gateway.at("udp"))

        assert (await soon(gateway.acks)).method == "ACK"


async def test_cancel_of_a_pending_invite_is_answered_and_told() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        peer.send(request("INVITE"), gateway.at("udp"))
        transaction, _ = await soon(gateway.requests)
        peer.send(request("CANCEL", more=(("Reason", "SIP;cause=200"),)), gateway.at("udp"))

        cancelled, cancel = await soon(gateway.cancels)

        assert cancelled is transaction
        assert cancel.headers.get("Reason") == "SIP;cause=200"
        assert transaction.is_pending
        trying, answer = await peer.response(), await peer.response()
        assert (trying.status, answer.status, answer.cseq_method) == (100, 200, "CANCEL")
        assert answer.to.tag == transaction.to_tag
        assert gateway.requests.empty()


async def test_cancel_without_its_invite_is_answered_481() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        peer.send(request("CANCEL"), gateway.at("udp"))

        assert (await peer.response()).status == 481
        assert gateway.cancels.empty()


async def test_cancel_that_crosses_our_final_response_is_answered_200_and_changes_nothing() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.on_request = answer_with(200)
        peer.send(request("INVITE"), gateway.at("udp"))
        peer.send(request("CANCEL"), gateway.at("udp"))

        answers = [await peer.response() for _ in range(3)]

        assert [(answer.status, answer.cseq_method) for answer in answers] == [
            (100, "INVITE"),
            (200, "INVITE"),
            (200, "CANCEL"),
        ]
        assert gateway.cancels.empty()


async def test_call_that_went_through_too_many_hops_ends_here() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        for method in ("INVITE", "OPTIONS"):
            hopless = request(method)
            hopless.headers.set("Max-Forwards", "0")
            peer.send(hopless, gateway.at("udp"))

        assert [(await peer.response()).status for _ in range(2)] == [100, 483]
        assert (await soon(gateway.requests))[1].method == "OPTIONS"


async def test_crash_of_the_user_agent_is_answered_500_and_the_next_request_is_served() -> None:
    def crash(_transaction: ServerTransaction, _request: Request) -> None:
        raise RuntimeError("defect")

    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.on_request = crash
        peer.send(request("OPTIONS"), gateway.at("udp"))
        assert (await peer.response()).status == 500

        gateway.endpoint.on_request = answer_with(200)
        peer.send(request("OPTIONS", branch="z9hG4bK2"), gateway.at("udp"))
        assert (await peer.response()).status == 200


async def test_crash_of_the_user_agent_over_a_response_leaves_the_listener_alone() -> None:
    def crash(_response: Response) -> None:
        raise RuntimeError("defect")

    # To draw the traceback takes longer than the 64 * T1 of the others here.
    async with site(t1=0.05, t2=0.1) as caller, site() as callee:
        callee.endpoint.on_request = answer_with(200)
        caller.endpoint.send_request(
            bare_request("OPTIONS"), callee.at("udp"), on_response=crash, on_failure=lambda _reason: None
        )

        assert await caller.send(bare_request("OPTIONS", number=2), callee.at("udp")).final() == 200
        await caller.endpoint.becomes_quiet()


async def test_refusal_without_ack_is_told_to_the_user_agent() -> None:
    reasons: asyncio.Queue[str] = asyncio.Queue()
    async with site() as gateway, udp_peer() as peer:
        peer.send(request("INVITE"), gateway.at("udp"))
        transaction, invite = await soon(gateway.requests)
        transaction.on_failure = reasons.put_nowait
        transaction.respond(response_to(invite, 486, to_tag="t"))

        assert await soon(reasons) == "timeout"
        transaction.respond(response_to(invite, 200, to_tag="t"))


# Strangers and floods


async def test_stranger_gets_403_for_an_invite_and_silence_for_the_rest() -> None:
    refused = metric("gateway_sip_messages_refused_total", reason="source")
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.accept = lambda _source: False
        for method in ("OPTIONS", "REGISTER", "CANCEL", "INVITE"):
            peer.send(request(method), gateway.at("udp"))

        answer = await peer.response()

        assert (answer.status, answer.cseq_method) == (403, "INVITE")
        assert answer.to.tag is not None
        assert gateway.endpoint.transaction_count == 0
        assert gateway.requests.empty()
        assert metric("gateway_sip_messages_refused_total", reason="source") == refused + 4


async def test_stranger_hears_nothing_about_a_broken_request() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.accept = lambda _source: False
        peer.send(request("INVITE", to="nonsense"), gateway.at("udp"))
        peer.send(request("INVITE"), gateway.at("udp"))

        assert (await peer.response()).status == 403


async def test_broken_ack_is_never_answered() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        peer.send(request("ACK", to="nonsense"), gateway.at("udp"))
        peer.send(request("CANCEL"), gateway.at("udp"))

        assert (await peer.response()).status == 481


async def test_repeat_of_a_strangers_invite_gets_the_same_tag() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.accept = lambda _source: False
        peer.send(request("INVITE"), gateway.at("udp"))
        peer.send(request("INVITE"), gateway.at("udp"))

        assert await soon(peer.datagrams) == await soon(peer.datagrams)


async def test_request_within_a_dialog_is_passed_on_wherever_it_comes_from() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        gateway.endpoint.accept = lambda _source: False
        peer.send(request("BYE", to="<sip:gw@192.0.2.1>;tag=ours"), gateway.at("udp"))

        transaction, bye = await soon(gateway.requests)

        assert bye.method == "BYE"
        transaction.ignore()
        assert gateway.endpoint.transaction_count == 0


async def test_strangers_never_hold_more_than_a_quarter_of_the_transactions() -> None:
    async with site(PATIENT, max_transactions=8) as gateway, udp_peer() as peer:
        gateway.endpoint.accept = lambda _source: False
        for number in range(20):
            bye = request("BYE", branch=f"z9hG4bK{number}", to="<sip:gw@192.0.2.1>;tag=x")
            peer.send(bye, gateway.at("udp"))
        peer.send(request("INVITE", branch="z9hG4bKend"), gateway.at("udp"))
        assert (await peer.response()).status == 403

        assert gateway.endpoint.transaction_count == 2


async def test_flood_of_requests_is_dropped_at_the_limit() -> None:
    dropped = metric("gateway_sip_messages_refused_total", reason="flood")
    async with site(PATIENT, max_transactions=5) as gateway, udp_peer() as peer:
        for number in range(20):
            peer.send(request("OPTIONS", branch=f"z9hG4bK{number}"), gateway.at("udp"))
        # Not parsed and therefore answered without a transaction: all before it has been seen by then.
        peer.send(request("OPTIONS", to="nonsense"), gateway.at("udp"))
        assert (await soon(peer.datagrams)).startswith(b"SIP/2.0 400 ")

        assert gateway.endpoint.transaction_count == gateway.requests.qsize() == 5
        assert metric("gateway_sip_messages_refused_total", reason="flood") == dropped + 15


async def test_keep_alive_datagrams_are_no_mistakes() -> None:
    refused = metric("gateway_sip_messages_refused_total", reason="via")
    async with site(PATIENT) as gateway, udp_peer() as peer:
        for data in (b"\r\n\r\n", b"\0\0\0\0", b"\r\n", b""):
            peer.send(data, gateway.at("udp"))
        peer.send(request("OPTIONS"), gateway.at("udp"))
        await soon(gateway.requests)

        assert metric("gateway_sip_messages_refused_total", reason="via") == refused


# Life


async def test_stop_ends_everything_and_frees_the_ports() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as tcp, udp_peer() as peer:
        udp, stream = gateway.at("udp"), gateway.at("tcp")
        sent = gateway.send(bare_request("INVITE"), peer.address)
        tcp.send(request("OPTIONS", via="SIP/2.0/TCP 192.0.2.9"))
        transaction, received = await soon(gateway.requests)

        await gateway.endpoint.stop()
        await gateway.endpoint.stop()

        transaction.respond(response_to(received, 200))
        assert gateway.endpoint.transaction_count == 0
        assert gateway.endpoint.connection_count == 0
        assert gateway.endpoint.listeners == ()
        assert sent.outcomes.empty()
        again = dataclasses.replace(FAST, listen=(("udp", HOST, udp.port), ("tcp", HOST, stream.port)))
        async with site(again):
            pass


async def test_port_that_is_taken_is_named_and_nothing_stays_open() -> None:
    async with site(PATIENT) as gateway:
        taken = gateway.at("udp").port
        second = Endpoint(dataclasses.replace(FAST, listen=(("tcp", HOST, 0), ("udp", HOST, taken))))

        with pytest.raises(ListenFailed, match=f"udp:{HOST}:{taken}"):
            await second.start()

        assert second.listeners == ()


async def test_endpoint_without_a_user_agent_refuses_requests() -> None:
    endpoint = Endpoint(PATIENT)
    await endpoint.start()
    try:
        async with udp_peer() as peer:
            port = next(listener.port for listener in endpoint.listeners if listener.transport == "udp")
            peer.send(request("OPTIONS"), Destination("udp", HOST, port))

            assert (await peer.response()).status == 503
    finally:
        await endpoint.stop()


async def test_headers_of_the_caller_are_not_shared_with_the_transaction() -> None:
    async with site(PATIENT) as caller, udp_peer() as peer:
        original = bare_request("OPTIONS")
        caller.send(original, peer.address)
        original.headers.set("Call-ID", "changed")

        assert (await peer.request()).call_id == "call-1"
