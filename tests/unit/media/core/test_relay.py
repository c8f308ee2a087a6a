"""The relay by itself: what the pipeline's tests do not reach."""

from gateway.media.core.codec import PCMU
from gateway.media.core.relay import Relay
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stream import SinkStream

SILENCE = b"\xff" * 160


def stream() -> SinkStream:
    return SinkStream(ssrc=7, first_sequence=0, first_timestamp=0, codec=PCMU, now=0.0)


def relay(sink: SinkStream | None = None, *, continuity: bool = False) -> Relay:
    return Relay(source=PCMU, sink=PCMU, stream=sink or stream(), silence=SILENCE, needs_continuity=continuity)


def packet(number: int, *, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, number & 0xFFFF, 160 * number & 0xFFFFFFFF, ssrc, False, b"\x00" * 160)


def sequences(stage: Relay, numbers: list[int]) -> list[int]:
    return [out.sequence for number in numbers for out in stage.receive(packet(number), 0.02 * number)]


def test_packets_after_one_that_was_left_out_move_up() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(12), 0.24)

    assert sequences(stage, [13, 14]) == [2, 3]


def test_a_loss_beside_one_that_was_left_out_stays_a_loss() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(13), 0.26)

    assert sequences(stage, [14]) == [3]


def test_what_was_overtaken_by_one_that_was_left_out_is_not_sent_with_a_used_number() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(13), 0.26)

    assert sequences(stage, [12]) == []
    assert stage.packets_late == 1


def test_a_late_packet_that_is_left_out_changes_nothing() -> None:
    stage = relay()
    sequences(stage, [10, 12])
    stage.skip(packet(11), 0.26)

    assert sequences(stage, [13]) == [3]


def test_one_that_is_left_out_and_has_a_number_that_was_used_changes_nothing() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(11), 0.24)

    assert sequences(stage, [12]) == [2]


def test_a_source_that_begins_with_what_is_left_out_begins_after_it() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(500, ssrc=2), 0.24)

    out = stage.receive(packet(501, ssrc=2), 0.26)

    assert [(p.sequence, p.timestamp, p.marker) for p in out] == [
        (2, 1600 + 320, True)
    ]  # the stream began 200 ms before its first packet


def test_what_came_before_a_restart_is_not_sent_with_a_number_of_before() -> None:
    stage = relay()
    sequences(stage, [10, 11])
    stage.skip(packet(9000), 0.24)

    assert sequences(stage, [8999]) == []
    assert sequences(stage, [9001]) == [2]


def test_what_was_overtaken_by_one_that_came_too_late_is_too_late_as_well() -> None:
    sink = stream()
    stage = relay(sink, continuity=True)
    sequences(stage, [0, 1])
    for _ in range(8):
        stage.silence()

    assert stage.receive(packet(3), 0.2) == []
    assert stage.receive(packet(2), 0.2) == []
    assert [p.sequence for p in stage.receive(packet(10), 0.2)] == [10]


def test_what_is_far_behind_is_late_and_what_is_farther_is_a_restart() -> None:
    stage = relay()
    sequences(stage, [200])

    assert sequences(stage, [200 - 80]) == []
    assert [p.marker for p in stage.receive(packet(200 - 150), 4.0)] == [True]


def test_what_comes_after_much_else_was_put_into_the_stream_is_too_late() -> None:
    stage = relay(continuity=True)
    sent = sequences(stage, [100, 120])
    sent += [stage.silence().sequence for _ in range(50)]

    assert sequences(stage, [106, 107]) == [7]
    assert max(sent) - 7 == 63
    assert stage.packets_late == 1


def test_a_hole_after_something_else_is_filled_if_the_stream_may_not_pause() -> None:
    for continuity, expected in ((True, [3, 4, 5, 6]), (False, [3])):
        sink = stream()
        stage = relay(sink, continuity=continuity)
        sequences(stage, [0, 1])
        sink.append(b"digit", 160)

        out = stage.receive(packet(6), 0.12)

        assert [p.sequence for p in out] == expected
        assert out[-1].timestamp == 6 * 160
        assert [p.payload for p in out[:-1]] == [SILENCE] * (len(expected) - 1)
        assert sink.silence_sent == len(expected) - 1


def test_a_relay_holds_nothing_back() -> None:
    stage = relay()

    assert stage.flush(0.0) == []
    assert stage.handle_timeout(0.0) == []
    assert stage.next_deadline() is None
