"""Calls that we make to a peer that misbehaves, challenges, forks or hides behind a proxy."""

import hashlib
import socket

import pytest

from gateway.sip.call import Answered, Confirmed, Ended, Provisional, Rejected, Reoffered, Target
from gateway.sip.core.headers.auth import AuthValue
from gateway.sip.core.message import Request
from tests.wire.sip.agents import ANSWER, OFFER, OTHER, Ear, Outcome, Peer, running, settings

FAST = settings(t1=0.02)
"""For tests that wait for a timer: 64*T1 are 1.28 s."""


def digest(request: Request, field: str, *, password: str, algorithm: str) -> bool:
    """Whether the credentials are right (RFC 7616 section 3.4.1), computed apart from the gateway's own code."""
    value = AuthValue.parse(request.headers.get(field) or "")

    def hashed(*parts: str | None) -> str:
        return hashlib.new(algorithm, ":".join(part or "" for part in parts).encode()).hexdigest()

    key = hashed(value.get("username"), value.get("realm"), password)
    middle = (value.get("nonce"), value.get("nc"), value.get("cnonce"), value.get("qop"))
    return value.get("response") == hashed(key, *middle, hashed(request.method, value.get("uri")))


@pytest.mark.parametrize(
    ("status", "algorithm"), [(401, "MD5"), (401, "SHA-256"), (407, "MD5"), (407, "SHA-256"), (407, None)]
)
async def test_a_challenge_is_answered_once_with_the_right_digest(status: int, algorithm: str | None) -> None:
    asked, answered = {
        401: ("WWW-Authenticate", "Authorization"),
        407: ("Proxy-Authenticate", "Proxy-Authorization"),
    }[status]
    named = "" if algorithm is None else f", algorithm={algorithm}"
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri, user="acme", password="s3cret")

        first = await peer.expects("INVITE")
        peer.answers(first, status, more=((asked, f'Digest realm="a, b", nonce="n", qop="auth,auth-int"{named}'),))
        ack = await peer.expects("ACK")
        second = await peer.expects("INVITE")
        peer.answers(second, 200, sdp=ANSWER)
        last = await peer.expects("ACK")

        await out.ear.hears(Answered)
        assert ack.top_via.branch == first.top_via.branch != second.top_via.branch
        assert second.cseq.number == first.cseq.number + 1
        hash_name = "sha256" if algorithm == "SHA-256" else "md5"
        assert digest(second, answered, password="s3cret", algorithm=hash_name)
        assert last.headers.get(answered) == second.headers.get(answered)
        assert last.top_via.branch != second.top_via.branch
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_wrong_password_is_rejected_without_a_loop() -> None:
    challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri, user="acme", password="wrong")

        for _ in range(2):
            peer.answers(await peer.expects("INVITE"), 401, more=challenge)
            await peer.expects("ACK")

        assert (await out.ear.hears(Rejected)).status == 401
        agent.assert_idle()
        assert peer.requests.empty()


async def test_credentials_do_not_follow_the_contact_to_another_host() -> None:
    async with running() as agent, Peer.listening() as peer:
        host, port = peer.address
        out = agent.dials(f"sip:peer@{host}:{port}", user="acme", password="s3cret")
        challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),)
        peer.answers(await peer.expects("INVITE"), 401, more=challenge)
        await peer.expects("ACK")

        peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER, contact=f"<sip:peer@localhost:{port}>")
        ack = await peer.expects("ACK")
        await out.ear.hears(Answered)
        out.call.hangup()
        bye = await peer.expects("BYE")
        peer.answers(bye, 401, more=challenge)

        assert ack.headers.get("Authorization") is None
        assert bye.uri == f"sip:peer@localhost:{port}"


async def test_each_repeated_200_is_acknowledged_again() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")

        branches = set()
        for _ in range(3):
            peer.answers(invite, 200, sdp=ANSWER)
            ack = await peer.expects("ACK")
            assert (ack.uri, ack.cseq.number, ack.to.tag) == (peer.uri, invite.cseq.number, "peer")
            branches.add(ack.top_via.branch)

        await out.ear.hears(Answered)
        assert out.ear.events.empty()
        assert invite.top_via.branch not in branches
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_second_fork_that_answers_is_acknowledged_and_hung_up() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 180, tag="one")
        peer.answers(invite, 183, tag="two", sdp=OTHER)
        await out.ear.hears(Provisional)
        await out.ear.hears(Provisional)
        assert agent.agent.dialogs == 2

        peer.answers(invite, 200, tag="one", sdp=ANSWER)
        assert (await peer.expects("ACK")).to.tag == "one"
        peer.answers(invite, 200, tag="two", sdp=OTHER)
        assert (await peer.expects("ACK")).to.tag == "two"
        bye = await peer.expects("BYE")
        peer.answers(bye, 200, tag="two")

        assert bye.to.tag == "two"
        assert (await out.ear.hears(Answered)).sdp == ANSWER
        out.call.hangup()
        last = await peer.expects("BYE")
        assert last.to.tag == "one"
        peer.answers(last, 200)


