"""Calls that come to us from a peer that loses, repeats, crosses and cheats."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.sip.call import Answered, Cancelled, Confirmed, Ended, IncomingCall, InfoDtmf, Rejected, Reoffered
from gateway.sip.core.message import Request, Response, parse, response_to, serialize
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.wire.sip.agents import (
    ANSWER,
    LOOPBACK,
    OFFER,
    OTHER,
    Agent,
    Ear,
    Inbound,
    LossyEndpoint,
    Outcome,
    Peer,
    connected,
    pair,
    running,
    settings,
)

FAST = settings(t1=0.02)
UNRELIABLE = replace(LOOPBACK, reliable_provisional="off")
ELSEWHERE = TrunkSettings(name="elsewhere", uri="sip:192.0.2.1", accept_from=(ip_network("192.0.2.0/24"),))


async def answered(peer: Peer, agent: Agent) -> tuple[Inbound, str]:
    """A call from the peer, confirmed, and the To value of the dialog."""
    invite, into = await peer.calls(agent)
    into.call.answer(ANSWER)
    to = (await peer.expects_response(200)).headers.get("To") or ""
    peer.sends(peer.request("ACK", to=to), agent)
    assert invite.call_id == into.call.sip_call_id
    await into.ear.hears(Confirmed)
    return into, to


async def test_an_ack_that_gets_lost_is_sent_again_for_each_repeated_200() -> None:
    async with pair() as (caller, callee):
        caller.endpoint.acks_to_lose = 2

        out, into = await connected(caller, callee)

        assert caller.endpoint.acks >= 3
        out.call.hangup()
        assert (await into.ear.hears(Ended)).reason == "bye"


async def test_without_an_ack_the_200_is_repeated_and_the_call_ends() -> None:
    async with running(FAST) as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent)

        into.call.answer(ANSWER)
        bye = await peer.expects("BYE")
        peer.answers(bye, 200)

        assert await into.ear.hears(Ended) == Ended(None, "no_ack")
        assert peer.repeats["200"] >= 5


async def test_a_repeated_invite_rings_once() -> None:
    async with running() as agent, Peer.listening() as peer:
        invite, into = await peer.calls(agent)
        into.call.ring()
        await peer.expects_response(180)

        peer.sends(invite, agent)
        into.call.reject(486, "Busy Here")

        await peer.expects_response(486)
        assert agent.came.empty()


async def test_the_same_invite_by_another_way_gets_482() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent)

        peer.sends(peer.request("INVITE", sdp=OFFER), agent)
        await peer.expects_response(482)

        into.call.reject(486, "Busy Here")
        await peer.expects_response(486)


async def test_a_delayed_offer_is_answered_in_the_ack() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent, sdp=None)
        assert into.call.offer is None

        into.call.answer(OFFER)
        response = await peer.expects_response(200)
        to = response.headers.get("To") or ""
        peer.sends(peer.request("ACK", to=to, sdp=ANSWER), agent)

        assert response.body.decode() == OFFER
        assert await into.ear.hears(Confirmed) == Confirmed(ANSWER)
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_delayed_offer_without_an_answer_ends_with_bye() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent, sdp=None)
        into.call.answer(OFFER)
        to = (await peer.expects_response(200)).headers.get("To") or ""

        peer.sends(peer.request("ACK", to=to), agent)
        peer.answers(await peer.expects("BYE"), 200)

        assert await into.ear.hears(Ended) == Ended(None, "no_answer")


async def test_a_bye_before_the_ack_is_answered_and_ends_the_call() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent)
        into.call.answer(ANSWER)
        to = (await peer.expects_response(200)).headers.get("To") or ""

        peer.sends(peer.request("BYE", cseq=2, to=to), agent)
        await peer.expects_response(200)
        peer.sends(peer.request("ACK", to=to), agent)

        assert (await into.ear.hears(Ended)).reason == "bye"
        agent.assert_idle()


async def test_a_bye_in_the_early_dialog_ends_the_invite_with_487() -> None:
    async with running() as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent)
        into.call.ring()
        to = (await peer.expects_response(180)).headers.get("To") or ""

        peer.sends(peer.request("BYE", cseq=2, to=to), agent)

        assert {(await peer.responses.get()).status for _ in range(2)} == {200, 487}
        assert await into.ear.hears(Cancelled) == Cancelled(None)


async def test_a_cancel_after_our_200_is_answered_and_the_call_stands() -> None:
    async with running() as agent, Peer.listening() as peer:
        invite, into = await peer.calls(agent)
        into.call.answer(ANSWER)
        to = (await peer.expects_response(200)).headers.get("To") or ""

        peer.sends(peer.request("CANCEL", branch=invite.top_via.branch), agent)
        peer.sends(peer.request("ACK", to=to), agent)

        await into.ear.hears(Confirmed)
        assert agent.agent.dialogs == 1
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_cancelled_reoffer_gets_487_and_the_call_stands() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)
        peer.sends(peer.request("INVITE", cseq=2, to=to, sdp=OTHER, branch="z9hG4bKreoffer"))
        await into.ear.hears(Reoffered)

        peer.sends(peer.request("CANCEL", cseq=2, to=to, branch="z9hG4bKreoffer"))

        assert {(await peer.responses.get()).status for _ in range(2)} == {200, 487}
        into.call.answer_reoffer(ANSWER)
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_our_reinvite_from_an_incoming_call_follows_the_route_set_in_its_order() -> None:
    async with running() as agent, Peer.listening() as peer:
        host, port = peer.address
        routes = (("Record-Route", f"<sip:{host}:{port};lr>"), ("Record-Route", "<sip:second.invalid;lr>"))
        peer.sends(peer.request("INVITE", sdp=OFFER, more=routes), agent)
        into = await agent.gets_call()
        into.call.answer(ANSWER)
        response = await peer.expects_response(200)
        peer.sends(peer.request("ACK", to=response.headers.get("To") or ""))
        await into.ear.hears(Confirmed)
        outcome = Outcome()

        into.call.reinvite(OTHER, outcome)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 200, sdp=ANSWER)
        await peer.expects("ACK")

        assert response.headers.get_all("Record-Route") == [value for _, value in routes]
        assert invite.headers.get_all("Route") == [value for _, value in routes]
        assert isinstance(await outcome.get(), Answered)
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_digits_in_infos_are_told_and_other_bodies_refused() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)

        def info(cseq: int, media_type: str, body: bytes) -> Request:
            made = peer.request("INFO", cseq=cseq, to=to, more=(("Content-Type", media_type),))
            made.body = body
            return made

        peer.sends(info(2, "application/dtmf-relay", b"Signal=4\r\nDuration=120\r\n"))
        await peer.expects_response(200)
        assert await into.ear.hears(InfoDtmf) == InfoDtmf("4", 0.12)
        peer.sends(info(3, "application/media_control+xml", b"<x/>"))
        refused = await peer.expects_response(415)
        assert refused.headers.get("Accept") == "application/dtmf-relay, application/dtmf"
        peer.sends(peer.request("INFO", cseq=4, to=to))
        await peer.expects_response(200)
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("MESSAGE", 405), ("FOO", 501)],
)
@pytest.mark.parametrize("is_in_call", [True, False])
async def test_requests_in_and_out_of_a_call_are_answered(method: str, status: int, is_in_call: bool) -> None:
    async with running() as agent, Peer.listening() as peer:
        to = (await answered(peer, agent))[1] if is_in_call else "<sip:bob@127.0.0.1>"

        peer.sends(peer.request(method, cseq=2, to=to), agent)
        response = await peer.expects_response(status)

        assert response.headers.get("Allow") == "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"
        assert response.to.tag is not None
        if is_in_call:
            peer.sends(peer.request("BYE", cseq=3, to=to))
            await peer.expects_response(200)


@pytest.mark.parametrize(("method", "status"), [("REFER", 403), ("NOTIFY", 481)])
async def test_a_refer_and_a_notify_outside_of_a_call_are_refused(method: str, status: int) -> None:
    async with running() as agent, Peer.listening() as peer:
        peer.sends(peer.request(method), agent)

        assert (await peer.expects_response(status)).to.tag is not None


@pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE", "OPTIONS", "UPDATE", "REFER", "NOTIFY"])
async def test_a_request_in_an_unknown_dialog_gets_481(method: str) -> None:
    async with running() as agent, Peer.listening() as peer:
        peer.sends(peer.request(method, to="<sip:bob@127.0.0.1>;tag=unknown", sdp=None), agent)

        await peer.expects_response(481)


async def test_a_bye_with_the_wrong_from_tag_gets_481() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)

        peer.sends(peer.request("BYE", cseq=2, to=to, from_="<sip:thief@127.0.0.1>;tag=guess"))
        await peer.expects_response(481)

        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_lower_sequence_number_gets_500() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)

        peer.sends(peer.request("INFO", cseq=5, to=to))
        await peer.expects_response(200)
        peer.sends(peer.request("BYE", cseq=4, to=to))
        await peer.expects_response(500)

        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_required_extension_is_refused_and_no_call_made() -> None:
    async with running(trunks=(UNRELIABLE,)) as agent, Peer.listening() as peer:
        peer.sends(peer.request("INVITE", sdp=OFFER, more=(("Require", "100rel"),)), agent)

        assert (await peer.expects_response(420)).headers.get("Unsupported") == "100rel"
        assert agent.came.empty()


async def test_an_offered_100rel_is_not_used_where_it_is_off() -> None:
    async with running(trunks=(UNRELIABLE,)) as agent, Peer.listening() as peer:
        peer.sends(peer.request("INVITE", sdp=OFFER, more=(("Supported", "100rel, timer"),)), agent)
        into = await agent.gets_call()

        into.call.progress(ANSWER)
        response = await peer.expects_response(183)

        assert (response.headers.get("Require"), response.headers.get("RSeq")) == (None, None)
        into.call.reject(486, "Busy Here")
        await peer.expects_response(486)


async def test_a_caller_without_100rel_is_refused_where_it_is_required() -> None:
    async with running(trunks=(replace(LOOPBACK, reliable_provisional="required"),)) as agent, Peer.listening() as peer:
        peer.sends(peer.request("INVITE", sdp=OFFER), agent)

        assert (await peer.expects_response(421)).headers.get("Require") == "100rel"
        assert agent.came.empty()


async def test_an_options_names_100rel_where_it_is_not_off() -> None:
    async with running() as agent, Peer.listening() as peer:
        peer.sends(peer.request("OPTIONS"), agent)

        assert "100rel" in (await peer.expects_response(200)).headers.get_all("Supported")


async def test_a_reliable_183_is_repeated_until_its_prack_and_holds_the_200_back() -> None:
    async with running() as agent, Peer.listening() as peer:
        peer.sends(peer.request("INVITE", sdp=OFFER, more=(("Require", "100rel"),)), agent)
        into = await agent.gets_call()
        into.call.progress(ANSWER)
        into.call.answer(ANSWER)
        early = await peer.expects_response(183)
        await peer.hears_repeat("183")

        to, rack = early.headers.get("To") or "", f"{early.headers.get('RSeq')} 1 INVITE"
        peer.sends(peer.request("PRACK", cseq=2, to=to, more=(("RAck", rack),)))

        assert (await peer.expects_response(200)).cseq_method == "PRACK"
        answer = await peer.expects_response(200)
        assert (answer.cseq_method, answer.body) == ("INVITE", b"")
        peer.sends(peer.request("ACK", to=to))
        await into.ear.hears(Confirmed)
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_without_a_prack_for_64_t1_the_call_is_refused() -> None:
    async with running(settings(t1=0.01)) as agent, Peer.listening() as peer:
        peer.sends(peer.request("INVITE", sdp=OFFER, more=(("Supported", "100rel"),)), agent)
        into = await agent.gets_call()
        into.call.ring()
        await peer.expects_response(180)

        assert (await peer.expects_response(504)).reason == "No PRACK"
        assert await into.ear.hears(Ended) == Ended(None, "no_prack")


async def test_strangers_get_403_for_an_invite_and_silence_for_the_rest() -> None:
    async with running(trunks=(ELSEWHERE,)) as agent, Peer.listening() as peer:
        peer.sends(peer.request("OPTIONS"), agent)
        peer.sends(peer.request("BYE", cseq=2, to="<sip:bob@127.0.0.1>;tag=guess"))
        peer.sends(peer.request("INVITE", cseq=3, sdp=OFFER))

        await peer.expects_response(403)
        assert peer.responses.empty()
        assert agent.came.empty()
        agent.assert_idle()


async def test_the_trunk_is_the_one_whose_networks_hold_the_source() -> None:
    async with running(trunks=(ELSEWHERE, LOOPBACK)) as agent, Peer.listening() as peer:
        _, into = await peer.calls(agent)

        assert into.call.trunk == "loop"
        into.call.reject(404, "Not Found")


async def test_the_far_end_may_hang_up_from_an_address_that_may_not_call() -> None:
    trunk = TrunkSettings(name="loop", uri="sip:127.0.0.1", accept_from=(ip_network("127.0.0.1/32"),))
    async with running(trunks=(trunk,)) as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)
        loop = asyncio.get_running_loop()
        other, other_peer = await loop.create_datagram_endpoint(Peer, local_addr=("127.9.9.9", 0))
        listener = agent.endpoint.listeners[0]

        other.sendto(serialize(peer.request("BYE", cseq=2, to=to)), (listener.host, listener.port))

        assert (await into.ear.hears(Ended)).reason == "bye"
        assert other_peer.requests.empty()
        other.close()


async def test_a_defect_in_call_control_answers_500() -> None:
    async with running() as agent, Peer.listening() as peer:

        def crash(_call: IncomingCall) -> None:
            raise RuntimeError("a defect")

        agent.agent.on_invite = crash
        peer.sends(peer.request("INVITE", sdp=OFFER), agent)

        await peer.expects_response(500)
        agent.assert_idle()


async def test_an_agent_that_is_stopping_refuses_new_calls() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, to = await answered(peer, agent)
        async with asyncio.TaskGroup() as group:
            group.create_task(agent.agent.stop(grace=5.0))
            bye = await peer.expects("BYE")
            new = peer.request("INVITE", cseq=9, sdp=OFFER, call_id="another")
            peer.sends(new)
            refused = await peer.expects_response(503)
            assert refused.headers.get("Retry-After") == "5"
            peer.answers(bye, 200)
        assert to
        assert into.ear.events.empty()


async def test_events_before_listen_are_kept() -> None:
    config = settings()
    endpoint = LossyEndpoint(config)
    agent = Agent(UserAgent(endpoint, config, (LOOPBACK,)), endpoint, config)
    calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
    agent.agent.on_invite = calls.put_nowait
    await agent.agent.start()
    async with Peer.listening() as peer:
        invite = peer.request("INVITE", sdp=OFFER)
        peer.sends(invite, agent)
        call = await calls.get()
        peer.sends(peer.request("CANCEL", branch=invite.top_via.branch))
        assert {(await peer.responses.get()).status for _ in range(2)} == {200, 487}
        ear = Ear()

        call.listen(ear)

        assert await ear.hears(Cancelled) == Cancelled(None)
    await agent.agent.stop(grace=0)


async def test_a_peer_on_tcp_that_listens_nowhere_gets_our_bye_over_its_own_connection() -> None:
    async with running(settings("tcp")) as agent:
        listener = agent.endpoint.listeners[0]
        reader, writer = await asyncio.open_connection(listener.host, listener.port)
        async with Peer.listening() as sketch:  # only makes messages: nobody listens on its port over TCP
            invite = sketch.request("INVITE", sdp=OFFER)
            invite.headers.set("Via", "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKtcp;rport")
            invite.headers.set("Contact", "<sip:peer@127.0.0.1:9;transport=tcp>")
            writer.write(serialize(invite))
            into = await agent.gets_call()
            into.call.answer(ANSWER)
            response = await _read(reader)
            while isinstance(response, Response) and response.status == 100:
                response = await _read(reader)
            assert isinstance(response, Response)
            ack = sketch.request("ACK", to=response.headers.get("To") or "")
            ack.headers.set("Via", "SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKack;rport")
            writer.write(serialize(ack))
            await into.ear.hears(Confirmed)

            into.call.hangup()
            bye = await _read(reader)
            assert isinstance(bye, Request)
            assert bye.method == "BYE"
            writer.write(serialize(response_to(bye, 200)))
        writer.close()
        await writer.wait_closed()


async def test_a_call_of_which_the_connection_breaks_is_still_ended() -> None:
    async with pair(settings("tcp", t1=0.02)) as (caller, callee):
        out, into = await connected(caller, callee)
        await caller.endpoint.stop()

        into.call.hangup()
        await callee.lets_timers_run_out()

        callee.assert_idle()
        out.call.hangup()
        await caller.lets_timers_run_out()
        caller.assert_idle()


async def test_a_trunk_that_challenges_our_bye_gets_its_digest() -> None:
    trunk = replace(LOOPBACK, username="acme", password="s3cret")
    async with running(trunks=(trunk,)) as agent, Peer.listening() as peer:
        into, _ = await answered(peer, agent)

        into.call.hangup()
        challenge = (("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)
        peer.answers(await peer.expects("BYE"), 407, more=challenge)
        again = await peer.expects("BYE")
        peer.answers(again, 200)

        assert 'username="acme"' in (again.headers.get("Proxy-Authorization") or "")


async def test_a_call_that_the_stop_gave_up_does_nothing_any_more() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, _ = await answered(peer, agent)
        await agent.agent.stop(grace=0)
        outcome = Outcome()

        into.call.reinvite(OTHER, outcome)
        into.call.hangup()

        agent.assert_idle()
        assert into.ear.events.empty()


async def test_a_reoffer_that_the_caller_refuses_reaches_us() -> None:
    async with running() as agent, Peer.listening() as peer:
        into, _ = await answered(peer, agent)
        outcome = Outcome()

        into.call.reinvite(OTHER, outcome)
        peer.answers(await peer.expects("INVITE"), 488, more=(("Reason", "Q.850;cause=65"),))

        assert await outcome.get() == Rejected(488, "Not Acceptable Here", 65)
        await peer.expects("ACK")
        into.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def _read(reader: asyncio.StreamReader) -> Request | Response:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return parse(head + await reader.readexactly(length))
