"""Keys of media in descriptions: over TLS, or where a setting allows it, and nowhere else."""

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Rejected, Target
from tests.wire.sip.agents import ANSWER, OFFER, Agent, Ear, Outbound, Outcome, Peer, running

KEYS = Sdp(f"{OFFER}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n")


def dials(agent: Agent, uri: str, *, sdp: Sdp = KEYS, may_open_keys: bool = False) -> Outbound:
    ear = Ear()
    target = Target(uri=uri, from_uri="sip:alice@127.0.0.1", follow_redirects=True, may_open_keys=may_open_keys)
    return Outbound(agent.agent.invite(target, sdp, ear), ear)


async def test_keys_do_not_leave_over_udp() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = dials(agent, peer.uri)

        assert (await out.ear.hears(Rejected)).status == 503
        assert peer.requests.empty()


async def test_keys_leave_over_udp_where_a_setting_allows_it() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = dials(agent, peer.uri, may_open_keys=True)

        peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER)
        await peer.expects("ACK")
        await out.ear.hears(Answered)
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)


async def test_reinvite_with_keys_fails_and_the_call_goes_on() -> None:
    async with running() as agent, Peer.listening() as peer:
        out = dials(agent, peer.uri, sdp=OFFER)
        peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER)
        await peer.expects("ACK")
        await out.ear.hears(Answered)
        outcome = Outcome()

        out.call.reinvite(KEYS, outcome)

        assert isinstance(await outcome.get(), Rejected)
        out.call.hangup()
        peer.answers(await peer.expects("BYE"), 200)
