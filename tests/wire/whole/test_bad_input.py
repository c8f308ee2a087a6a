"""Garbage, torn, oversized and unasked input at every door of a running gateway: a call made right after works."""

import asyncio
import contextlib
import random
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket, serialize
from gateway.sip.core.message import serialize as serialize_sip
from gateway.sip.transport.flow import Transport
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.log_lines import LogLines, log_lines
from tests.harness.verto_client import RequestFailed
from tests.unit.sip.core.messages import request
from tests.wire.media import sound
from tests.wire.media.stranger import EVIL, Stranger, client_hello
from tests.wire.media.trunk import Trunk
from tests.wire.sip.wire import tcp_peer, udp_peer
from tests.wire.whole.attackers import PATIENCE, attacker, bare_websocket, destination, trunk_caller
from tests.wire.whole.bad_frames import (
    GARBAGE,
    OUT_OF_ORDER,
    OVERSIZED,
    PROTOCOL_VIOLATIONS,
    SECRET,
    TRUNCATED,
    BadFrame,
)
from tests.wire.whole.phone import Phone, phone

TONE, BUSY = "+12025550101", "+12025550102"
TORTURE: Final = Path(__file__).parents[2] / "data" / "sip" / "torture"
OFFER: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
SOCKETS, SOCKETS_WITHOUT_LOGIN = 500, 100

TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])


async def good_call(alice: Phone) -> None:
    """A call with media, from dialling to hanging up."""
    call = await alice.call(TONE)
    await alice.until_answered(call)
    assert await alice.hears(call, 1004.0, codec="PCMU")
    await alice.hang_up(call)


async def short_call(alice: Phone) -> None:
    """A call to the trunk, which is busy: everything but media."""
    assert await alice.until_over(await alice.call(BUSY)) == ("USER_BUSY", 486)


def assert_calm(log: LogLines, *, at_most: int) -> None:
    """No more lines than that, no traceback, no secret."""
    assert len(log.warnings) <= at_most, log.warnings
    assert not [line for line in log.lines if "Traceback" in line]
    assert not [line for line in log.lines if SECRET in line or PASSWORD in line]


# WebSocket


@pytest.mark.parametrize("is_logged_in", [False, True], ids=["before login", "after login"])
@pytest.mark.parametrize(
    "frames", [GARBAGE, TRUNCATED, OVERSIZED, OUT_OF_ORDER], ids=["garbage", "truncated", "oversized", "out of order"]
)
async def test_each_bad_frame_is_refused_with_one_line_at_most_and_calls_go_on(
    gateway: Running, frames: dict[str, BadFrame], is_logged_in: bool
) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        for name, bad in frames.items():
            with log_lines() as log:
                async with attacker(gateway) as one:
                    if is_logged_in:
                        await one.log_in()
                    assert await one.say(bad.data) == (bad.after if is_logged_in else bad.before), name
                await short_call(alice)
            assert_calm(log, at_most=1)
        await good_call(alice)


