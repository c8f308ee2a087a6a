"""A pipeline under anything that a network, a peer and call control can do, in any order."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, LegCodec
from gateway.media.core.dtmf import event_packet
from gateway.media.core.grace import MAX_GRACE, MIN_GRACE
from gateway.media.core.rtp import RtpPacket
from tests.unit.media.virtual import FIRST_SEQUENCE, SINK_SSRC, open_run, tone_payloads

pytestmark = pytest.mark.usefixtures("implementation")

LEGS = (
    LegCodec(OPUS, (126, 48000)),
    LegCodec(OPUS, (110, 8000)),
    LegCodec(PCMU, (101, 8000)),
    LegCodec(PCMA),
    LegCodec(G722, (101, 8000)),
)
legs = st.sampled_from(LEGS)


@dataclass(frozen=True)
class Step:
    """One thing that happens after `pause` seconds."""

    pause: float
    what: str
    sequence: int = 0
    timestamp: int = 0
    ssrc: int = 1
    payload: bytes = b""
    source: LegCodec = LEGS[0]
    sink: LegCodec = LEGS[0]


pauses = st.one_of(st.just(0.02), st.just(0.02), st.floats(0, 0.1), st.floats(0, 3))
steps_of_a_call = st.lists(
    st.builds(
        Step,
        pauses,
        st.sampled_from(["audio"] * 8 + ["event"] * 3 + ["noise", "other", "mute", "unmute", "digits", "codecs"]),
        sequence=st.one_of(st.just(1), st.just(1), st.integers(-3, 5), st.integers(-40000, 40000)),
        timestamp=st.one_of(st.just(0), st.just(0), st.integers(-3000, 3000), st.integers(-(2**31), 2**31)),
        ssrc=st.sampled_from([1, 1, 1, 1, 2]),
        payload=st.one_of(st.none(), st.none(), st.binary(max_size=40)),
        source=legs,
        sink=legs,
    ),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(legs, legs, st.booleans(), st.booleans(), steps_of_a_call)
def test_nothing_breaks_the_stream_towards_the_sink(
    source: LegCodec, sink: LegCodec, continuity: bool, plays_digits: bool, steps: list[Step]
) -> None:
    run = open_run(source, sink, continuity=continuity, plays_digits=plays_digits)
    sequence = 0
    for step in steps:
        run.until(run.now + step.pause)
        pipeline = run.pipeline
        source = pipeline.source
        sequence = (sequence + step.sequence) & 0xFFFF
        timestamp = (round(run.now * source.codec.clock_rate) + step.timestamp) & 0xFFFFFFFF
        payload = step.payload or tone_payloads(source.codec, 50, 1000.0, 0.02)[sequence % 50]
        match step.what:
            case "mute" | "unmute":
                pipeline.set_muted(step.what == "mute", run.now)
            case "digits" if pipeline.takes_digits:
                pipeline.send_digits("12", 0.06, 0.06, run.now)
            case "codecs":
                pipeline.set_codecs(step.source, step.sink, run.now)
            case "event" if source.telephone_event is not None:
                payload = step.payload or event_packet(5, 160 * (sequence % 9 + 1), is_end=sequence % 3 == 0)[0]
                packet = RtpPacket(source.telephone_event[0], sequence, timestamp // 8000, step.ssrc, False, payload)
                run.take(pipeline.receive(packet, run.now))
            case "noise" | "other":
                packet = RtpPacket(13 if step.what == "noise" else 77, sequence, timestamp, step.ssrc, False, b"x")
                run.take(pipeline.receive(packet, run.now))
            case _:
                packet = RtpPacket(source.codec.payload_type, sequence, timestamp, step.ssrc, False, payload)
                run.take(pipeline.receive(packet, run.now))
    run.until(run.now + 1.0)
    run.pipeline.close()

    sent = [(packet.sequence - FIRST_SEQUENCE) & 0xFFFF for packet in run.packets]
    assert len(set(sent)) == len(sent), "SRTP would refuse a sequence number that it has seen"
    assert all(packet.ssrc == SINK_SSRC for packet in run.packets)
    assert all(0 <= packet.timestamp < 2**32 and 0 <= packet.payload_type < 128 for packet in run.packets)
    highest = -1
    for number in sent:
        assert number > highest - 64, "disorder is passed on, but never more than a receiver's replay window"
        highest = max(highest, number)
    if continuity:
        times = [0.0, *(at for at, _ in run.sent), run.now]
        longest = max(after - before for before, after in pairwise(times))
        assert longest <= 0.2 + MAX_GRACE - MIN_GRACE, "RTP towards a browser never pauses"
