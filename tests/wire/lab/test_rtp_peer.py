"""Two RTP peers of the lab on loopback: what one plays, the other hears."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.domain.ids import Sdp
from gateway.lab import sdp
from gateway.lab.hearing import Sound
from gateway.lab.scenario import Echo, Silence, Tone
from gateway.media.core.rtp import RtpPacket, serialize
from tests.wire.lab.site import HOST, ListeningPeer


@pytest.fixture
async def pair() -> AsyncIterator[tuple[ListeningPeer, ListeningPeer]]:
    """A caller and a callee that have agreed on PCMU."""
    caller, callee = ListeningPeer(), ListeningPeer()
    caller.accept(callee.answer(caller.offer()))
    yield caller, callee
    caller.close()
    callee.close()


async def test_tone_is_heard_at_the_other_end_without_loss(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair
    loop = asyncio.get_running_loop()
    begin = loop.time()

    callee.play(Tone(1004.0))
    await caller.has_heard(50)

    assert 0.97 <= loop.time() - begin < 10
    assert caller.sound().frequency == pytest.approx(1004, abs=0.5)
    assert caller.hearing is not None and caller.hearing.stats.packets_lost == 0


async def test_silence_flows(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair

    callee.play(Silence())
    await caller.has_heard(10)

    assert caller.sound() == Sound(None, None)


async def test_echo_returns_what_it_hears(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair

    callee.play(Echo())
    caller.play(Tone(700.0))
    await caller.has_heard(50)

    assert caller.sound().frequency == pytest.approx(700, abs=0.5)
    assert callee.sound().frequency == pytest.approx(700, abs=0.5)


async def test_held_peer_sends_nothing_until_it_is_resumed(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair
    offer = caller.offer()
    held = callee.answer(Sdp(offer.replace("a=sendrecv", "a=sendonly")))
    callee.play(Tone(1004.0))
    caller.play(Silence())
    await callee.has_heard(10)
    sent_while_held = callee.counts.sent

    resumed = callee.answer(offer)
    await caller.has_heard(1)

    assert sent_while_held == 0
    assert "a=recvonly" in held
    assert "a=sendrecv" in resumed
    assert [version(held), version(resumed)] == [2, 3]


@pytest.mark.parametrize(
    ("offered", "answered"),
    [(sdp.Way.SENDRECV, sdp.Way.SENDONLY), (sdp.Way.SENDONLY, sdp.Way.INACTIVE), (sdp.Way.RECVONLY, sdp.Way.SENDONLY)],
)
async def test_peer_that_holds_goes_on_holding_in_its_answers(
    pair: tuple[ListeningPeer, ListeningPeer], offered: sdp.Way, answered: sdp.Way
) -> None:
    caller, callee = pair
    callee.reoffer(is_holding=True)

    offer = Sdp(caller.offer().replace("a=sendrecv", f"a={offered.value}"))

    assert sdp.parse(callee.answer(offer)).way is answered
    callee.reoffer(is_holding=False)
    assert sdp.parse(callee.answer(caller.offer())).way is sdp.Way.SENDRECV


def version(text: Sdp) -> int:
    return int(text.split("\r\n")[1].split()[2])


async def test_same_description_keeps_its_version(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair
    offer = caller.offer()

    assert version(callee.answer(offer)) == version(callee.answer(offer)) == 1


async def test_stranger_is_not_heard_once_the_far_end_has_spoken(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, callee = pair
    caller.play(Tone(700.0))
    await callee.has_heard(1)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(serialize(RtpPacket(0, 1, 1, 1, False, bytes(160))), (HOST, callee.port))
        await callee.has_rejected(1)

    assert callee.counts.rejected == 1


async def test_far_end_behind_nat_is_answered_where_it_speaks_from() -> None:
    callee = ListeningPeer()
    callee.answer(
        sdp.write(address="127.0.0.9", port=9, codecs=sdp.OFFERED, way=sdp.Way.SENDRECV, session_id=1, version=1)
    )
    callee.play(Echo())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as natted:
        natted.setblocking(False)
        natted.sendto(serialize(RtpPacket(0, 1, 1, 1, False, b"hello")), (HOST, callee.port))
        async with asyncio.timeout(30):
            echoed = await asyncio.get_running_loop().sock_recv(natted, 2048)

    callee.close()
    assert echoed.endswith(b"hello")


@pytest.mark.parametrize("garbage", [b"", b"\x00" * 11, b"\x00" * 200, b"\xff" * 1500])
async def test_garbage_at_the_media_port_is_counted_and_dropped(garbage: bytes) -> None:
    callee = ListeningPeer()
    callee.answer(callee.offer())
    callee.play(Echo())

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(garbage, (HOST, callee.port))
        await callee.has_rejected(1)

    callee.close()
    assert callee.hearing is not None and callee.hearing.stats.packets_received == 0


async def test_echo_takes_opus_as_it_is() -> None:
    callee = ListeningPeer()
    opus = {111: sdp.OPUS, 110: sdp.Codec(sdp.TELEPHONE_EVENT, 48000), 0: sdp.PCMU}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind((HOST, 0))
        caller.setblocking(False)
        answer = callee.answer(
            sdp.write(
                address=HOST, port=caller.getsockname()[1], codecs=opus, way=sdp.Way.SENDRECV, session_id=1, version=1
            )
        )
        callee.play(Echo())
        caller.sendto(serialize(RtpPacket(111, 1, 1, 1, False, b"opus frame")), (HOST, callee.port))
        async with asyncio.timeout(30):
            echoed = await asyncio.get_running_loop().sock_recv(caller, 2048)

    callee.close()
    assert "m=audio" in answer and "a=rtpmap:111 opus/48000/2" in answer
    assert "PCMU" not in answer
    assert echoed.endswith(b"opus frame")


async def test_closing_twice_is_harmless_and_nothing_is_left(pair: tuple[ListeningPeer, ListeningPeer]) -> None:
    caller, _ = pair
    caller.play(Tone(700.0))

    caller.close()
    caller.close()
    caller.play(Tone(700.0))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, caller.port))


async def test_loop_that_was_away_leaves_old_frames_out_and_the_timestamp_tells(
    pair: tuple[ListeningPeer, ListeningPeer],
) -> None:
    caller, callee = pair
    callee.play(Silence())
    await caller.has_heard(1)
    before = callee.counts.sent

    callee._send_frames(asyncio.get_running_loop().time() - 1.0)  # as call_at does, a second late
    sent_at_once = callee.counts.sent - before
    callee.play(Echo())
    await caller.has_heard(before + sent_at_once)

    assert 5 <= sent_at_once <= 7
    assert caller.hearing is not None and caller.hearing.stats.packets_lost == 0
