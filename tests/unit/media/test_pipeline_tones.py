"""Digits of the source that the sink hears as tones: what they sound like, and that the stream does not show them."""

import itertools
from dataclasses import replace
from typing import cast

import pytest

from gateway.media.core import tones
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, Codec, LegCodec
from gateway.media.core.dtmf import is_end_packet
from gateway.media.core.rtp import RtpPacket
from gateway.media.engine import NoTelephoneEvent
from tests.unit.media.virtual import Arrival, Run, native_rate, open_run, press, sound, steps, talk

pytestmark = pytest.mark.usefixtures("implementation")

BROWSER = LegCodec(OPUS, (126, 48000))
TRUNK = LegCodec(PCMU, (101, 8000))
PAIRS = [
    pytest.param(TRUNK, PCMU, id="relay"),
    pytest.param(TRUNK, PCMA, id="translation"),
    pytest.param(TRUNK, OPUS, id="8k-to-opus"),
    pytest.param(TRUNK, G722, id="8k-to-g722"),
    pytest.param(BROWSER, OPUS, id="opus-relay"),
    pytest.param(BROWSER, PCMU, id="opus-to-8k"),
    pytest.param(LegCodec(G722, (101, 8000)), G722, id="g722-relay"),
]
VOICE = 1000.0
STEP = 0.010


def about(seconds: float, margin: float = 0.025) -> float:
    """Good enough for what `hears` says: a window hears a tone that fills most of it."""
    return cast(float, pytest.approx(seconds, abs=margin))  # it compares as a float does


def toning(source: LegCodec, sink: Codec, *, continuity: bool = True) -> Run:
    return open_run(source, sink, continuity=continuity, plays_digits=True)


def windows(run: Run) -> list[bytes]:
    """Pieces of 20 ms of what the sink hears, one each 10 ms."""
    codec = run.pipeline.sink.codec
    rate = native_rate(codec)
    pcm = sound(run.audio(), codec)
    size, step = 2 * round(0.02 * rate), 2 * round(STEP * rate)
    return [pcm[at : at + size] for at in range(0, len(pcm) - size, step)]


def hears(run: Run) -> list[tuple[str, float]]:
    """Each digit with its length, good for some 20 ms."""
    rate = native_rate(run.pipeline.sink.codec)
    found: list[tuple[str, float]] = []
    before = None
    for piece in windows(run):
        digit = tones.detect_dtmf(piece, rate=rate)
        if digit is not None:
            found = [*found[:-1], (digit, found[-1][1] + STEP)] if digit == before else [*found, (digit, STEP)]
        before = digit
    return [(digit, round(length, 3)) for digit, length in found if length > STEP]


def assert_unbroken(packets: list[RtpPacket], codec: Codec) -> None:
    """Sequence numbers without a hole, timestamps that never go back or leave out as much as a frame."""
    assert {step for step, _ in steps(packets)} == {1}
    ticks = [step for _, step in steps(packets)]
    frame = codec.clock_rate // 50
    assert min(ticks) > 0
    assert max(ticks) < 2 * frame


def paced(run: Run) -> float:
    """The longest time between two packets."""
    times = [at for at, _ in run.sent]
    return max(after - before for before, after in itertools.pairwise(times))


def with_audio(arrivals: list[Arrival], audio: list[Arrival]) -> list[Arrival]:
    """Events beside the audio, which goes on: as many senders do."""
    events = [(at, packet) for at, packet in arrivals if packet.payload_type != audio[0][1].payload_type]
    both = sorted([*((at + 0.001, packet) for at, packet in events), *audio], key=lambda arrival: arrival[0])
    first = both[0][1].sequence
    return [(at, replace(packet, sequence=(first + number) & 0xFFFF)) for number, (at, packet) in enumerate(both)]


