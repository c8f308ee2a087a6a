"""Whatever stands in a far end's description: it is taken, or refused as a MediaError, and nothing else comes of it."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import pytest

from gateway.domain.ids import CallId, LegName, Sdp
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import LegOptions, MediaEngine, MediaError, Profile

from .conftest import MakeEngine

A, B = LegName.A, LegName.B
BROWSER: Final = (
    "v=0\r\no=- 4611733 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 13 110 126\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\na=setup:actpass\r\na=ptime:20\r\na=maxptime:60\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1;maxaveragebitrate=20000;maxplaybackrate=8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\na=rtpmap:126 telephone-event/8000\r\n"
    "a=candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host\r\n"
)
TRUNK: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 96 9 0 8 101\r\n"
    "a=rtcp:4001 IN IP4 127.0.0.1\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 cbr=1;usedtx=1\r\na=sendrecv\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=rtcp-mux\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n"
)
NUMBERS: Final = ("-1", "0", "1", "13", "127", "128", "255", "65536", "4294967296", "9" * 30, "1e9", "nan", "²", "")
STEP: Final = 6
"""One in six variations is tried: a second for each engine and place. 1 tries all."""
WORDS: Final = ("::1", "fe80::1%eth0", "224.0.0.1", "example.org", "\N{SNOWMAN}", "x" * 5000, "")


def variations(description: str) -> Iterator[Sdp]:
    """One thing wrong at a time: a number, a word, a line that is missing or there twice, an end that is missing."""
    for match in re.finditer(r"(?<![\w.])\d+(?![\w.])", description):
        for number in NUMBERS:
            yield Sdp(description[: match.start()] + number + description[match.end() :])
    for match in re.finditer(r"[^\s:=/;|]{3,}", description):
        for word in WORDS:
            yield Sdp(description[: match.start()] + word + description[match.end() :])
    lines = description.splitlines(keepends=True)
    for index, line in enumerate(lines):
        before, after = "".join(lines[:index]), "".join(lines[index + 1 :])
        yield Sdp(before + after)
        yield Sdp(before + line * 2 + after)
        yield Sdp(before + line[: len(line) // 2])


async def offered(engine: MediaEngine, profile: Profile, other: Profile, offer: Sdp, answer: Sdp) -> bool:
    """A call of one far end to another, as far as their descriptions let it come. Whether it came to its end."""
    options = LegOptions(encryption=MediaEncryption.OPTIONAL)
    codecs = ("opus", "G722", "PCMU", "PCMA")
    session = await engine.open(
        call_id=CallId("any"),
        a=profile,
        b=other,
        codecs_a=codecs,
        codecs_b=codecs,
        on_event=lambda _: None,
        options_a=options,
        options_b=options,
    )
    try:
        await session.take_offer(A, offer)
        await session.offer(B)
        await session.accept(B, answer)
        assert await session.answer(A)
    except MediaError:
        return False
    finally:
        await session.close()
    return True


@pytest.mark.parametrize("side", ["offer", "answer"])
@pytest.mark.parametrize("profile", [Profile.WEBRTC, Profile.RTP])
async def test_a_description_is_taken_or_refused(make_engine: MakeEngine, profile: Profile, side: str) -> None:
    engine = await make_engine(port_quarantine=0.0)
    good = {Profile.WEBRTC: Sdp(BROWSER), Profile.RTP: Sdp(TRUNK)}
    other = Profile.RTP if profile is Profile.WEBRTC else Profile.WEBRTC
    answers = {
        Profile.WEBRTC: Sdp(BROWSER.replace("actpass", "active")),
        Profile.RTP: Sdp(TRUNK.replace("to:1", "to:3")),
    }

    if side == "offer":
        tried = islice(variations(good[profile]), 0, None, STEP)
        results = [await offered(engine, profile, other, text, answers[other]) for text in tried]
        assert await offered(engine, profile, other, good[profile], answers[other])
    else:
        tried = islice(variations(answers[profile]), 0, None, STEP)
        results = [await offered(engine, other, profile, good[other], text) for text in tried]
        assert await offered(engine, other, profile, good[other], answers[profile])

    assert any(results)
    assert not all(results)
