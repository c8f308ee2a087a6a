"""What is heard behind a network that loses, delays, reorders and doubles packets, measured; time is a number."""

import functools
import io
import math
import wave
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from gateway.media._native import NativeDecoder, NativeEncoder, NativePipeline, NativeRecorder
from gateway.media.core import tones
from gateway.media.core.rtp import RtpPacket, parse, sequence_delta, serialize, timestamp_delta
from tests.harness.bad_network import Network, Weather

FRAME: Final = 0.02
PACKETS: Final = 400
"""Of each talk: eight seconds."""
TONE: Final = 500.0
AUDIBLE: Final = -30.0
"""dB of full scale; the tone has -10."""
BEGIN: Final = 1000.0
OPUS: Final = ("opus", 111, 48000, 2, {"useinbandfec": "1"}, FRAME, None)
PCMU: Final = ("PCMU", 0, 8000, 1, dict[str, str](), FRAME, None)
CLOCKS: Final = {"opus": 48000, "PCMU": 8000}
RATE: Final = 8000
WIDE: Final = 16000

CLEAN: Final = Weather()
QUEUE: Final = Weather(jitter=0.200)
SCATTERED: Final = Weather(jitter=0.200, keeps_order=False)
ALL: Final = Weather(loss=0.05, jitter=0.040, reorder=0.05, duplicate=0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came out.

    Attributes:
        frames: of 20 ms, from the first to the last with sound.
        holes: of them, those without.
        longest_hole: holes in a row.
        level: of the tone, mean of all frames, dB of full scale; what is no tone does not count.
        concealed: share of the frames that the decoder made up.
        late: packets that came twice or after their time.
        lost, longest_loss: what the network lost, in all and in a row.
    """

    frames: int
    holes: int
    longest_hole: int
    level: float
    concealed: float
    late: int
    lost: int
    longest_loss: int


@functools.cache
def payloads(kind: str) -> list[bytes]:
    """The tone, as a browser or a trunk encodes it."""
    leg, rate = (OPUS, WIDE) if kind == "opus" else (PCMU, RATE)
    encoder, pcm, size = NativeEncoder(leg, rate), tones.tone(TONE, seconds=PACKETS * FRAME, rate=rate), rate // 25
    return [encoder.encode(pcm[at : at + size]) for at in range(0, PACKETS * size, size)]


def arriving(kind: str, network: Network) -> list[tuple[float, bytes]]:
    """Datagrams with the moments at which they come out of the network, in that order."""
    number = 111 if kind == "opus" else 0
    out = []
    for index, payload in enumerate(payloads(kind)):
        packet = RtpPacket(number, index, index * CLOCKS[kind] // 50, 1, index == 0, payload)
        out += [(at, serialize(packet)) for at in network.arrivals(BEGIN + index * FRAME)]
    return sorted(out, key=lambda arrival: arrival[0])


def talked(source: str, sink: str, network: Network) -> tuple[list[RtpPacket], NativePipeline]:
    """What the far end of `sink` gets while the source talks, and for a second after it."""
    legs = {"opus": OPUS, "PCMU": PCMU}
    pipeline = NativePipeline(
        *(legs[source], legs[sink]),
        ssrc=2, first_sequence=0, first_timestamp=0, now=BEGIN, needs_continuity=sink == "opus",
    )  # fmt: skip
    out = list[bytes]()

    def pass_time(until: float) -> None:
        while (deadline := pipeline.next_deadline()) is not None and deadline <= until:
            out.extend(pipeline.handle_timeout(deadline)[0])

    for at, datagram in arriving(source, network):
        pass_time(at)
        out.extend(pipeline.receive(datagram, at)[0])
    pass_time(BEGIN + PACKETS * FRAME + 1.0)
    return [parse(datagram) for datagram in out], pipeline


def call(source: str, sink: str, weather: Weather, seed: int = 1) -> Heard:
    network = Network(weather, seed)
    packets, pipeline = talked(source, sink, network)
    late, concealed = pipeline.counters[3], pipeline.counters[5]
    return judged(list(frames(packets, sink)), network, concealed=concealed, late=late)


def frames(packets: Sequence[RtpPacket], kind: str) -> Iterator[bytes]:
    """The sound, frame by frame; each packet's stands where its timestamp says, as in a receiver's buffer."""
    by_number = sorted(packets, key=lambda packet: sequence_delta(packet.sequence, packets[0].sequence))
    decoder, pcm = NativeDecoder(OPUS if kind == "opus" else PCMU, RATE), bytearray()
    for packet in by_number:
        at = 2 * timestamp_delta(packet.timestamp, by_number[0].timestamp) * RATE // CLOCKS[kind]
        pcm.extend(bytes(max(0, at - len(pcm))))
        frame = decoder.decode(packet.payload)
        pcm[at : at + len(frame)] = frame
    return (bytes(pcm[at : at + RATE // 25]) for at in range(0, len(pcm), RATE // 25))


def judged(sound: Sequence[bytes], network: Network, *, rate: int = RATE, concealed: int = 0, late: int = 0) -> Heard:
    has_sound = [tones.loudness(frame) > AUDIBLE for frame in sound]
    first, last = has_sound.index(True), len(has_sound) - has_sound[::-1].index(True)
    holes = "".join("x" if has else "." for has in has_sound[first:last]).split("x")
    power = [10.0 ** (tones.power(frame, TONE, rate=rate) / 10.0) for frame in sound[first:last]]
    return Heard(
        frames=last - first,
        holes=sum(map(len, holes)),
        longest_hole=max(map(len, holes)),
        level=10.0 * math.log10(sum(power) / len(power)),
        concealed=concealed / PACKETS,
        late=late,
        lost=network.lost,
        longest_loss=network.longest_loss,
    )


def recorded(weather: Weather, seed: int = 1) -> Heard:
    """What a recording holds of a browser."""
    network, recorder, file = Network(weather, seed), NativeRecorder(False, 1, BEGIN), bytearray()
    recorder.set_codec(True, OPUS)
    for at, datagram in arriving("opus", network):
        file += recorder.handle_timeout(at)
        recorder.receive(True, datagram, at)
    end, header = recorder.finish(BEGIN + PACKETS * FRAME + 1.0)
    file += end
    file[: len(header)] = header
    with wave.open(io.BytesIO(file)) as both:
        left = memoryview(both.readframes(both.getnframes())).cast("h")[::2].tobytes()
    return judged([left[at : at + WIDE // 25] for at in range(0, len(left), WIDE // 25)], network, rate=WIDE)


LOSSES: Final = (0.0, 0.01, 0.05, 0.20)
WAYS: Final[Mapping[str, Callable[..., Heard]]] = {
    "opus to a trunk": functools.partial(call, "opus", "PCMU"),
    "PCMU to a browser": functools.partial(call, "PCMU", "opus"),
    "PCMU passed through": functools.partial(call, "PCMU", "PCMU"),
    "opus to a recording": recorded,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_opus_to_a_trunk_has_hardly_a_hole_where_packets_are_lost(loss: float) -> None:
    heard = call("opus", "PCMU", Weather(loss=loss))

    assert abs(heard.frames - PACKETS) <= 1
    assert abs(heard.concealed - heard.lost / PACKETS) < 0.005
    assert heard.holes <= 0.1 * heard.lost
    assert heard.longest_hole <= 1
    assert heard.level > -10.5 - 10.0 * loss


@pytest.mark.parametrize("loss", LOSSES)
def test_g711_to_a_browser_is_repeated_where_packets_are_lost(loss: float) -> None:
    heard = call("PCMU", "opus", Weather(loss=loss))

    assert abs(heard.frames - PACKETS) <= 4
    assert heard.concealed <= heard.lost / PACKETS
    assert heard.holes <= 0.2 * heard.lost
    assert heard.longest_hole <= heard.longest_loss
    assert heard.level > -11.0


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_passed_through_lacks_what_was_lost_and_nothing_else(loss: float) -> None:
    heard = call("PCMU", "PCMU", Weather(loss=loss))

    assert abs(heard.holes - heard.lost) <= 1  # the last packet may be lost
    assert (heard.longest_hole, heard.late) == (heard.longest_loss, 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_recording_of_opus_is_neither_stretched_nor_holed_by_loss(loss: float) -> None:
    heard = recorded(Weather(loss=loss))

    assert abs(heard.frames - PACKETS) <= 6
    assert heard.holes <= 0.1 * heard.lost
    assert heard.level > -10.5 - 10.0 * loss


@pytest.mark.parametrize("way", [name for name in WAYS if name != "PCMU to a browser"])
def test_a_queue_that_delays_by_200_ms_costs_nothing(way: str) -> None:
    heard = WAYS[way](QUEUE)

    assert (heard.holes, heard.concealed, heard.late) == (0, 0.0, 0)
    assert abs(heard.frames - PACKETS) <= 6
    assert heard.level > -10.5


@pytest.mark.parametrize("seed", range(5))
def test_a_browser_misses_what_a_queue_of_200_ms_delays_only_until_it_is_known(seed: int) -> None:
    # It is owed a packet every 20 ms: what is later than the source has been before has been silence
    heard = call("PCMU", "opus", QUEUE, seed)

    assert heard.holes < 0.03 * heard.frames
    assert heard.longest_hole <= 0.2 / FRAME
    assert heard.level > -10.5


@pytest.mark.parametrize("way", WAYS)
def test_200_ms_of_jitter_that_reorders_leaves_a_stream_that_keeps_step(way: str) -> None:
    heard = WAYS[way](SCATTERED)

    assert abs(heard.frames - PACKETS) <= 12
    assert heard.holes < 0.1 * heard.frames
    assert heard.level > -13.0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_overtaken_by_two_packets_is_put_in_order(way: str) -> None:
    heard = WAYS[way](Weather(reorder=0.10))

    assert heard.holes <= 2
    assert heard.concealed < 0.10
    assert heard.level > -10.5


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_twice_is_heard_once(way: str) -> None:
    clean, heard = WAYS[way](CLEAN), WAYS[way](Weather(duplicate=0.20))

    assert (heard.frames, heard.holes, heard.level) == (clean.frames, clean.holes, clean.level)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_all_of_it_at_once_is_no_worse_than_its_parts(way: str, seed: int) -> None:
    heard = WAYS[way](ALL, seed)

    assert heard.holes <= heard.lost
    assert heard.longest_hole <= 3
    assert heard.concealed < 0.12
    assert heard.level > -11.5


def voiced(seconds: float) -> bytes:
    """Something that opus takes for a voice, as it does no tone: it has FEC for voices only."""
    count, pcm = round(seconds * WIDE), array("h")
    for index in range(count):
        time = index / WIDE
        pitch = 140.0 + 20.0 * math.sin(4.0 * math.pi * time)
        loudness = 3000.0 * (0.55 - 0.45 * math.cos(10.0 * math.pi * time))
        pcm.append(round(loudness * sum(math.sin(2.0 * math.pi * pitch * n * time) / n for n in range(1, 12))))
    return pcm.tobytes()


def test_what_the_next_packet_knows_of_a_lost_one_stands_in_its_place_or_nowhere() -> None:
    encoder, pcm = NativeEncoder(OPUS, WIDE), voiced(1.4)
    said = [encoder.encode(pcm[at : at + WIDE // 25]) for at in range(0, len(pcm), WIDE // 25)]

    def heard(lost: range) -> list[float]:
        """Loudness of the frames in place of the lost ones."""
        pipeline = NativePipeline(
            OPUS, PCMU, ssrc=2, first_sequence=0, first_timestamp=0, now=BEGIN, needs_continuity=False
        )
        out = list[bytes]()
        for index, payload in enumerate(said):
            now = BEGIN + index * FRAME
            while (deadline := pipeline.next_deadline()) is not None and deadline <= now:
                out.extend(pipeline.handle_timeout(deadline)[0])
            if index not in lost:
                packet = RtpPacket(111, index, index * 960, 1, index == 0, payload)
                out.extend(pipeline.receive(serialize(packet), now)[0])
        sound = list(frames([parse(datagram) for datagram in out], "PCMU"))
        return [tones.loudness(sound[index]) for index in lost]

    assert heard(range(57, 58))[0] > -40.0
    assert heard(range(53, 58))[4] > -40.0, "four are extrapolated, the last is known"
    assert all(level < -45.0 for level in heard(range(50, 58))[2:]), "of eight, too many to fill, the last is silence"
