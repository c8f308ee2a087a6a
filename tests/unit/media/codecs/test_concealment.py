"""Repetition with a fade, for codecs that cannot make up sound themselves."""

import pytest

from gateway.media.codecs.concealment import Concealer
from gateway.media.codecs.g711 import G711Decoder, G711Encoder
from gateway.media.core import g711, tones


def test_a_loss_repeats_what_was_heard_and_fades_to_silence() -> None:
    concealer = Concealer(8000)
    concealer.heard(tones.tone(1000.0, seconds=0.02))

    frames = [concealer.conceal(160) for _ in range(5)]

    levels = [tones.power(frame, 1000.0) for frame in frames[:3]]
    assert levels == pytest.approx([-11.6, -16.0, -25.6], abs=0.5)
    assert frames[3:] == [bytes(320)] * 2


def test_the_fade_starts_anew_after_real_sound() -> None:
    concealer = Concealer(8000)
    concealer.heard(tones.tone(1000.0, seconds=0.02))
    first = concealer.conceal(160)
    concealer.conceal(1000)
    concealer.heard(tones.tone(1000.0, seconds=0.02))

    assert concealer.conceal(160) == first


def test_before_anything_was_heard_there_is_silence() -> None:
    assert Concealer(8000).conceal(160) == bytes(320)


@pytest.mark.parametrize("samples", [40, 80, 240, 480])
def test_packets_of_any_length_are_replaced_by_as_much(samples: int) -> None:
    concealer = Concealer(8000)
    for start in range(0, 800, samples):
        concealer.heard(tones.tone(1000.0, seconds=samples / 8000, start=start / 8000))

    assert tones.loudness(concealer.conceal(40)) > -12
    assert len(concealer.conceal(samples)) == 2 * samples


def test_g711_uses_it() -> None:
    decoder, encoder = G711Decoder(g711.ulaw_decode), G711Encoder(g711.ulaw_encode)
    decoder.decode(encoder.encode(tones.tone(1000.0, seconds=0.02)))

    assert tones.power(decoder.conceal(160, None), 1000.0) > -13
    decoder.close()
    encoder.close()
