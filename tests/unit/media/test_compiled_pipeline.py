"""What the compiled pipeline does beyond the one in Python: gain, comfort noise, pauses of opus, tones heard."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.media._native import NativeDecoder, NativeEncoder
from gateway.media.core import tones
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, Codec, LegCodec
from gateway.media.core.rtp import RtpPacket
from gateway.media.engines.native_stream import leg_values
from tests.unit.media.native import CompiledPipeline
from tests.unit.media.virtual import (
    FIRST_SEQUENCE,
    FIRST_TIMESTAMP,
    FRAME,
    SINK_SSRC,
    Arrival,
    Run,
    native_rate,
    sound,
    steps,
    talk,
)

PAIRS = [
    pytest.param(PCMU, PCMU, id="relay"),
    pytest.param(PCMU, PCMA, id="translation"),
    pytest.param(OPUS, OPUS, id="opus-relay"),
    pytest.param(G722, G722, id="g722-relay"),
    pytest.param(OPUS, PCMU, id="transcoder"),
]


def compiled(
    source: Codec | LegCodec, sink: Codec | LegCodec, *, continuity: bool = True, detects_tones: bool = False
) -> tuple[Run, CompiledPipeline]:
    digits: list[tuple[str, float]] = []
    pipeline = CompiledPipeline(
        source=source if isinstance(source, LegCodec) else LegCodec(source),
        sink=sink if isinstance(sink, LegCodec) else LegCodec(sink),
        ssrc=SINK_SSRC,
        first_sequence=FIRST_SEQUENCE,
        first_timestamp=FIRST_TIMESTAMP,
        now=0.0,
        on_digit=lambda digit, duration: digits.append((digit, duration)),
        needs_continuity=continuity,
        detects_tones=detects_tones,
    )
    return Run(pipeline, digits=digits), pipeline


def level(run: Run, frames: slice) -> float:
    """dBFS of what the sink hears in these of its packets."""
    codec = run.pipeline.sink.codec
    packets = run.packets
    rate = native_rate(codec)
    step = 2 * rate // 50
    return tones.loudness(sound(packets, codec)[frames.start * step : frames.stop * step])


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_gain_makes_it_louder_or_softer_in_the_same_stream(source: Codec, sink: Codec) -> None:
    arrivals = list(talk(source, 3.0))
    run, pipeline = compiled(source, sink)

    run.feed(arrivals[:50])
    pipeline.core.set_gain(-12.0)
    run.feed(arrivals[50:100])
    pipeline.core.set_gain(6.0)
    run.feed(arrivals[100:])

    assert {step for step, _ in steps(run.packets)} == {1}
    assert level(run, slice(20, 45)) == pytest.approx(-10, abs=1)
    assert level(run, slice(60, 95)) == pytest.approx(-22, abs=1)
    assert level(run, slice(115, 145)) == pytest.approx(-4, abs=1)


def test_gain_of_nothing_passes_through_again() -> None:
    run, pipeline = compiled(OPUS, OPUS)
    transcodes = []
    for decibels in (0.0, 3.0, 0.0):
        pipeline.core.set_gain(decibels)
        transcodes.append(pipeline.is_transcoding)
    run.feed(talk(OPUS, 0.2))

    assert transcodes == [False, True, False]
    assert [packet.payload for packet in run.packets][-10:] == [packet.payload for _, packet in talk(OPUS, 0.2)]


def with_noise(codec: Codec, described: bytes) -> list[Arrival]:
    """A second of a tone, a packet of comfort noise, and a pause of two seconds."""
    arrivals = list(talk(codec, 1.0))
    at, last = arrivals[-1]
    ticks = codec.clock_rate // 50
    noise = RtpPacket(
        13, (last.sequence + 1) & 0xFFFF, (last.timestamp + ticks) & 0xFFFFFFFF, last.ssrc, False, described
    )
    return [*arrivals, (at + FRAME, noise)]


@pytest.mark.parametrize("sink", [PCMU, PCMA, OPUS, G722], ids=lambda codec: codec.name)
@pytest.mark.parametrize("described", [b"\x32", b"\x32\x40\x90"], ids=["white", "coloured"])
def test_the_noise_that_a_source_describes_is_heard_while_it_is_silent(sink: Codec, described: bytes) -> None:
    run, pipeline = compiled(PCMU, sink)

    run.feed(with_noise(PCMU, described))
    run.until(3.0)

    assert level(run, slice(60, 145)) == pytest.approx(-50 + 3, abs=4.0)  # of a sine: 3 dB above that of dBov
    assert {step for step, _ in steps(run.packets)} == {1}
    assert pipeline.counters.packets_unknown == 0


def test_noise_ends_with_the_next_packet_and_is_not_heard_on_hold() -> None:
    run, pipeline = compiled(PCMU, PCMU)
    run.feed(with_noise(PCMU, b"\x28"))
    run.until(2.0)
    again = talk(PCMU, 0.5, start=2.0, sequence=65500 + 51, timestamp=2**32 - 3000 + 2 * 8000)
    run.feed(again)
    run.until(3.0)
    pipeline.set_muted(True, run.now)
    run.until(4.0)

    assert level(run, slice(60, 95)) == pytest.approx(-37, abs=2)
    assert level(run, slice(130, 145)) < -60
    assert level(run, slice(160, 195)) < -60


def test_a_pause_of_opus_sounds_as_the_background_did() -> None:
    """The source's encoder sends nothing while nobody speaks (DTX): the decoder goes on with what it heard."""
    wished = replace(OPUS, fmtp={"usedtx": "1"})
    encoder = NativeEncoder(leg_values(LegCodec(wished)), 16000)
    hum = tones.tone(120.0, seconds=4.0, rate=16000, level=-52.0)
    arrivals: list[Arrival] = []
    for index in range(200):
        payload = encoder.encode(hum[640 * index : 640 * index + 640])
        if len(payload) > 2 or index % 20 == 0:
            packet = RtpPacket(111, len(arrivals), 960 * index, 1, False, payload)
            arrivals.append((FRAME * index, packet))
    run, _ = compiled(OPUS, PCMU)

    run.feed(arrivals)
    run.until(4.0)

    assert len(arrivals) < 120
    assert {step for step, _ in steps(run.packets)} == {1}
    assert level(run, slice(150, 195)) > -75
    times = [at for at, _ in run.sent]
    assert max(after - before for before, after in pairwise(times)) <= 0.061