async def test_the_route_set_of_a_record_routing_proxy_is_followed() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        host, port = peer.address
        routes = (("Record-Route", f"<sip:far.invalid;lr>, <sip:{host}:{port};lr;x=y>"),)

        peer.answers(invite, 200, sdp=ANSWER, contact="<sip:agent@hidden.invalid>", more=routes)
        ack = await peer.expects("ACK")
        await out.ear.hears(Answered)
        out.call.hangup()
        bye = await peer.expects("BYE")
        peer.answers(bye, 200)

        for request in (ack, bye):
            assert request.uri == "sip:agent@hidden.invalid"
            assert request.headers.get_all("Route") == [f"<sip:{host}:{port};lr;x=y>", "<sip:far.invalid;lr>"]


async def test_a_strict_router_finds_itself_in_the_request_uri() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        host, port = peer.address

        routes = (("Record-Route", f"<sip:{host}:{port}>"),)
        peer.answers(invite, 200, sdp=ANSWER, contact="<sip:agent@hidden.invalid>", more=routes)
        ack = await peer.expects("ACK")
        await out.ear.hears(Answered)
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)

        assert ack.uri == f"sip:{host}:{port}"
        assert ack.headers.get_all("Route") == ["<sip:agent@hidden.invalid>"]


async def test_a_reinvite_that_gets_491_comes_again() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER)
        await peer.expects("ACK")
        outcome = Outcome()

        out.call.reinvite(OTHER, outcome)
        first = await peer.expects("INVITE")
        peer.answers(first, 491)
        await peer.expects("ACK")
        second = await peer.expects("INVITE")
        peer.answers(second, 491)
        await peer.expects("ACK")

        assert await outcome.get() == Rejected(491, "Request Pending")
        assert second.cseq.number == first.cseq.number + 1
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_reoffer_while_our_invite_is_open_gets_491() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 180)
        await out.ear.hears(Provisional)

        peer.sends(peer.request_as_callee(invite, "INVITE", sdp=OTHER))
        response = await peer.expects_response(491)
        assert response.cseq.number == 1

        peer.answers(invite, 486)
        assert (await out.ear.hears(Rejected)).status == 486


async def test_a_reinvite_of_the_callee_without_sdp_gets_our_offer() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 200, sdp=ANSWER)
        await peer.expects("ACK")
        await out.ear.hears(Answered)

        peer.sends(peer.request_as_callee(invite, "INVITE", cseq=7))
        assert await out.ear.hears(Reoffered) == Reoffered(None)
        out.call.answer_reoffer(OFFER)
        response = await peer.expects_response(200)
        peer.sends(peer.request_as_callee(invite, "ACK", cseq=7, sdp=ANSWER))

        assert response.body.decode() == OFFER
        assert await out.ear.hears(Confirmed) == Confirmed(ANSWER)
        peer.sends(peer.request_as_callee(invite, "BYE", cseq=8))
        await peer.expects_response(200)
        assert (await out.ear.hears(Ended)).reason == "bye"


async def test_a_second_reinvite_while_one_waits_gets_500() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 200, sdp=ANSWER)
        await peer.expects("ACK")
        await out.ear.hears(Answered)

        peer.sends(peer.request_as_callee(invite, "INVITE", cseq=2, sdp=OTHER))
        await out.ear.hears(Reoffered)
        peer.sends(peer.request_as_callee(invite, "INVITE", cseq=3, sdp=OTHER))
        refused = await peer.expects_response(500)
        assert (refused.cseq.number, refused.headers.get("Retry-After")) == (3, "0")
        peer.sends(peer.request_as_callee(invite, "CANCEL", cseq=2))
        out.call.hangup()

        # the stray CANCEL has another branch: it cancels nothing
        assert {(await peer.responses.get()).status for _ in range(2)} == {481, 487}
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_retry_after_is_told() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)

        peer.answers(await peer.expects("INVITE"), 503, more=(("Retry-After", "18000;duration=3600"),))

        assert await out.ear.hears(Rejected) == Rejected(503, "Service Unavailable", None, 18000.0)


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)

        peer.answers(await peer.expects("INVITE"), 302, contact="<sip:elsewhere@127.0.0.1:9>")

        assert (await out.ear.hears(Rejected)).status == 302
        await peer.expects("ACK")
        agent.assert_idle()


