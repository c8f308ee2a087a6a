"""One direction of a call, in virtual time: every pair of codecs, loss, disorder, pauses, hold, renegotiation."""

import itertools
import tracemalloc
from dataclasses import replace

import pytest

from gateway.media.codecs import registry
from gateway.media.codecs.interface import UnsupportedCodec
from gateway.media.core import music, tones
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, Codec, LegCodec
from gateway.media.core.rtp import RtpPacket
from gateway.media.engine import Sound
from gateway.media.sounds import encoded
from tests.unit.media.virtual import (
    FIRST_SEQUENCE,
    FIRST_TIMESTAMP,
    FRAME,
    SINK_SSRC,
    Arrival,
    Run,
    moved,
    native_rate,
    open_run,
    sound,
    steps,
    talk,
)

pytestmark = pytest.mark.usefixtures("implementation")

CODECS = (OPUS, PCMU, PCMA, G722)
PAIRS = [
    pytest.param(source, sink, id=f"{source.name}-{sink.name}") for source, sink in itertools.product(CODECS, CODECS)
]
PASS_THROUGH = [pytest.param(codec, id=codec.name) for codec in CODECS]
TRANSCODED = [
    pytest.param(OPUS, PCMU, id="opus-PCMU"),
    pytest.param(PCMU, OPUS, id="PCMU-opus"),
    pytest.param(G722, PCMA, id="G722-PCMA"),
]
BOTH = [
    pytest.param(OPUS, OPUS, id="relay"),
    pytest.param(PCMU, OPUS, id="transcoder"),
    pytest.param(PCMU, PCMA, id="translation"),
]


def frame_ticks(codec: Codec) -> int:
    return codec.clock_rate // 50


def assert_continuous(run: Run) -> None:
    ticks = frame_ticks(run.pipeline.sink.codec)
    assert set(steps(run.packets)) == {(1, ticks)}


def assert_never_pauses(run: Run, *, longest: float = 0.061) -> None:
    times = [0.0, *(at for at, _ in run.sent)]
    assert max(after - before for before, after in itertools.pairwise(times)) <= longest


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_a_tone_keeps_its_frequency_and_level(source: Codec, sink: Codec) -> None:
    run = open_run(source, sink).feed(talk(source, 1.0))

    rate = native_rate(sink)
    heard = sound(run.packets, sink)[rate:]
    assert tones.power(heard, 1000.0, rate=rate) == pytest.approx(-10.0, abs=1.0)
    assert tones.loudness(heard) == pytest.approx(-10.0, abs=1.0)
    assert len(run.packets) == 50
    assert_continuous(run)


@pytest.mark.parametrize(("source", "sink"), PAIRS)
def test_a_packet_in_order_goes_out_at_once(source: Codec, sink: Codec) -> None:
    arrivals = list(talk(source, 0.4))

    run = open_run(source, sink).feed(arrivals)

    assert [at for at, _ in run.sent] == [at for at, _ in arrivals]


@pytest.mark.parametrize("codec", PASS_THROUGH)
def test_pass_through_changes_the_header_only(codec: Codec) -> None:
    sink = replace(codec, payload_type=120)
    arrivals = list(talk(codec, 0.2))

    run = open_run(codec, sink).feed(arrivals)

    assert not run.pipeline.is_transcoding
    assert [packet.payload for packet in run.packets] == [packet.payload for _, packet in arrivals]
    assert {(packet.ssrc, packet.payload_type) for packet in run.packets} == {(SINK_SSRC, 120)}
    assert (run.packets[0].sequence, run.packets[0].timestamp) == (FIRST_SEQUENCE, FIRST_TIMESTAMP)
    assert [packet.marker for packet in run.packets] == [True] + [False] * 9
    assert_continuous(run)


def test_pass_through_hands_on_loss_and_disorder() -> None:
    arrivals = list(talk(OPUS, 0.2))
    order = [0, 1, 3, 2, 5, 8, 9]  # 2 overtaken, 4 6 7 lost

    run = open_run(OPUS, OPUS).feed((arrivals[n][0], arrivals[n][1]) for n in order)

    assert [(packet.sequence - FIRST_SEQUENCE) & 0xFFFF for packet in run.packets] == order
    assert [(packet.timestamp - FIRST_TIMESTAMP) & 0xFFFFFFFF for packet in run.packets] == [960 * n for n in order]


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_a_packet_that_comes_twice_goes_out_once(source: Codec, sink: Codec) -> None:
    arrivals = [arrival for arrival in talk(source, 0.2) for _ in range(2)]

    run = open_run(source, sink).feed(arrivals)

    assert len(run.packets) == 10
    assert run.pipeline.counters.packets_late == 10
    assert_continuous(run)


