"""Telephone-events through a pipeline: relayed between clock rates, sent by us, reported once."""

import itertools
from typing import cast

import pytest

from gateway.media.core.codec import OPUS, PCMA, PCMU, LegCodec
from gateway.media.core.dtmf import EventReceiver, is_end_packet
from gateway.media.core.events import MAX_DIGITS
from gateway.media.core.rtp import RtpPacket
from gateway.media.engine import NoTelephoneEvent
from tests.unit.media.virtual import FIRST_TIMESTAMP, FRAME, Run, moved, open_run, press, steps, talk

pytestmark = pytest.mark.usefixtures("implementation")

BROWSER = LegCodec(OPUS, (126, 48000))
BROWSER_8K = LegCodec(OPUS, (110, 8000))
TRUNK = LegCodec(PCMU, (101, 8000))
TRUNK_ALAW = LegCodec(PCMA, (96, 8000))
ALL_PAIRS = [
    pytest.param(BROWSER, TRUNK, id="48k-8k-transcoder"),
    pytest.param(TRUNK, BROWSER, id="8k-48k-transcoder"),
    pytest.param(TRUNK, TRUNK_ALAW, id="8k-8k-translation"),
    pytest.param(BROWSER, BROWSER, id="48k-48k-relay"),
    pytest.param(BROWSER, BROWSER_8K, id="48k-8k-relay"),
    pytest.param(BROWSER_8K, BROWSER, id="8k-48k-relay"),
]


def about(seconds: float) -> float:
    """Durations pass through ticks of two clocks."""
    return cast(float, pytest.approx(seconds, abs=0.001))  # it compares as a float does


def events(run: Run) -> list[RtpPacket]:
    sink = run.pipeline.sink.telephone_event
    assert sink is not None
    return [packet for packet in run.packets if packet.payload_type == sink[0]]


def far_end_hears(run: Run) -> list[tuple[str, float]]:
    sink = run.pipeline.sink.telephone_event
    assert sink is not None
    receiver = EventReceiver(sink[1])
    digits = [
        digit
        for at, packet in run.sent
        if packet.payload_type == sink[0]
        for digit in [*receiver.handle_timeout(at), *receiver.receive(packet, at)]
    ]
    digits += receiver.handle_timeout(run.now + 10)
    return [(digit.digit, digit.duration) for digit in digits]


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
@pytest.mark.parametrize("continuity", [True, False])
def test_digits_cross_between_the_legs_and_are_reported_once(
    source: LegCodec, sink: LegCodec, continuity: bool
) -> None:
    arrivals = press(source, list(talk(source.codec, 2.0)), 30, "5#")

    run = open_run(source, sink, continuity=continuity).feed(arrivals)

    assert run.digits == [("5", about(0.1)), ("#", about(0.1))]
    assert far_end_hears(run) == run.digits
    assert len(events(run)) == 14
    assert sum(is_end_packet(packet.payload) for packet in events(run)) == 6
    assert sum(packet.marker for packet in events(run)) == 2
    assert {step for step, _ in steps(run.packets)} == {1}
    starts = sorted({packet.timestamp for packet in events(run)}, key=lambda t: (t - FIRST_TIMESTAMP) & 0xFFFFFFFF)
    assert len(starts) == 2
    between = (starts[1] - starts[0]) & 0xFFFFFFFF
    assert between == pytest.approx(0.2 * sink.codec.clock_rate, abs=0.045 * sink.codec.clock_rate)
    last = run.audio()[-1]
    expected = (len(run.audio()[:1]) - 1 + 1.98) * sink.codec.clock_rate
    assert (last.timestamp - FIRST_TIMESTAMP) & 0xFFFFFFFF == pytest.approx(expected, abs=0.045 * sink.codec.clock_rate)


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_the_loss_of_any_one_packet_loses_no_digit_on_either_side(source: LegCodec, sink: LegCodec) -> None:
    arrivals = press(source, list(talk(source.codec, 0.8)), 10, "5#")
    for lost in range(8, 26):
        run = open_run(source, sink, continuity=True).feed([*arrivals[:lost], *arrivals[lost + 1 :]])
        run.until(2.0)

        assert [digit for digit, _ in run.digits] == ["5", "#"]
        assert far_end_hears(run) == run.digits
        assert len({packet.sequence for packet in run.packets}) == len(run.packets)


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_disorder_and_repetition_of_events_send_no_sequence_number_twice(source: LegCodec, sink: LegCodec) -> None:
    arrivals = press(source, list(talk(source.codec, 0.8)), 10, "5")
    for first in range(8, 20):
        swapped = list(arrivals)
        swapped[first], swapped[first + 1] = (
            (arrivals[first][0], arrivals[first + 1][1]),
            (arrivals[first + 1][0], arrivals[first][1]),
        )
        doubled = [arrival for arrival in swapped for _ in range(2)]

        run = open_run(source, sink).feed(doubled)
        run.until(2.0)

        assert [digit for digit, _ in run.digits] == ["5"]
        assert [digit for digit, _ in far_end_hears(run)] == ["5"]
        assert len({packet.sequence for packet in run.packets}) == len(run.packets)


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_a_digit_whose_end_was_lost_is_ended_towards_the_sink(source: LegCodec, sink: LegCodec) -> None:
    arrivals = press(source, list(talk(source.codec, 0.4)), 10, "5")
    assert source.telephone_event is not None
    event_type = source.telephone_event[0]
    arrivals = [
        arrival
        for arrival in arrivals
        if arrival[1].payload_type != event_type or not is_end_packet(arrival[1].payload)
    ]

    run = open_run(source, sink).feed(arrivals)
    run.until(2.0)

    assert run.digits == [("5", about(0.08))]
    assert [is_end_packet(packet.payload) for packet in events(run)] == [False] * 4 + [True] * 3


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_a_long_digit_is_one_digit_on_both_sides(source: LegCodec, sink: LegCodec) -> None:
    """Three seconds need three segments at 48000 Hz and one at 8000 Hz."""
    arrivals = press(source, list(talk(source.codec, 4.0)), 10, "5", duration=3.0)

    run = open_run(source, sink, continuity=True).feed(arrivals)

    assert run.digits == [("5", about(3.0))]
    assert far_end_hears(run) == [("5", about(3.0))]
    assert run.pipeline.counters.silence_sent <= 3