@pytest.mark.parametrize(("source", "sink"), PAIRS)
@pytest.mark.parametrize("goes_on", [False, True], ids=["audio-pauses", "audio-goes-on"])
def test_digits_sound_in_a_stream_without_gap_or_jump(source: LegCodec, sink: Codec, goes_on: bool) -> None:
    audio = list(talk(source.codec, 2.0))
    pressed = press(source, audio, 30, "5#1", duration=0.12)

    run = toning(source, sink).feed(with_audio(pressed, audio) if goes_on else pressed)
    run.until(2.05)

    assert [digit for digit, _ in hears(run)] == ["5", "#", "1"]
    assert [length for _, length in hears(run)] == pytest.approx([0.12] * 3, abs=0.02)
    assert [digit for digit, _ in run.digits] == ["5", "#", "1"]
    assert {packet.payload_type for packet in run.packets} == {sink.payload_type}
    assert_unbroken(run.packets, sink)
    assert paced(run) < 0.065


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_the_source_is_heard_before_and_after_its_digits(source: LegCodec, sink: Codec) -> None:
    run = toning(source, sink).feed(press(source, list(talk(source.codec, 1.6, frequency=VOICE)), 30, "9"))
    run.until(1.7)

    rate = native_rate(sink)
    voiced = [tones.power(piece, VOICE, rate=rate) > -20.0 for piece in windows(run)]
    around = voiced[:55] + voiced[-60:-10]
    assert sum(around) > 0.9 * len(around)
    assert not any(voiced[65:68])


@pytest.mark.parametrize("sink", [PCMU, OPUS])
def test_long_digit_sounds_all_the_time(sink: Codec) -> None:
    run = toning(TRUNK, sink).feed(press(TRUNK, list(talk(PCMU, 6.0)), 10, "8", duration=4.5))
    run.until(6.1)

    assert hears(run) == [("8", about(4.5))]
    assert_unbroken(run.packets, sink)


@pytest.mark.parametrize("sink", [PCMU, OPUS])
def test_quick_digits_stay_apart_and_in_order(sink: Codec) -> None:
    pressed = press(TRUNK, list(talk(PCMU, 3.0)), 10, "11223344556677", duration=0.05, gap=0.05)

    run = toning(TRUNK, sink).feed(pressed)
    run.until(3.1)

    assert "".join(digit for digit, _ in hears(run)) == "11223344556677"
    assert_unbroken(run.packets, sink)


@pytest.mark.parametrize("lost", range(1, 8))
def test_the_loss_of_any_one_packet_costs_no_digit_and_no_pause(lost: int) -> None:
    arrivals = press(TRUNK, list(talk(PCMU, 0.8)), 10, "5")
    run = toning(TRUNK, PCMU).feed([*arrivals[: 9 + lost], *arrivals[10 + lost :]])
    run.until(0.9)

    assert hears(run) == [("5", about(0.12, 0.045))]  # 20 ms more where the first end packet is lost
    assert_unbroken(run.packets, PCMU)


def test_digit_whose_end_packets_are_all_lost_is_heard_once_and_ends() -> None:
    arrivals = press(TRUNK, list(talk(PCMU, 1.5)), 10, "5")
    kept = [(at, packet) for at, packet in arrivals if packet.payload_type != 101 or not is_end_packet(packet.payload)]
    run = toning(TRUNK, PCMU).feed(kept)
    run.until(1.6)

    assert hears(run) == [("5", about(0.34, 0.03))]
    assert_unbroken(run.packets, PCMU)


def test_digit_of_which_only_the_end_arrives_is_heard_for_its_length() -> None:
    arrivals = press(TRUNK, list(talk(PCMU, 1.0)), 10, "5", duration=0.2)
    kept = [(at, packet) for at, packet in arrivals if packet.payload_type != 101 or is_end_packet(packet.payload)]
    run = toning(TRUNK, PCMU).feed(kept)
    run.until(1.1)

    assert hears(run) == [("5", about(0.2))]


def test_jitter_of_the_events_does_not_part_a_digit() -> None:
    arrivals = press(TRUNK, list(talk(PCMU, 1.5)), 10, "5", duration=0.5)
    shaken = sorted(
        ((at + (0.045 if number % 3 == 0 else 0.0), packet) for number, (at, packet) in enumerate(arrivals)),
        key=lambda arrival: arrival[0],
    )
    run = toning(TRUNK, PCMU).feed(shaken)
    run.until(1.6)

    assert hears(run) == [("5", about(0.5, 0.03))]
    assert len({packet.sequence for packet in run.packets}) == len(run.packets)