@pytest.mark.parametrize(("source", "sink"), TRANSCODED)
def test_a_transcoder_makes_up_for_five_percent_of_loss_and_for_disorder(source: Codec, sink: Codec) -> None:
    arrivals = list(talk(source, 4.0))
    for index in range(7, 190, 20):  # ten pairs change places, each 10 ms after the later one's time
        (at, first), (_, second) = arrivals[index], arrivals[index + 1]
        arrivals[index], arrivals[index + 1] = (at + FRAME, second), (at + 1.5 * FRAME, first)
    arrivals = [arrival for index, arrival in enumerate(arrivals) if index % 20 != 15]

    run = open_run(source, sink).feed(sorted(arrivals, key=lambda arrival: arrival[0]))
    run.until(4.2)

    assert_continuous(run)
    assert len(run.packets) == 199 + (arrivals[-1][1].sequence == (65500 + 199) & 0xFFFF)
    assert run.pipeline.counters.frames_concealed == 10
    assert run.pipeline.stats.packets_lost == 10
    rate = native_rate(sink)
    assert tones.power(sound(run.packets, sink), 1000.0, rate=rate) == pytest.approx(-10.0, abs=1.0)
    delays = [at - index * FRAME for index, (at, _) in enumerate(run.sent)]
    assert max(delays) <= 0.061


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_towards_a_browser_silence_flows_before_the_source_speaks_and_after_it_stopped(
    source: Codec, sink: Codec
) -> None:
    run = open_run(source, sink, continuity=True)
    run.feed(talk(source, 1.0, start=0.5))
    run.until(3.0)

    assert_never_pauses(run)
    assert_continuous(run)
    assert len(run.packets) == pytest.approx(150, abs=2)
    assert run.pipeline.counters.silence_sent == pytest.approx(100, abs=2)
    rate = native_rate(sink)
    heard = sound(run.packets, sink)
    assert tones.loudness(heard[: rate // 2]) < -60
    assert tones.power(heard[rate + rate // 2 : 2 * rate + rate // 2], 1000.0, rate=rate) == pytest.approx(-10, abs=1)
    assert tones.loudness(heard[-2 * rate :]) < -60


@pytest.mark.parametrize(("source", "sink"), [*PAIRS])
def test_silence_towards_a_browser_is_silent_in_every_codec(source: Codec, sink: Codec) -> None:
    run = open_run(source, sink, continuity=True)

    run.until(1.01)

    assert len(run.packets) == 51
    assert tones.loudness(sound(run.packets, sink)) < -60
    assert_continuous(run)


@pytest.mark.parametrize(
    ("source", "sink", "minutes"),
    [pytest.param(OPUS, OPUS, 10, id="relay"), pytest.param(PCMU, G722, 3, id="transcoder")],
)
def test_ten_minutes_of_speech_with_pauses_leave_no_drift(source: Codec, sink: Codec, minutes: int) -> None:
    """Talkspurts of odd lengths, pauses that are no multiple of a frame, jitter: timestamps stay with the clock."""
    packet = next(iter(talk(source, FRAME)))[1]
    tick = source.clock_rate / 1000
    run = open_run(source, sink, continuity=True)
    begin_ms, sequence, offsets = 3, 0, []
    while begin_ms < minutes * 60_000:
        for index in range(20 + sequence % 17):
            at_ms = begin_ms + 20 * index
            jitter_ms = (sequence * 7) % 11
            arrival = moved(packet, sequence=sequence, timestamp=round(at_ms * tick))
            run.feed([((at_ms + jitter_ms) / 1000, arrival)])
            sequence += 1
        begin_ms = at_ms + 150 + (sequence * 13) % 1000
        offsets.append(played_seconds(run) - run.now)

    assert_never_pauses(run)
    assert_continuous(run)
    assert max(offsets) - min(offsets) < 0.045
    assert abs(offsets[-1] - offsets[0]) < 0.03


def played_seconds(run: Run) -> float:
    """How much of the sink's timeline has gone out."""
    return len(run.packets) * FRAME


def test_packets_held_up_in_the_network_do_not_push_the_timeline_ahead() -> None:
    """Ten times, 200 ms of packets arrive all at once: the first time silence has taken their place already."""
    arrivals: list[Arrival] = []
    for at, packet in talk(PCMU, 10.0):
        phase = at % 1.0
        arrivals.append((at - phase + 0.7 if 0.5 <= phase < 0.7 else at, packet))

    for sink in (PCMU, OPUS):
        run = open_run(PCMU, sink, continuity=True).feed(arrivals)

        assert_continuous(run)
        assert_never_pauses(run, longest=0.221)
        assert abs(played_seconds(run) - run.now) < 0.085


@pytest.mark.parametrize("sink", [PCMU, OPUS], ids=["relay", "transcoder"])
def test_a_source_whose_clock_stood_still_in_a_pause_is_heard_again_after_a_frame(sink: Codec) -> None:
    arrivals = list(talk(PCMU, 1.0))
    late = [(at + 0.4, packet) for at, packet in arrivals[25:]]

    run = open_run(PCMU, sink, continuity=True).feed([*arrivals[:25], *late])

    assert_continuous(run)
    assert run.pipeline.counters.packets_late == 1
    assert abs(played_seconds(run) - run.now) < 0.085


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_a_new_source_goes_on_in_the_same_stream(source: Codec, sink: Codec) -> None:
    first = talk(source, 0.4)
    second = talk(source, 0.4, start=0.4, ssrc=99, sequence=4711, timestamp=1_000_000)
    third = talk(source, 0.4, start=0.8, ssrc=99, sequence=41, timestamp=7)  # same SSRC, but it jumps

    run = open_run(source, sink).feed([*first, *second, *third])

    assert_continuous(run)
    assert len(run.packets) == 60
    assert [index for index, packet in enumerate(run.packets) if packet.marker] == [0, 20, 40]


@pytest.mark.parametrize(("source", "sink"), BOTH)
@pytest.mark.parametrize("continuity", [True, False])
def test_hold_is_paced_silence_without_a_jump(source: Codec, sink: Codec, continuity: bool) -> None:
    arrivals = list(talk(source, 3.0))
    run = open_run(source, sink, continuity=continuity).feed(arrivals[:50])

    run.pipeline.set_muted(True, run.now)
    run.feed(arrivals[50:100])
    held = len(run.packets)
    run.pipeline.set_muted(False, run.now)
    run.feed(arrivals[100:])

    assert_continuous(run)
    assert_never_pauses(run, longest=0.041)
    rate = native_rate(sink)
    assert tones.loudness(sound(run.packets, sink)[2 * rate + rate // 4 : 4 * rate - rate // 4]) < -60
    assert held == pytest.approx(100, abs=1)
    assert len(run.packets) == pytest.approx(150, abs=2)
    assert tones.power(sound(run.packets[-40:], sink)[rate // 4 :], 1000.0, rate=rate) == pytest.approx(-10, abs=1.5)


@pytest.mark.parametrize(("source", "sink"), BOTH)
@pytest.mark.parametrize("continuity", [True, False])
def test_hold_music_is_heard_in_the_same_stream_without_a_jump(source: Codec, sink: Codec, continuity: bool) -> None:
    arrivals = list(talk(source, 4.0))
    run = open_run(source, sink, continuity=continuity).feed(arrivals[:50])

    run.pipeline.set_muted(True, run.now)
    run.pipeline.play(encoded(Sound.MUSIC, sink.name))
    run.feed(arrivals[50:150])
    run.pipeline.set_muted(False, run.now)
    run.pipeline.play(())
    run.feed(arrivals[150:])

    assert_continuous(run)
    assert_never_pauses(run, longest=0.041)
    rate = native_rate(sink)
    held = sound(run.packets, sink)[2 * rate : 6 * rate]
    for note, frequency in enumerate(music.pitches_of(0, 4)):
        begin = note * rate  # two bytes a sample, half a second a note
        heard = held[begin + rate // 4 : begin + rate // 2]
        assert tones.power(heard, frequency, rate=rate) > tones.loudness(heard) - 4.0
        assert tones.power(heard, 1000.0, rate=rate) < -30.0
    assert tones.power(sound(run.packets[-40:], sink)[rate // 4 :], 1000.0, rate=rate) == pytest.approx(-10, abs=1.5)


def test_twelve_minutes_of_music_and_the_source_goes_on_where_the_stream_is() -> None:
    run = open_run(OPUS, PCMU, continuity=True).feed(talk(OPUS, 1.0))
    run.pipeline.set_muted(True, run.now)
    run.pipeline.play(encoded(Sound.MUSIC, "PCMU"))
    run.until(721.0)
    held = len(run.packets)

    run.pipeline.set_muted(False, 721.0)
    run.feed(talk(OPUS, 1.0, start=721.0, sequence=65500 + 720 * 50, timestamp=2**32 - 3000 + 721 * 48000))

    assert_continuous(run)
    assert_never_pauses(run, longest=0.061)
    assert held == pytest.approx(721 * 50, abs=3)
    assert tones.power(sound(run.packets[-30:], PCMU)[4000:], 1000.0) == pytest.approx(-10, abs=1.5)


def test_sound_of_another_codec_ends_when_the_codec_changes() -> None:
    run = open_run(OPUS, PCMU)
    run.pipeline.set_muted(True, 0.0)
    run.pipeline.play(encoded(Sound.RINGBACK, "PCMU"))
    run.until(1.0)

    run.pipeline.set_codecs(LegCodec(OPUS), LegCodec(PCMA), run.now)
    run.until(2.0)

    assert_continuous(run)
    assert tones.loudness(sound([packet for packet in run.packets if packet.payload_type == 0][5:], PCMU)) > -20
    assert tones.loudness(sound([packet for packet in run.packets if packet.payload_type == 8], PCMA)) < -60


def test_hold_lasts_for_as_long_as_it_takes_without_drift() -> None:
    run = open_run(OPUS, OPUS)
    run.pipeline.set_muted(True, 0.0)

    run.until(600.0)

    assert_continuous(run)
    assert [at for at, _ in run.sent] == pytest.approx([index * FRAME for index in range(30001)], abs=1e-6)


def test_a_process_that_stood_still_sends_no_burst() -> None:
    run = open_run(OPUS, OPUS, continuity=True)
    run.until(1.0)
    before = len(run.packets)

    run.now = 6.0
    run.take(run.pipeline.handle_timeout(6.0))
    run.until(6.5)

    assert len(run.packets) - before == pytest.approx(25, abs=2)
    jump = (run.packets[before].timestamp - run.packets[before - 1].timestamp) & 0xFFFFFFFF
    assert jump == pytest.approx(5 * 48000, abs=2 * 960)
    assert {step for step, _ in steps(run.packets)} == {1}


def test_a_pause_towards_a_trunk_is_a_gap_of_the_timestamp_and_a_marker() -> None:
    """Discontinuous transmission: sequence numbers go on, timestamps say how long nothing was said."""
    before = list(talk(OPUS, 0.4))
    after = [
        (at + 1.0, moved(packet, sequence=20, timestamp=20 * 960 + 48000))
        for at, packet in ((at + 0.4, packet) for at, packet in talk(OPUS, 0.4))
    ]
    for sink in (OPUS, PCMU):
        run = open_run(OPUS, sink).feed([*before, *after])

        assert {step for step, _ in steps(run.packets)} == {1}
        assert sum(ticks for _, ticks in steps(run.packets)) == pytest.approx(1.78 * sink.clock_rate, abs=1)
        assert [index for index, packet in enumerate(run.packets) if packet.marker] == [0, 20]


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_renegotiation_goes_on_in_the_same_stream(source: Codec, sink: Codec) -> None:
    run = open_run(source, sink, continuity=True).feed(talk(source, 0.4))
    before = len(run.packets)

    run.pipeline.set_codecs(LegCodec(PCMA), LegCodec(PCMU), run.now)
    run.feed(talk(PCMA, 0.4, start=0.4, ssrc=5, sequence=9))

    last, following = run.packets[before - 1 : before + 1]
    assert (following.sequence - last.sequence) & 0xFFFF == 1
    assert (following.timestamp - last.timestamp) & 0xFFFFFFFF == frame_ticks(sink)
    assert (following.ssrc, following.payload_type) == (SINK_SSRC, 0)
    assert set(steps(run.packets[before:])) == {(1, 160)}
    assert len(run.packets) == before + 20
    assert tones.power(sound(run.packets[before:], PCMU), 1000.0) == pytest.approx(-10, abs=1)


def test_renegotiation_to_the_same_codecs_changes_nothing() -> None:
    arrivals = list(talk(PCMU, 0.4))
    run = open_run(PCMU, OPUS).feed(arrivals[:10])

    run.pipeline.set_codecs(LegCodec(PCMU), LegCodec(OPUS), run.now)
    run.feed(arrivals[10:])

    assert_continuous(run)
    assert sum(packet.marker for packet in run.packets) == 1


def test_renegotiation_to_an_unknown_codec_is_refused_and_the_call_goes_on() -> None:
    arrivals = list(talk(PCMU, 0.4))
    run = open_run(PCMU, PCMU).feed(arrivals[:10])

    with pytest.raises(UnsupportedCodec):
        run.pipeline.set_codecs(LegCodec(Codec(name="G729", payload_type=18, clock_rate=8000)), LegCodec(PCMU), run.now)
    run.feed(arrivals[10:])

    assert_continuous(run)
    assert len(run.packets) == 20


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_comfort_noise_and_unknown_payload_types_are_left_out_without_a_trace(source: Codec, sink: Codec) -> None:
    arrivals = []
    for index, (at, packet) in enumerate(talk(source, 1.0)):
        if index % 10 == 4:
            packet = replace(packet, payload_type=13, payload=b"\x40")
        elif index % 10 == 5:
            packet = replace(packet, payload_type=77)
        arrivals.append((at, packet))

    run = open_run(source, sink).feed(arrivals)

    assert {step for step, _ in steps(run.packets)} == {1}
    assert run.pipeline.counters.packets_unknown == 5
    assert sum(ticks for _, ticks in steps(run.packets)) == 49 * frame_ticks(sink)
    assert run.pipeline.counters.frames_concealed == 0


@pytest.mark.parametrize("ptime", [0.010, 0.030, 0.040, 0.060])
def test_packets_of_another_length_are_cut_anew_by_a_transcoder(ptime: float) -> None:
    run = open_run(PCMU, OPUS, continuity=True).feed(talk(PCMU, 1.2, ptime=ptime))

    assert_continuous(run)
    assert run.pipeline.counters.silence_sent == 1  # before the first packet
    assert len(run.packets) == pytest.approx(61, abs=2)
    assert tones.power(sound(run.packets, OPUS)[48000:], 1000.0, rate=48000) == pytest.approx(-10, abs=1)


@pytest.mark.parametrize(("sink", "ptime"), [(PCMU, 0.030), (OPUS, 0.060), (G722, 0.040)])
def test_a_sink_gets_the_packet_length_that_it_wished(sink: Codec, ptime: float) -> None:
    run = open_run(PCMA if sink is not PCMU else OPUS, replace(sink, ptime=ptime))
    run.feed(talk(run.pipeline.source.codec, 1.2))

    assert set(steps(run.packets)) == {(1, round(ptime * sink.clock_rate))}
    assert len(run.packets) == round(1.2 / ptime)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_garbage_in_the_payload_does_not_stop_the_call(codec: Codec) -> None:
    sink = PCMU if codec is not PCMU else OPUS
    arrivals = list(talk(codec, 1.0))
    for index, garbage in enumerate((b"", b"\xff", b"\xff\xff\xff", bytes(1400), b"\x03\x3f" * 300)):
        at, packet = arrivals[10 + 3 * index]
        arrivals[10 + 3 * index] = at, replace(packet, payload=garbage)

    run = open_run(codec, sink, continuity=True).feed(arrivals)
    run.until(2.0)

    assert {step for step, _ in steps(run.packets)} == {1}
    assert abs(played_seconds(run) - run.now) < 0.4


def test_what_is_held_is_bounded() -> None:
    """A gap that never closes, and a flood behind it."""
    arrivals = list(talk(PCMU, 4.0))
    run = open_run(PCMU, OPUS).feed([arrivals[0]])

    for _, packet in arrivals[2:]:
        run.take(run.pipeline.receive(packet, 0.001))

    assert len(run.packets) >= len(arrivals) - 70


def test_a_source_whose_timestamps_stand_still_is_heard_nevertheless() -> None:
    arrivals = [(at, replace(packet, timestamp=1000)) for at, packet in talk(PCMU, 2.0)]

    run = open_run(PCMU, OPUS, continuity=True).feed(arrivals)

    assert {step for step, _ in steps(run.packets)} == {1}
    assert tones.loudness(sound(run.packets, OPUS)[96000:]) > -20


def test_a_closed_pipeline_is_silent_and_may_be_closed_again() -> None:
    run = open_run(PCMU, OPUS, continuity=True).feed(talk(PCMU, 0.1))
    sent = len(run.packets)

    run.pipeline.close()
    run.pipeline.close()
    run.feed(talk(PCMU, 0.1, start=0.1))
    run.until(1.0)

    assert len(run.packets) == sent
    assert run.pipeline.next_deadline() is None
    assert run.pipeline.handle_timeout(2.0) == []
    run.pipeline.set_codecs(LegCodec(PCMA), LegCodec(PCMA), 2.0)


def test_minutes_of_a_bad_network_leave_nothing_behind() -> None:
    """Memory after 20 s is memory after 120 s: loss, disorder, pauses and digits included."""
    packet = next(iter(talk(PCMU, FRAME)))[1]
    run = open_run(LegCodec(PCMU, (101, 8000)), LegCodec(OPUS, (126, 48000)), continuity=True)
    sizes = []
    tracemalloc.start()
    for index in range(6000):
        if index % 13 and index % 500 < 400:
            swapped = index ^ 1 if index % 7 == 0 else index
            arrival = moved(packet, sequence=swapped, timestamp=160 * swapped)
            if index % 100 < 5:
                payload = bytes((index // 100 % 10, 10)) + (160 * (index % 100 + 1)).to_bytes(2, "big")
                arrival = replace(arrival, payload_type=101, timestamp=index // 100 * 16000, payload=payload)
            run.feed([(0.02 * index, arrival)])
        run.sent.clear()
        if index % 1000 == 999:
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert max(sizes[1:]) - sizes[0] < 30_000


def test_sender_reports_describe_the_stream() -> None:
    run = open_run(PCMU, PCMA)
    assert run.pipeline.sender_info(0.0) is None

    run.feed(talk(PCMU, 0.4))

    info = run.pipeline.sender_info(0.38)
    assert info is not None
    assert (info.packet_count, info.octet_count) == (20, 3200)
    assert info.rtp_timestamp == run.packets[-1].timestamp


def test_the_same_payload_length_means_the_same_time_in_every_codec() -> None:
    for codec in CODECS:
        assert len(sound([RtpPacket(codec.payload_type, 0, 0, 0, False, registry.silence(codec))], codec)) == (
            2 * native_rate(codec) // 50
        )


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_source_that_falls_silent_is_replaced_by_silence_after_the_longest_pause(source: Codec, sink: Codec) -> None:
    run = open_run(source, sink, longest_pause=0.15)
    run.until(1.0)
    assert run.sent == [], "nothing before the source has spoken"
    run.feed(talk(source, 1.0, start=1.0))
    spoken = len(run.sent)
    run.until(5.0)

    times = [at for at, _ in run.sent]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) < 0.15 + 3 * FRAME
    assert len(run.sent) - spoken == pytest.approx(3.0 / FRAME, abs=12)
    assert {(after.sequence - before.sequence) & 0xFFFF for before, after in itertools.pairwise(run.packets)} == {1}


@pytest.mark.parametrize(("source", "sink"), BOTH)
def test_another_source_after_a_pause_goes_on_in_the_same_stream(source: Codec, sink: Codec) -> None:
    run = open_run(source, sink, longest_pause=0.15)
    run.feed(talk(source, 1.0))
    run.feed(talk(source, 1.0, start=4.0, ssrc=2, sequence=7, timestamp=99, frequency=700.0))
    run.until(5.2)

    sequence_steps = {(after.sequence - before.sequence) & 0xFFFF for before, after in itertools.pairwise(run.packets)}
    assert sequence_steps == {1}
    ticks = sum(step for _, step in steps(run.packets))
    assert ticks / sink.clock_rate == pytest.approx(run.sent[-1][0] - run.sent[0][0], abs=0.1), "in step with the clock"
    last = sound(run.packets[-25:], sink)
    assert tones.power(last, 700.0, rate=native_rate(sink)) > -20.0


def test_source_that_is_late_by_less_than_the_longest_pause_is_passed_on_as_it_is() -> None:
    arrivals = list(talk(PCMU, 2.0))
    late = [(at + (0.12 if 50 <= n < 60 else 0.0), packet) for n, (at, packet) in enumerate(arrivals)]
    run = open_run(PCMU, PCMU, longest_pause=0.15).feed(sorted(late, key=lambda arrival: arrival[0]))

    assert run.pipeline.counters.silence_sent == 0
    assert len(run.sent) == len(arrivals)