async def test_thousand_bad_frames_on_one_socket_cost_two_lines_and_the_socket(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        with log_lines() as log:
            async with attacker(gateway) as one:
                replies = [await one.say("{") for _ in range(1000)]
            await good_call(alice)

        assert (replies[0], replies[-1]) == ("silence", "closed")
        assert_calm(log, at_most=2)


async def test_each_break_of_the_websocket_protocol_ends_that_socket_and_nothing_else(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        for data in PROTOCOL_VIOLATIONS.values():
            with log_lines() as log:
                async with bare_websocket(gateway) as (reader, writer):
                    writer.write(data)
                    writer.write_eof()
                    async with asyncio.timeout(PATIENCE):
                        with contextlib.suppress(ConnectionError):
                            await reader.read()
                await short_call(alice)
            assert_calm(log, at_most=1)
        await good_call(alice)


async def test_live_call_outlives_broken_messages_about_it(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        with log_lines() as log:
            for sdp in ("", "v=0", "v=0\r\nm=audio x\r\n", "m" * 70_000):
                with pytest.raises(RequestFailed):
                    await alice.verto.modify(call, "updateMedia", sdp=sdp)
            with pytest.raises(RequestFailed):
                await alice.verto.invite(BUSY, "v=0", call_id=call)
            with pytest.raises(RequestFailed):
                await alice.verto.modify(call, "dance")

            assert await alice.hears(call, 1004.0, codec="PCMU")
        assert_calm(log, at_most=6)
        await alice.hang_up(call)
        await good_call(alice)


async def test_sockets_without_a_login_are_bounded_and_clients_call_all_the_while(tmp_path: Path) -> None:
    settings = {
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0},
        "verto": {"max_sockets_without_login": SOCKETS_WITHOUT_LOGIN},
    }
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        with log_lines() as log:
            async with AsyncExitStack() as stack:
                http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
                refused = 0
                for _ in range(SOCKETS):
                    try:
                        await stack.enter_async_context(http.ws_connect(gateway.websocket))
                    except aiohttp.WSServerHandshakeError as error:
                        assert error.status == 503
                        refused += 1
                assert refused == SOCKETS - SOCKETS_WITHOUT_LOGIN
                await good_call(alice)
            assert_calm(log, at_most=refused)
        async with phone(gateway, "robert", codecs=["PCMU"]) as robert:
            await good_call(robert)


# SIP


def torture_messages() -> dict[str, bytes]:
    """Those beside the tests, and what no file could hold."""
    outcomes = tomllib.loads((TORTURE / "outcomes.toml").read_text())
    messages = {name: (TORTURE / f"{name}.sip").read_bytes() for name in outcomes}
    whole = serialize_sip(request("OPTIONS", more=(("Authorization", f'Digest response="{SECRET}"'),)))
    noise = random.Random(4475)
    return {
        **messages,
        "broken_with_a_secret": whole.replace(b"1 OPTIONS", b"x OPTIONS"),
        "huge_header": whole.replace(b"Digest", b"Digest " + b"x" * 60_000),
        **{f"cut_at_{size}": whole[:size] for size in range(1, len(whole), 40)},
        **{f"noise_of_{size}": noise.randbytes(size) for size in (1, 2, 3, 4, 100, 1_000, 65_507)},
    }


async def test_each_torture_message_over_udp_costs_a_line_at_most_and_the_next_call_rings(gateway: Running) -> None:
    async with (
        phone(gateway, codecs=["PCMU"]) as alice,
        trunk_caller(gateway, "udp") as caller,
        udp_peer() as peer,
    ):
        for message in torture_messages().values():
            with log_lines() as log:
                peer.send(message, destination(gateway, "udp"))
                await caller.ring_and_give_up(alice, OFFER)
            assert_calm(log, at_most=1)
        await good_call(alice)
        assert gateway.gateway.directory.live() == []


async def test_each_torture_message_over_tcp_costs_a_line_at_most_and_the_next_call_rings(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice, trunk_caller(gateway, "tcp") as caller:
        for message in torture_messages().values():
            with log_lines() as log:
                async with tcp_peer(destination(gateway, "tcp")) as peer:
                    peer.send(message)
                    peer.writer.write_eof()
                    await peer.rest()
                await caller.ring_and_give_up(alice, OFFER)
            assert_calm(log, at_most=1)
        await good_call(alice)
        assert gateway.gateway.directory.live() == []


async def test_half_messages_that_wait_on_tcp_keep_nobody_from_calling(gateway: Running) -> None:
    whole = serialize_sip(request("INVITE", via="SIP/2.0/TCP 192.0.2.9", body=OFFER.encode()))
    async with phone(gateway, codecs=["PCMU"]) as alice, AsyncExitStack() as stack:
        with log_lines() as log:
            for size in range(1, len(whole), 10):
                peer = await stack.enter_async_context(tcp_peer(destination(gateway, "tcp")))
                peer.send(whole[:size])
            async with trunk_caller(gateway, "tcp") as caller:
                await caller.ring_and_give_up(alice, OFFER)
            await good_call(alice)
        assert_calm(log, at_most=0)


@TRANSPORTS
async def test_flood_of_garbage_costs_a_handful_of_lines_and_the_next_call_rings(
    gateway: Running, transport: Transport
) -> None:
    noise = random.Random(3261)
    async with phone(gateway, codecs=["PCMU"]) as alice, trunk_caller(gateway, transport) as caller:
        with log_lines() as log:
            for _ in range(300):
                await send_once(gateway, transport, b"INVITE " + noise.randbytes(200) + b"\r\n\r\n")
            await caller.ring_and_give_up(alice, OFFER)
        assert 1 <= len(log.warnings) <= 20, log.warnings
        await good_call(alice)


async def send_once(gateway: Running, transport: Transport, data: bytes) -> None:
    """From a socket that is closed right after it."""
    to = destination(gateway, transport)
    if transport == "udp":
        async with udp_peer() as udp:
            udp.send(data, to)
    else:
        async with tcp_peer(to) as tcp:
            tcp.send(data)


# Media


@asynccontextmanager
async def live_call(alice: Phone, gateway: Running) -> AsyncIterator[tuple[str, Trunk]]:
    """A trunk with sockets of ours has called Alice, who has answered; the block hangs up."""
    trunk = await Trunk(codecs=["PCMU"]).open()
    try:
        async with trunk_caller(gateway, "udp") as caller:
            invite = caller.invite(trunk.describe())
            call = await alice.until_rung()
            await alice.answer(call)
            answer = await caller.until(200)
            caller.follow(invite, "ACK", answer)
            trunk.use(Sdp(answer.body.decode()))
            yield call, trunk
            await caller.answer_bye()
    finally:
        await trunk.close()


async def hear_each_other(alice: Phone, call: str, trunk: Trunk) -> None:
    """Half a second of tone both ways, and nothing of a stranger in it."""
    browser = alice.media[call]
    browser.ssrc += 1  # another stream: a number that was used before would be a replay
    while not trunk.received.empty():
        trunk.received.get_nowait()
    with (
        sound.speaking(trunk.send, "PCMU", 1000.0, payload_type=0, ssrc=trunk.ssrc),
        sound.speaking(browser.send, "PCMU", 700.0, payload_type=0, ssrc=browser.ssrc),
    ):
        assert await alice.hears(call, 1000.0, codec="PCMU")
        at_trunk: list[RtpPacket] = []
        await sound.until_tone(trunk.packet, at_trunk, "PCMU", 700.0)
    assert EVIL not in {packet.payload for packet in at_trunk}


async def test_media_of_strangers_at_the_ports_of_a_live_call_is_neither_heard_nor_logged(
    gateway: Running,
) -> None:
    chance = random.Random(3550)
    async with AsyncExitStack() as stack:
        stranger = stack.enter_context(contextlib.closing(Stranger()))
        alice = await stack.enter_async_context(phone(gateway, codecs=["PCMU"]))
        call, trunk = await stack.enter_async_context(live_call(alice, gateway))
        await hear_each_other(alice, call, trunk)
        description = alice.media[call].remote
        assert description is not None
        assert trunk.remote is not None
        candidate = description.first("candidate").split()
        ports = [(candidate[4], int(candidate[5])), trunk.remote, (trunk.remote[0], trunk.remote[1] + 1)]
        rtp = [serialize(RtpPacket(0, number, number * 160, 0x666, False, EVIL)) for number in range(40)]
        ufrag = description.first("ice-ufrag")
        bad = [
            *rtp,
            *(packet + chance.randbytes(10) for packet in rtp),  # as SRTP it has no valid tag
            client_hello(),
            b"\x16\xfe\xff" + bytes(10),
            b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
            stun_with_username(f"{ufrag}:evil"),
            *(bytes([chance.randrange(4)]) + chance.randbytes(chance.randrange(120)) for _ in range(40)),
            *(chance.randbytes(chance.randrange(1, 1500)) for _ in range(40)),
            b"\x80\xc8\x00\x06" + bytes(24),
        ]

        with log_lines() as log:
            for port in ports:
                for data in bad:
                    stranger.send(data, port)
            await hear_each_other(alice, call, trunk)

        answers = stranger.heard()
        assert len(answers) <= 1
        for (
            answer
        ) in answers:  # `aiortc` refuses the check with our user name (RFC 8489 section 9.1.3), `native` is silent
            assert answer.startswith(b"\x01\x11")
        assert_calm(log, at_most=0)
        assert "telnyx_rtc.bye" not in {message["method"] for message in alice.verto.messages}
        await alice.hang_up(call)
        await good_call(alice)


def stun_with_username(name: str) -> bytes:
    """A binding request (RFC 8489) that knows a user name and not its password."""
    value = name.encode()
    attribute = b"\x00\x06" + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
    integrity = b"\x00\x08\x00\x14" + bytes(20)
    size = (len(attribute) + len(integrity)).to_bytes(2, "big")
    return b"\x00\x01" + size + b"\x21\x12\xa4\x42" + bytes(range(12)) + attribute + integrity