def test_events_that_are_no_digits_make_no_sound() -> None:
    arrivals = press(TRUNK, list(talk(PCMU, 1.0)), 10, "5")
    flashes = [
        (at, packet if packet.payload_type != 101 else replace(packet, payload=b"\x10" + packet.payload[1:]))
        for at, packet in arrivals
    ]
    run = toning(TRUNK, PCMU).feed(flashes)
    run.until(1.1)

    assert (hears(run), run.digits) == ([], [])


def test_held_sink_does_not_hear_the_digits_of_the_source_and_a_hold_ends_one() -> None:
    audio = list(talk(PCMU, 2.0))
    run = toning(TRUNK, PCMU)
    run.pipeline.set_muted(True, 0.0)
    run.feed(press(TRUNK, audio, 10, "5"))
    held = hears(run)
    second = toning(TRUNK, PCMU).feed(press(TRUNK, audio, 10, "6", duration=1.0)[:30])
    second.pipeline.set_muted(True, second.now)
    second.until(2.0)

    assert (held, run.digits) == ([], [("5", about(0.1, 0.001))])
    assert hears(second) == [("6", about(0.38, 0.05))]
    assert_unbroken(second.packets, PCMU)


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_digits_of_our_own_sound_for_as_long_as_they_should_and_are_over_when_it_says(
    source: LegCodec, sink: Codec
) -> None:
    run = toning(source, sink).feed(talk(source.codec, 0.5))

    done = run.pipeline.send_digits("4a0", 0.1, 0.06, run.now)
    run.feed(talk(source.codec, 1.0, start=0.5, sequence=65525, timestamp=2**32 - 3000 + source.codec.clock_rate // 2))

    assert hears(run) == [(digit, about(0.1)) for digit in "4A0"]
    assert done == pytest.approx(0.5 + 3 * 0.1 + 2 * 0.06, abs=0.05)
    assert_unbroken(run.packets, sink)


def test_digits_of_our_own_are_heard_on_hold_and_wait_for_those_of_the_source() -> None:
    run = toning(TRUNK, PCMU).feed(press(TRUNK, list(talk(PCMU, 0.6)), 10, "1", duration=0.2)[:16])
    run.pipeline.send_digits("2", 0.1, 0.06, run.now)
    run.feed(press(TRUNK, list(talk(PCMU, 0.6)), 10, "1", duration=0.2)[16:])
    run.pipeline.set_muted(True, run.now)
    run.pipeline.send_digits("3", 0.1, 0.06, run.now)
    run.until(1.5)

    assert [digit for digit, _ in hears(run)] == ["1", "2", "3"]
    assert_unbroken(run.packets, PCMU)


def test_sink_that_may_pause_gets_the_tone_and_then_a_pause() -> None:
    run = toning(TRUNK, PCMU, continuity=False).feed(talk(PCMU, 0.2))
    run.until(3.0)
    before = len(run.sent)

    run.pipeline.send_digits("5", 0.1, 0.06, run.now)
    run.until(4.0)

    added = run.sent[before:]
    assert 5 <= len(added) <= 7
    assert {step for step, _ in steps(run.packets)} == {1}
    assert hears(run) == [("5", about(0.1))]


def test_new_codec_of_the_sink_is_the_one_in_which_digits_sound() -> None:
    run = toning(TRUNK, PCMU).feed(talk(PCMU, 0.2))
    run.pipeline.set_codecs(TRUNK, LegCodec(PCMA), run.now)
    run.sent.clear()

    run.pipeline.send_digits("5", 0.1, 0.06, run.now)
    run.until(0.6)

    assert hears(run) == [("5", about(0.1))]


def test_new_source_ends_a_digit_of_the_one_before() -> None:
    run = toning(TRUNK, PCMU).feed(press(TRUNK, list(talk(PCMU, 1.0)), 10, "5", duration=0.8)[:25])

    run.pipeline.change_source(TRUNK, run.now, longest_pause=None)
    run.until(1.5)

    assert hears(run) == [("5", about(0.28, 0.05))]


def test_only_a_sink_with_events_or_tones_takes_digits() -> None:
    neither, tones_only, events = open_run(TRUNK, PCMU), toning(TRUNK, PCMU), open_run(TRUNK, TRUNK)

    assert [run.pipeline.takes_digits for run in (neither, tones_only, events)] == [False, True, True]
    with pytest.raises(NoTelephoneEvent):
        neither.pipeline.send_digits("5", 0.1, 0.06, 0.0)