@pytest.mark.parametrize("codec", [PCMU, PCMA, OPUS, G722], ids=lambda codec: codec.name)
def test_digits_in_the_sound_of_a_source_without_events_are_reported(codec: Codec) -> None:
    rate = native_rate(codec)
    encoder = NativeEncoder(leg_values(LegCodec(codec)), rate)
    pcm = bytes(rate // 3 * 2)
    for digit in "147#":
        pcm += tones.dtmf(digit, seconds=0.1, rate=rate, level=-13.0) + bytes(2 * rate // 10)
    size = 2 * rate // 50
    payloads = [encoder.encode(pcm[at : at + size].ljust(size, b"\0")) for at in range(0, len(pcm), size)]
    arrivals = [
        (FRAME * index, RtpPacket(codec.payload_type, index, index * codec.clock_rate // 50, 1, False, payload))
        for index, payload in enumerate(payloads)
    ]

    heard, _ = compiled(codec, PCMU, detects_tones=True)
    heard.feed(arrivals)
    deaf, _ = compiled(codec, PCMU)
    deaf.feed(arrivals)
    has_events, _ = compiled(LegCodec(codec, (101, 8000)), PCMU, detects_tones=True)
    has_events.feed(arrivals)

    assert [digit for digit, _ in heard.digits] == list("147#")
    assert [length for _, length in heard.digits] == pytest.approx([0.1] * 4, abs=0.03)
    assert (deaf.digits, has_events.digits) == ([], [])


def test_music_and_speech_like_sound_is_no_digit() -> None:
    run, _ = compiled(PCMU, PCMU, detects_tones=True)

    for frequency in (300.0, 697.0, 941.0, 1209.0, 1477.0):
        run.feed(talk(PCMU, 0.5, start=run.now + FRAME, frequency=frequency))

    assert run.digits == []


@pytest.mark.parametrize("complexity", [0, 10])
def test_complexity_may_change_in_a_call(complexity: int) -> None:
    arrivals = list(talk(PCMU, 1.0))
    run, pipeline = compiled(PCMU, OPUS)
    run.feed(arrivals[:25])

    pipeline.core.set_complexity(complexity)
    run.feed(arrivals[25:])

    assert set(steps(run.packets)) == {(1, 960)}
    assert level(run, slice(30, 48)) == pytest.approx(-10, abs=1)


def test_more_loss_at_the_sink_makes_opus_repeat_more() -> None:
    wished = replace(OPUS, fmtp={"useinbandfec": "1", "maxaveragebitrate": "20000"})
    speech = [
        (FRAME * index, RtpPacket(9, index, 160 * index, 1, False, payload))
        for index, payload in enumerate(warble(100))
    ]
    distances = {}
    for percent in (0, 25):
        run, pipeline = compiled(G722, wished)
        pipeline.core.set_expected_loss(percent)
        run.feed(speech)
        distances[percent] = unlike(run.packets)

    assert distances[25] < distances[0]


def warble(frames: int) -> list[bytes]:
    """A tone whose pitch moves, in G.722."""
    encoder = NativeEncoder(leg_values(LegCodec(G722)), 16000)
    return [
        encoder.encode(tones.tone(300.0 + 20 * (index % 50), seconds=0.02, rate=16000, start=0.02 * index))
        for index in range(frames)
    ]


def unlike(whole: list[RtpPacket]) -> float:
    """How far what is made up for every fourth packet is from what it was, in dB, summed up."""
    reference, ear = (NativeDecoder(leg_values(LegCodec(OPUS)), 16000) for _ in range(2))
    distance = 0.0
    for index, packet in enumerate(whole[:-1]):
        expected = reference.decode(packet.payload)
        if index % 4 == 3:
            got = ear.conceal(320, whole[index + 1].payload)
            frequency = 300.0 + 20 * (index % 50)
            distance += abs(tones.power(got, frequency, rate=16000) - tones.power(expected, frequency, rate=16000))
        else:
            ear.decode(packet.payload)
    return distance
