"""The transcoder by itself: what the pipeline's tests do not reach."""

from dataclasses import replace

import pytest

from gateway.media.codecs import opus, registry
from gateway.media.codecs.interface import CodecError, CodecUnavailable, Decoder, Encoder
from gateway.media.core.codec import G722, OPUS, PCMU, Codec
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stream import SinkStream
from gateway.media.transcoder import Transcoder
from tests.unit.media.virtual import open_run, steps, talk


def stream(codec: Codec) -> SinkStream:
    return SinkStream(ssrc=7, first_sequence=0, first_timestamp=0, codec=codec, now=0.0)


def test_without_an_encoder_the_decoder_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Recording(opus.OpusDecoder):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def no_encoder(codec: Codec, sample_rate: int) -> Encoder:
        raise CodecUnavailable(f"{codec.name} at {sample_rate}")

    def recording(codec: Codec, sample_rate: int) -> Decoder:
        return Recording(sample_rate)

    monkeypatch.setattr(registry, "make_encoder", no_encoder)
    monkeypatch.setattr(registry, "make_decoder", recording)

    with pytest.raises(CodecUnavailable):
        Transcoder(source=OPUS, sink=PCMU, stream=stream(PCMU), needs_continuity=False)

    assert len(closed) == 1


def test_a_codec_that_cannot_even_make_up_sound_leaves_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: opus.OpusDecoder, samples: int, following: bytes | None) -> bytes:
        raise CodecError("opus decoder: internal error")

    monkeypatch.setattr(opus.OpusDecoder, "conceal", fail)
    arrivals = [arrival for index, arrival in enumerate(talk(OPUS, 0.4)) if index != 10]

    run = open_run(OPUS, PCMU, continuity=True).feed(arrivals)

    assert set(steps(run.packets)) == {(1, 160)}
    assert b"\xff" * 160 in [packet.payload for packet in run.packets[10:14]]


@pytest.mark.usefixtures("implementation")
def test_dtx_frames_are_not_sent_to_a_sink_that_may_pause() -> None:
    sink = replace(OPUS, fmtp={"usedtx": "1"})
    silent = [
        (at, replace(packet, payload=b"\xff" * 160)) if at > 0.2 else (at, packet) for at, packet in talk(PCMU, 2.0)
    ]

    sparing = open_run(PCMU, sink).feed(silent)
    steady = open_run(PCMU, sink, continuity=True).feed(silent)

    assert len(sparing.packets) < 60
    assert {step for step, _ in steps(sparing.packets)} == {1}
    assert all(
        packet.marker
        for packet, (_, ticks) in zip(sparing.packets[1:], steps(sparing.packets), strict=True)
        if ticks > 960
    )
    assert len(steady.packets) == pytest.approx(101, abs=1)
    assert set(steps(steady.packets)) == {(1, 960)}


def test_both_codecs_are_closed_and_closing_may_be_repeated() -> None:
    transcoder = Transcoder(source=OPUS, sink=G722, stream=stream(G722), needs_continuity=False)
    transcoder.close()
    transcoder.close()

    with pytest.raises(AssertionError, match="closed"):
        transcoder.receive(RtpPacket(111, 1, 1, 1, False, opus.SILENCE), 0.0)