async def test_a_redirect_is_followed_where_the_trunk_may_redirect() -> None:
    async with running() as agent, Peer.listening() as peer, Peer.listening() as other:
        out = agent.dials(peer.uri, follows=True)
        invite = await peer.expects("INVITE")

        peer.answers(invite, 302, contact=f"<tel:+1>, <{other.uri}>")

        second = await other.expects("INVITE")
        assert (second.call_id, second.uri, second.cseq.number) == (invite.call_id, other.uri, 2)
        other.answers(second, 200, sdp=ANSWER)
        await out.ear.hears(Answered)
        await other.expects("ACK")
        out.call.hangup()
        other.answers(await other.expects("BYE"), 200)


async def test_reliable_early_media_is_acknowledged_once_and_in_order() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri, reliability="supported")
        invite = await peer.expects("INVITE")
        assert "100rel" in invite.headers.get_all("Supported")

        late, early = (("Require", "100rel"), ("RSeq", "9")), (("Require", "100rel"), ("RSeq", "8"))
        peer.answers(invite, 183, sdp=ANSWER, more=early)
        prack = await peer.expects("PRACK")
        peer.answers(invite, 183, sdp=ANSWER, more=early)
        peer.answers(invite, 180, more=late)
        await peer.hears_repeat("PRACK")  # its response is lost, which is no new PRACK
        peer.answers(prack, 200)
        second = await peer.expects("PRACK")

        assert [one.headers.get("RAck") for one in (prack, second)] == ["8 1 INVITE", "9 1 INVITE"]
        assert (await out.ear.hears(Provisional)).sdp == ANSWER
        assert (await out.ear.hears(Provisional)).status == 180
        peer.answers(second, 200)
        peer.answers(invite, 200)
        assert (await out.ear.hears(Answered)).sdp == ANSWER
        await peer.expects("ACK")
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_a_peer_that_never_responds_is_408_after_64_t1() -> None:
    async with running(FAST) as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)

        assert await out.ear.hears(Rejected) == Rejected(408, "Request Timeout")
        agent.assert_idle()
        assert peer.repeats["INVITE"] >= 3


async def test_a_peer_that_ignores_the_cancel_is_given_up_after_64_t1() -> None:
    async with running(FAST) as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        peer.answers(invite, 180)
        await out.ear.hears(Provisional)

        out.call.hangup()
        cancel = await peer.expects("CANCEL")

        assert cancel.top_via.branch == invite.top_via.branch
        assert (await out.ear.hears(Rejected)).status == 487
        agent.assert_idle()


async def test_a_bye_without_a_response_ends_the_call_after_64_t1() -> None:
    async with running(FAST) as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)
        peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER)
        await out.ear.hears(Answered)

        out.call.hangup()
        await agent.lets_timers_run_out()

        agent.assert_idle()
        assert agent.agent.transactions == 0


async def test_a_port_where_nobody_listens_on_tcp_is_503() -> None:
    async with running(settings("tcp")) as agent:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            out = agent.dials(f"sip:peer@127.0.0.1:{reserved.getsockname()[1]};transport=tcp")

            assert await out.ear.hears(Rejected) == Rejected(503, "Service Unavailable")
        agent.assert_idle()


@pytest.mark.parametrize(
    ("uri", "status"),
    [("sips:peer@127.0.0.1", 416), ("sip:peer@127.0.0.1;transport=sctp", 416), ("sip:peer@host.invalid", 502)],
)
async def test_a_target_that_we_cannot_reach_is_rejected(uri: str, status: int) -> None:
    async with running() as agent:
        out = agent.dials(uri)

        assert (await out.ear.hears(Rejected)).status == status
        out.call.hangup()
        agent.assert_idle()


async def test_a_hangup_before_the_name_is_resolved_sends_nothing() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = agent.dials(peer.uri)

        out.call.hangup()
        out.call.hangup()

        assert await out.ear.hears(Rejected) == Rejected(487, "Request Terminated")
        again = agent.dials(peer.uri)
        invite = await peer.expects("INVITE")
        assert invite.call_id == again.call.sip_call_id
        peer.answers(invite, 486)
        await again.ear.hears(Rejected)


@pytest.mark.parametrize("header", [("Via", "x"), ("CONTACT", "x"), ("X-Evil", "a\r\nVia: b"), ("not a name", "x")])
async def test_header_fields_that_are_not_the_callers_to_set_are_refused(header: tuple[str, str]) -> None:
    async with running() as agent:
        target = Target(uri="sip:peer@127.0.0.1", from_uri="sip:alice@127.0.0.1", headers=(header,))

        with pytest.raises(ValueError, match=r"header|line break"):
            agent.agent.invite(target, OFFER, Ear())
        agent.assert_idle()