@pytest.mark.parametrize("sink", [LegCodec(PCMU), LegCodec(OPUS)], ids=["transcoder", "relay"])
def test_a_sink_without_telephone_event_gets_silence_and_no_gap(sink: LegCodec) -> None:
    arrivals = press(BROWSER, list(talk(OPUS, 1.0)), 10, "5#")

    run = open_run(BROWSER, sink, continuity=True).feed(arrivals)

    assert [digit for digit, _ in run.digits] == ["5", "#"]
    assert set(steps(run.packets)) == {(1, sink.codec.clock_rate // 50)}
    assert {packet.payload_type for packet in run.packets} == {sink.codec.payload_type}


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
@pytest.mark.parametrize("continuity", [True, False])
def test_digits_of_our_own_replace_the_audio_while_they_last(
    source: LegCodec, sink: LegCodec, continuity: bool
) -> None:
    audio = list(talk(source.codec, 2.0))
    run = open_run(source, sink, continuity=continuity).feed(audio[:25])

    done_at = run.pipeline.send_digits("12", 0.1, 0.1, run.now)
    run.feed(audio[25:])

    assert done_at == pytest.approx(0.48 + 0.1 + 0.1 + 0.1 + 0.04)
    assert far_end_hears(run) == [("1", about(0.1)), ("2", about(0.1))]
    assert run.digits == []
    assert {step for step, _ in steps(run.packets)} == {1}
    event_times = [at for at, packet in run.sent if packet in events(run)]
    assert event_times[-1] == pytest.approx(done_at)
    for start, end in ((event_times[0], event_times[6]), (event_times[7], event_times[13])):
        between = [packet for at, packet in run.sent if start < at < end]
        assert all(packet in events(run) for packet in between)
    assert max(b - a for a, b in itertools.pairwise(at for at, _ in run.sent)) <= 0.061
    rate = sink.codec.clock_rate
    last = (run.audio()[-1].timestamp - FIRST_TIMESTAMP) & 0xFFFFFFFF
    assert last == pytest.approx(2.0 * rate, abs=0.045 * rate)


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_many_digits_do_not_push_the_timeline_ahead(source: LegCodec, sink: LegCodec) -> None:
    audio = list(talk(source.codec, 12.0))
    run = open_run(source, sink, continuity=True).feed(audio[:25])

    run.pipeline.send_digits("0123456789" * 5, 0.087, 0.093, run.now)
    run.feed(audio[25:])

    rate = sink.codec.clock_rate
    last = (run.audio()[-1].timestamp - FIRST_TIMESTAMP) & 0xFFFFFFFF
    assert last == pytest.approx(12.0 * rate, abs=0.045 * rate)


def test_digits_go_out_over_a_silent_source_and_while_the_source_is_held() -> None:
    for muted in (False, True):
        run = open_run(BROWSER, TRUNK, continuity=True)
        run.pipeline.set_muted(muted, 0.0)
        run.until(0.5)

        done_at = run.pipeline.send_digits("1", 0.1, 0.1, run.now)
        run.until(1.5)

        assert far_end_hears(run) == [("1", 0.1)]
        assert done_at == pytest.approx(0.64)
        assert {step for step, _ in steps(run.packets)} == {1}
        ticks = [ticks for _, ticks in steps(run.audio())]
        assert sorted(set(ticks))[0] == 160
        assert len(run.audio()) * FRAME == pytest.approx(1.5 - 0.14, abs=0.05)


def test_more_digits_wait_for_those_that_are_going_out() -> None:
    run = open_run(BROWSER, TRUNK)
    first = run.pipeline.send_digits("1", 0.1, 0.1, 0.0)

    second = run.pipeline.send_digits("2", 0.1, 0.1, 0.05)
    run.until(1.0)

    assert second == pytest.approx(first + 0.1 + 0.14)
    assert far_end_hears(run) == [("1", 0.1), ("2", 0.1)]


def test_digits_go_to_a_sink_whose_source_has_no_telephone_event() -> None:
    run = open_run(LegCodec(PCMU), TRUNK)

    run.pipeline.send_digits("1", 0.1, 0.1, 0.0)
    run.until(1.0)

    assert far_end_hears(run) == [("1", 0.1)]


def test_digits_are_refused_without_telephone_event_or_when_too_many_wait() -> None:
    with pytest.raises(NoTelephoneEvent):
        open_run(TRUNK, LegCodec(PCMA)).pipeline.send_digits("1", 0.1, 0.1, 0.0)
    run = open_run(BROWSER, TRUNK)
    with pytest.raises(ValueError, match="waiting"):
        run.pipeline.send_digits("1" * (MAX_DIGITS + 1), 0.1, 0.1, 0.0)
    with pytest.raises(ValueError, match="120"):
        run.pipeline.send_digits("1" * 50, 2.0, 0.5, 0.0)
    with pytest.raises(ValueError, match="not a string"):
        run.pipeline.send_digits("1x", 0.1, 0.1, 0.0)
    assert run.pipeline.next_deadline() is None


@pytest.mark.parametrize(("source", "sink"), ALL_PAIRS)
def test_a_held_leg_does_not_hear_digits_but_they_are_reported(source: LegCodec, sink: LegCodec) -> None:
    arrivals = press(source, list(talk(source.codec, 1.0)), 20, "5")
    run = open_run(source, sink).feed(arrivals[:22])  # one event packet was on its way already

    run.pipeline.set_muted(True, run.now)
    run.feed(arrivals[22:24])
    run.pipeline.set_muted(False, run.now)
    run.feed(arrivals[24:])

    assert [digit for digit, _ in run.digits] == ["5"]
    assert len(events(run)) == 2
    assert {step for step, _ in steps(run.packets)} == {1}


def test_renegotiation_takes_the_event_payload_type_along() -> None:
    run = open_run(TRUNK, TRUNK).feed(talk(PCMU, 0.2))

    run.pipeline.set_codecs(TRUNK, LegCodec(PCMU, (120, 8000)), run.now)
    run.feed(arrival for arrival in press(TRUNK, list(talk(PCMU, 0.6)), 10, "5") if arrival[0] > run.now)

    assert [digit for digit, _ in run.digits] == ["5"]
    assert {packet.payload_type for packet in run.packets} == {0, 120}
    assert {step for step, _ in steps(run.packets)} == {1}

    run.pipeline.set_codecs(LegCodec(PCMU), LegCodec(PCMU), run.now)
    run.feed((at + 1.0, moved(packet, timestamp=8000)) for at, packet in press(TRUNK, list(talk(PCMU, 0.4)), 5, "7"))
    assert [digit for digit, _ in run.digits] == ["5"]
    assert run.pipeline.counters.packets_unknown == 7


def test_a_call_that_begins_with_a_digit_and_a_source_that_changes_in_one() -> None:
    """The first packets of a source may be events; a new SSRC may begin with one."""
    for sink in (TRUNK_ALAW, BROWSER):
        first = press(TRUNK, list(talk(PCMU, 0.6)), 0, "1")
        second = press(TRUNK, list(talk(PCMU, 0.6, start=1.0, ssrc=9, sequence=7, timestamp=99)), 0, "2")

        run = open_run(TRUNK, sink).feed([*first, *second])

        assert [digit for digit, _ in far_end_hears(run)] == ["1", "2"]
        assert {step for step, _ in steps(run.packets)} == {1}
        assert len(run.packets) > 50
