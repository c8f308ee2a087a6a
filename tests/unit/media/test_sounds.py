"""What the gateway plays by itself: made once, for every codec, and off the loop."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.media import sounds
from gateway.media.codecs import registry
from gateway.media.codecs.interface import CodecUnavailable
from gateway.media.core import music, tones
from gateway.media.core.codec import SUPPORTED
from gateway.media.engine import Sound
from gateway.media.sounds import Sounds, encoded

RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "opus": 48000}


def heard(payloads: Sequence[bytes], codec: str) -> bytes:
    decoder = registry.make_decoder(SUPPORTED[codec], RATES[codec])
    pcm = b"".join(decoder.decode(payload) for payload in payloads)
    decoder.close()
    return pcm


@pytest.mark.parametrize("codec", list(RATES))
def test_ringback_is_two_seconds_of_both_tones_and_four_of_silence(codec: str) -> None:
    pcm, rate = heard(encoded(Sound.RINGBACK, codec), codec), RATES[codec]

    assert len(pcm) == 2 * 6 * rate
    ring, pause = pcm[rate // 2 : 4 * rate - rate // 2], pcm[4 * rate + rate // 2 :]
    assert tones.power(ring, 440.0, rate=rate) == pytest.approx(-16, abs=2)
    assert tones.power(ring, 480.0, rate=rate) == pytest.approx(-16, abs=2)
    assert tones.loudness(pause) < -55


@pytest.mark.parametrize("codec", list(RATES))
def test_every_note_of_the_music_is_heard_and_none_clicks(codec: str) -> None:
    pcm, rate = heard(encoded(Sound.MUSIC, codec), codec), RATES[codec]

    assert len(pcm) == 2 * 16 * rate
    for note, frequency in enumerate(music.pitches_of(0, len(music.MELODY))):
        sounding = pcm[note * rate + rate // 4 : note * rate + rate // 2]
        assert tones.power(sounding, frequency, rate=rate) > tones.loudness(sounding) - 4.0


def test_melody_begins_and_ends_at_zero_so_that_it_can_be_repeated() -> None:
    pcm = music.melody(rate=8000)

    assert pcm[:2] == pcm[-2:] == b"\0\0"
    assert -25.0 < tones.loudness(pcm) < -15.0


async def test_sound_is_made_once_and_then_there_at_once() -> None:
    made, ready = Sounds(), asyncio.Queue[tuple[str, Sequence[bytes]]](10)

    for _ in range(2):
        made.load(Sound.RINGBACK, "PCMU", lambda codec, payloads: ready.put_nowait((codec, payloads)))
    assert ready.empty()
    first, second = await ready.get(), await ready.get()
    made.load(Sound.RINGBACK, "PCMU", lambda codec, payloads: ready.put_nowait((codec, payloads)))

    assert first[0] == "PCMU"
    assert first[1] is second[1] is ready.get_nowait()[1]
    await made.close()


async def test_close_waits_for_what_is_being_made() -> None:
    made, ready = Sounds(), asyncio.Event()
    made.load(Sound.MUSIC, "PCMA", lambda codec, payloads: ready.set())

    await made.close()
    await asyncio.wait_for(ready.wait(), 5)


async def test_missing_library_means_silence_and_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(sound: Sound, codec: str) -> tuple[bytes, ...]:
        raise CodecUnavailable("no libopus")

    monkeypatch.setattr(sounds, "encoded", missing)
    made = Sounds()
    made.load(Sound.MUSIC, "opus", lambda codec, payloads: pytest.fail("played"))

    await made.close()
