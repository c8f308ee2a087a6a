"""The ten classes of attacks that gateways of this kind have fallen to, each against a whole gateway.

After the advisories that EnableSecurity has published for FreeSWITCH, Asterisk, Kamailio and rtpengine (ES...), and
Asterisk's own (AST...). What is seen only from within one layer has more tests there: tests/wire/media/test_attacks.py,
tests/wire/sip/test_tcp.py, tests/wire/sip/test_bans.py, tests/wire/whole/test_bad_input.py.

The gateway has one trunk, at 127.0.0.1; whoever sends from another loopback address is a stranger.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.core.source_lock import Address
from gateway.sip.core.message import serialize as serialize_sip
from gateway.sip.transport.flow import Destination
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.log_lines import log_lines
from tests.harness.verto_client import RequestFailed, connected
from tests.unit.sip.core.messages import request
from tests.wire.media.browser import read
from tests.wire.media.stranger import EVIL, Stranger, client_hello
from tests.wire.sip.agents import Agent, Peer
from tests.wire.sip.agents import running as user_agent
from tests.wire.sip.wire import tcp_peer, udp_peer
from tests.wire.whole.attackers import PATIENCE, attacker, destination
from tests.wire.whole.bad_frames import message
from tests.wire.whole.carrier import Carrier, Line, carrier
from tests.wire.whole.phone import Phone, phone

NUMBER = "+4930123456"
MAX_TRANSACTIONS = 40
FLOOD = 1500
"""Datagrams of a flood: far more than any limit, and gone in a second."""

SECRET = "trunk secret"


@dataclass
class Street:
    """A gateway between Alice and a carrier, and somebody in the street."""

    gateway: Running
    carrier: Carrier
    alice: Phone

    async def call(self) -> tuple[str, Line]:
        """An answered call of Alice to the carrier."""
        call = await self.alice.call(NUMBER)
        line = await self.carrier.answers()
        await self.alice.until_answered(call)
        return call, line

    async def hears(self, call: str, line: Line) -> bool:
        """Whether Alice hears the carrier: half a second of its tone."""
        with line.speaking(700.0):
            return await self.alice.hears(call, 700.0, codec="PCMU")

    async def call_works(self) -> None:
        """A call with sound, hung up."""
        call, line = await self.call()
        assert await self.hears(call, line)
        await self.alice.hang_up(call)

    @property
    def sip(self) -> Address:
        """Its UDP listener."""
        to = destination(self.gateway, "udp")
        return to.host, to.port


def settings_for(agent: Agent) -> dict[str, object]:
    """One trunk at 127.0.0.1, tables small enough to be filled, timers short enough to be waited for."""
    uri = agent.uri().replace("bob@", "")
    return {
        "lab": {"enabled": False},
        "calls": {"stop_grace": 0.0},
        "sip": {
            "max_transactions": MAX_TRANSACTIONS,
            "max_connections": 20,
            "message_timeout": 1.0,
            "t1": 0.1,
            "t2": 0.4,
            "t4": 0.5,
        },
        "trunks": [{"name": "carrier", "uri": uri, "accept_from": ["127.0.0.1/32"]}],
    }


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with user_agent() as agent, AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(tmp_path, settings_for(agent)))
        line = await stack.enter_async_context(carrier(agent, gateway))
        alice = await stack.enter_async_context(phone(gateway, codecs=["PCMU"]))
        yield Street(gateway, line, alice)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with closing(Stranger("127.0.0.66")) as made:
        yield made


def port_of_browser(sdp: str) -> Address:
    """Where the gateway listens for a client, as its description says."""
    words = read(Sdp(sdp)).first("candidate").split()
    return words[4], int(words[5])


def invite(number: int, *, user: str = "alice", via: str = "SIP/2.0/UDP 127.0.0.66") -> bytes:
    made = request("INVITE", branch=f"z9hG4bK{number}x", call_id=f"flood-{number}", via=via)
    made.uri = f"sip:{user}@127.0.0.1"
    made.headers.add("Contact", "<sip:evil@127.0.0.66>")
    return serialize_sip(made)


# 1. RTP Bleed and injection (ES2017-04, ES2025-01)


async def test_rtp_of_a_stranger_is_not_mixed_in_and_no_media_comes_to_it(street: Street, stranger: Stranger) -> None:
    call, line = await street.call()
    assert await street.hears(call, line)
    remote = street.alice.media[call].remote
    assert remote is not None and line.media.remote is not None
    words = remote.first("candidate").split()

    for port in ((words[4], int(words[5])), line.media.remote):
        stranger.spray(port, count=200)
    assert await street.hears(call, line)

    assert stranger.heard_nothing()
    while not line.media.received.empty():
        assert (await line.media.packet()).payload != EVIL


# 2. DTLS ClientHello race (ES2023-01 to 03, CVE-2023-49786, CVE-2023-51443)


async def test_client_hello_of_a_stranger_before_the_clients_own_changes_nothing(
    street: Street, stranger: Stranger
) -> None:
    call = await street.alice.call(NUMBER)
    line = await street.carrier.answers()
    answer = await street.alice.verto.wait_for("telnyx_rtc.answer", call_id=call)

    for _ in range(20):
        stranger.send(client_hello(), port_of_browser(answer["params"]["sdp"]))
    await street.alice.until_answered(call)

    assert await street.hears(call, line)
    assert stranger.heard_nothing()


# 3. A flood of bad SRTP (ES2021-09)


async def test_bad_srtp_from_the_clients_own_address_ends_no_call(street: Street) -> None:
    call, line = await street.call()
    browser = street.alice.media[call]

    for number in range(500):
        browser.send_raw(serialize(RtpPacket(0, number, number * 160, 0x666, False, EVIL)) + bytes(10))

    assert await street.hears(call, line)
    assert "telnyx_rtc.bye" not in {one["method"] for one in street.alice.verto.messages}


# 4. A SIP flood (ES2021-06: memory gone in 90 s)


async def test_flood_of_invites_fills_no_table_beyond_its_limit_and_calls_go_on(
    street: Street, stranger: Stranger
) -> None:
    endpoint = street.gateway.gateway.sip.endpoint
    async with udp_peer() as trunk:
        to = Destination("udp", *street.sip)
        most = 0
        for number in range(FLOOD):
            stranger.send(invite(number), street.sip)
            trunk.send(invite(FLOOD + number, user="nobody", via="SIP/2.0/UDP 127.0.0.1"), to)
            if number % 100 == 0:
                await street.gateway.get("/v2/gateway/info")  # which it answers all the while
                most = max(most, endpoint.transaction_count)

        await street.call_works()

    assert most <= MAX_TRANSACTIONS + 10  # those of the carrier's own call and of the gateway as a client beside them
    assert [ban.network for ban in endpoint.bans()] == ["127.0.0.66"]
    assert len(street.gateway.gateway.directory.live()) == 0


# 5. INVITEs over TCP, malformed and many (ES2018-04, ES2020-02)


async def test_malformed_invites_over_tcp_cost_their_sender_the_connection_and_nobody_else(street: Street) -> None:
    whole = invite(1, via="SIP/2.0/TCP 127.0.0.1")
    broken = (
        whole.replace(b"INVITE sip", b"INVITE \x00\xff"),
        whole.replace(b"1 INVITE", b"99999999999999999999 INVITE"),
        whole.replace(b"Content-Length: 0", b"Content-Length: -1"),
        whole.replace(b"Content-Length: 0", b"Content-Length: 4294967296"),
        whole.replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n"),
        b"INVITE " * 20_000,
        whole[:-2] * 50,
    )
    with log_lines() as log:
        for data in broken * 5:
            async with tcp_peer(destination(street.gateway, "tcp")) as peer:
                peer.send(data)
                peer.writer.write_eof()
                await peer.rest()

    assert not [line for line in log.lines if "Traceback" in line]
    await street.call_works()


# 6. Digest leak by realm (ES2021-05)


async def test_digest_of_a_trunk_goes_to_its_host_and_realm_only(tmp_path: Path) -> None:
    """Whoever answers at the trunk's address may ask for a digest of the trunk's realm, and of no other."""
    async with Peer.listening() as peer, AsyncExitStack() as stack:
        host, port = peer.address
        trunk = {"name": "carrier", "uri": f"sip:{host}:{port}", "username": "acme", "realm": "carrier"}
        trunk["password_file"] = str(tmp_path / "password")
        (tmp_path / "password").write_text(SECRET)
        settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        gateway = await stack.enter_async_context(running(tmp_path, settings))
        alice = await stack.enter_async_context(phone(gateway, codecs=["PCMU"]))

        async def challenged(realm: str) -> None:
            challenge = (("WWW-Authenticate", f'Digest realm="{realm}", nonce="n", qop="auth"'),)
            peer.answers(await peer.expects("INVITE"), 401, more=challenge)
            await peer.expects("ACK")

        call = await alice.call(NUMBER)
        await challenged("attacker")
        assert (await alice.until_over(call))[0] == "CALL_REJECTED"
        assert peer.requests.empty()

        call = await alice.call(NUMBER)
        await challenged("carrier")
        answered = await peer.expects("INVITE")
        assert answered.headers.get("Authorization") is not None
        assert SECRET not in serialize_sip(answered).decode()
        peer.answers(answered, 603)
        await peer.expects("ACK")
        await alice.until_over(call)


# 7. MESSAGE and SUBSCRIBE without authentication (ES2021-07, ES2021-08)


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER", "NOTIFY", "INFO"])
async def test_request_outside_of_a_call_does_nothing_for_strangers_and_trunks(
    street: Street, stranger: Stranger, method: str
) -> None:
    body = b"hello"
    frames = len(street.alice.verto.messages)
    asked = request(method, to="<sip:alice@127.0.0.1>", body=body, more=(("Content-Type", "text/plain"),))
    async with udp_peer() as trunk:
        stranger.send(serialize_sip(asked), street.sip)
        trunk.send(asked, Destination("udp", *street.sip))

        assert (await trunk.response()).status in (403, 405, 415, 481, 489)

    assert stranger.heard_nothing()
    assert len(street.alice.verto.messages) == frames
    assert street.gateway.gateway.directory.live() == []


# 8. Header bombs (ES2017-01, ES2017-02, ES2018-02, ES2018-03, ES2018-05)


async def test_header_bombs_are_refused_or_ignored_and_calls_go_on(street: Street) -> None:
    def bomb(*more: tuple[str, str], body: bytes = b"", cseq: str = "1 INVITE") -> bytes:
        made = request("INVITE", branch=f"z9hG4bK{uuid.uuid4().hex}", body=body, more=more)
        made.headers.set("CSeq", cseq)
        return serialize_sip(made)

    contact, sdp = ("Contact", "<sip:evil@127.0.0.1>"), ("Content-Type", "application/sdp")
    fmtp = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 97\r\n"
    multipart = ("Content-Type", "multipart/mixed;boundary=" + "b" * 30_000)
    bombs = (
        bomb(contact, cseq="0" * 30_000 + "1 INVITE"),
        bomb(contact, cseq="1 " + "INVITE" * 5_000),
        bomb(contact, multipart, body=b"--b\r\n" * 5_000),
        bomb(contact, sdp, body=fmtp + b"a=fmtp:97 " + b"mode-set=" * 5_000 + b"\r\n"),
        bomb(contact, sdp, body=fmtp + b"a=rtpmap:97 x/0\r\n" * 2_000),
        bomb(contact, ("Via", ", ".join(["SIP/2.0/UDP h"] * 2_000))),
        bomb(contact, ("Route", "<" * 30_000)),
        bomb(contact, ("Authorization", "Digest " + 'a="b",' * 5_000)),
        bomb(contact, ("Supported", "," * 50_000)),
        bomb(*(("Contact", f"<sip:{number}@h>") for number in range(1_000))),
    )
    async with udp_peer() as trunk:
        with log_lines() as log:
            for data in bombs:
                trunk.send(data, Destination("udp", *street.sip))
            trunk.send(request("OPTIONS", branch="z9hG4bKend"), Destination("udp", *street.sip))
            async with asyncio.timeout(PATIENCE):
                while not (await trunk.datagrams.get()).startswith(b"SIP/2.0 200 "):
                    pass

    assert not [line for line in log.lines if "Traceback" in line]
    await street.call_works()


# 9. Verto before the login (FreeSWITCH, May 2026)


async def test_nothing_that_a_socket_says_before_its_login_changes_anything(street: Street) -> None:
    session = street.alice.verto.session_id
    call, line = await street.call()
    before = street.gateway.gateway.registry.sessions()
    theirs = {"callID": call, "destination_number": NUMBER}
    async with attacker(street.gateway) as evil:
        for method, params in (
            ("telnyx_rtc.invite", {"sessid": session, "sdp": "v=0\r\n", "dialogParams": {"callID": str(uuid.uuid4())}}),
            ("telnyx_rtc.bye", {"sessid": session, "dialogParams": theirs}),
            ("telnyx_rtc.attach", {"sessid": session, "sdp": "v=0\r\n", "dialogParams": theirs}),
            ("telnyx_rtc.modify", {"sessid": session, "action": "hold", "dialogParams": theirs}),
            ("telnyx_rtc.info", {"sessid": session, "dtmf": "1", "dialogParams": theirs}),
            ("telnyx_rtc.gatewayState", {"sessid": session}),
        ):
            reply = await evil.say(message(method, params))
            assert isinstance(reply, int) and reply < 0, (method, reply)

        assert await street.hears(call, line)
        assert street.gateway.gateway.registry.sessions() == before


async def test_session_id_of_somebody_else_is_worth_nothing(street: Street) -> None:
    session = street.alice.verto.session_id
    call, line = await street.call()
    async with connected(street.gateway.websocket) as evil:
        with pytest.raises(RequestFailed):
            await evil.login("robert", "wrong", sessid=session)
        await evil.login("robert", PASSWORD, sessid=session)

        assert evil.session_id != session
        assert await street.hears(call, line)


# 10. Slow loris: connections that are held and say nothing (AST-2016-005)


async def test_connections_that_only_wait_are_reaped_and_leave_room_for_the_trunk(street: Street) -> None:
    to = destination(street.gateway, "tcp")
    begun = (b"", b"INVITE sip:x@y SIP/2.0\r\nVia: ", b"\r\n\r\n")
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(tcp_peer(to)) for _ in range(42)]
        for number, peer in enumerate(peers):
            peer.send(begun[number % len(begun)])
        for peer in peers:
            await peer.rest()

    async with tcp_peer(to) as trunk:
        trunk.send(request("OPTIONS", via="SIP/2.0/TCP 127.0.0.1"))
        assert (await trunk.response()).status == 200
    await street.call_works()
