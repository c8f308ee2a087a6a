"""Decodes what comes from the source and encodes it anew for the sink, in step with the source's timestamps."""

from typing import Final, TypeGuard

from gateway.media.codecs import registry
from gateway.media.codecs.interface import CodecError, Encoder
from gateway.media.core.codec import Codec
from gateway.media.core.jitter import Item, JitterBuffer, Lost
from gateway.media.core.resample import Downsampler, Upsampler
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stream import EVENT_INTERVAL, FRAME, SinkStream, SourceClock

_MAX_CONCEALED: Final = 5
"""Packets lost in a row that are made up; the rest of a longer hole is silence."""
_MAX_PADDING: Final = 0.060
"""Seconds of a pause that are filled with silent samples; after a longer one the stream goes on with a gap."""
_DTX_PAYLOAD: Final = 2
"""An encoded frame of at most so many bytes need not be sent (RFC 7587 section 3.1.3)."""


class Transcoder:
    """The `Stage` between two codecs.

    Sound is placed by the source's timestamps: what is missing is made up or padded, what has been covered by silence
    meanwhile is cut off. So the sink's timestamps neither run ahead nor fall behind, however often the source pauses.

    Args:
        source, sink: the codecs.
        stream: the sink's.
        needs_continuity: whether the stream never pauses; if it may, long pauses become gaps of the timestamp.
    Raises:
        CodecUnavailable: a native library is missing.
    """

    def __init__(self, *, source: Codec, sink: Codec, stream: SinkStream, needs_continuity: bool) -> None:
        self.frames_concealed = 0
        self._source, self._stream, self._needs_continuity = source, stream, needs_continuity
        decode_rate, encode_rate = registry.sample_rates(source, sink)
        self._decoder = registry.make_decoder(source, decode_rate)
        try:
            self._encoder = registry.make_encoder(sink, encode_rate)
        except Exception:
            self._decoder.close()
            raise
        self._resampler: Upsampler | Downsampler | None = None
        if decode_rate != encode_rate:
            self._resampler = Upsampler() if decode_rate < encode_rate else Downsampler()
        self._jitter = JitterBuffer()
        self._clock = SourceClock(source.clock_rate, sink.clock_rate)
        self._encode_rate, self._sink_rate = encode_rate, sink.clock_rate
        seconds = registry.frame_seconds(sink)
        self._frame_bytes = 2 * round(encode_rate * seconds)
        self._frame_ticks = round(sink.clock_rate * seconds)
        self._pending = bytearray()
        """Samples to be encoded that are not yet a whole frame."""
        self._packet_samples = round(decode_rate * FRAME)
        """Of the last packet; what a lost one is taken to have held."""
        self._ssrc: int | None = None
        self._is_after_pause = True
        self._packets_covered = self._gap_ticks = 0
        self._left_sequence: int | None = None
        """Where we left the stream; elsewhere now means that something else was put in, None that we were suspended."""

    @property
    def encoder(self) -> Encoder:
        """What makes the sink's payloads, for whoever puts something else into the stream. Closed by `close`."""
        return self._encoder

    @property
    def _is_spliced(self) -> bool:
        return self._stream.sequence != self._left_sequence

    @property
    def packets_late(self) -> int:
        """Packets that came twice or too late."""
        return self._jitter.packets_late + self._packets_covered

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        out: list[RtpPacket] = []
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            out = self.flush(now)
            self._jitter.reset()
        out += self._play(self._jitter.receive(packet, now), now)
        return out

    def skip(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        return self._play(self._jitter.receive(packet, now), now)

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        return self._play(self._jitter.handle_timeout(now), now)

    def flush(self, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        return self._play(self._jitter.flush(now), now)

    def next_deadline(self) -> float | None:
        """See `Stage`."""
        return self._jitter.next_deadline()

    def _play(self, items: list[Item], now: float) -> list[RtpPacket]:
        out: list[RtpPacket] = []
        stream, begin = self._stream, self._end()
        has_played = False
        for index, item in enumerate(items):
            if isinstance(item, Lost):
                is_played = self._conceal(item.packets, items[index + 1] if index + 1 < len(items) else None)
            else:
                is_played = self._is_audio(item) and self._place(item, now)
            if is_played:
                has_played = True
                self._encode_into(out)
                self._left_sequence = stream.sequence
        if has_played:
            ends = now + (self._end() - begin - self._gap_ticks) / self._sink_rate
            self._gap_ticks = 0
            due = ends + (self._clock.shift - self._pending_ticks()) / self._sink_rate
            stream.reached(stream.position, due=due, ends=ends)
        return out

    def _is_audio(self, item: Item | None) -> TypeGuard[RtpPacket]:
        return isinstance(item, RtpPacket) and item.payload_type == self._source.payload_type and bool(item.payload)

    def _conceal(self, packets: int, following: Item | None) -> bool:
        """Make up for lost packets; False when something else stands there already."""
        if self._is_spliced:
            return False
        # behind a longer hole, what the FEC of the next packet has would stand in the wrong place
        payload = following.payload if packets <= _MAX_CONCEALED and self._is_audio(following) else None
        for remaining in range(min(packets, _MAX_CONCEALED), 0, -1):
            self.frames_concealed += 1
            self._pending += self._resampled(self._made_up(payload if remaining == 1 else None))
        return True

    def _made_up(self, following: bytes | None) -> bytes:
        try:
            return self._decoder.conceal(self._packet_samples, following)
        except CodecError:
            return bytes(2 * self._packet_samples)

    def _resampled(self, pcm: bytes) -> bytes:
        return pcm if self._resampler is None else self._resampler.process(pcm)

    def _pending_ticks(self) -> int:
        return len(self._pending) // 2 * self._sink_rate // self._encode_rate

    def _place(self, packet: RtpPacket, now: float) -> bool:
        """Decode a packet and put its sound where its timestamp belongs; False when that time is filled already."""
        try:
            pcm = self._decoder.decode(packet.payload)
            self._packet_samples = len(pcm) // 2
        except CodecError:
            self.frames_concealed += 1
            pcm = self._made_up(None)
        pcm = self._resampled(pcm)
        if not self._clock.follows(packet, now):
            before = self._stream.position
            self._stream.catch_up(now)
            self._gap_ticks += self._stream.position - before
            self._clock.start(packet, self._end(), now)
            self._is_after_pause = True
            self._pending += pcm
            return True
        is_placed = self._align(packet, pcm, now)
        self._clock.advance(packet, now)
        return is_placed

    def _end(self) -> int:
        """The position up to which there is sound."""
        return self._stream.position + self._pending_ticks()

    def _align(self, packet: RtpPacket, pcm: bytes, now: float) -> bool:
        """Put in a pause before the packet, or cut off what has been played for it already."""
        clock = self._clock
        place = clock.ideal(packet) if self._is_spliced else clock.position(packet)
        lead = self._end() - place
        if lead < 0:
            self._pause(-lead)
            lead = 0
        covered = 2 * (lead * self._encode_rate // self._sink_rate)
        if not self._is_spliced and covered < len(pcm):
            self._pending += pcm[covered:]
            return True
        if clock.resume(packet, self._end(), now):
            self._pending += pcm
            return True
        self._packets_covered += 1
        return False

    def _pause(self, ticks: int) -> None:
        """A pause of the source: a short one becomes silent samples, a longer one a gap of the timestamp."""
        if ticks <= _MAX_PADDING * self._sink_rate:
            self._pending += bytes(2 * (ticks * self._encode_rate // self._sink_rate))
        else:
            # What is pending, less than a frame, moves to the end of the gap.
            self._stream.position += ticks
            self._gap_ticks += ticks
            self._is_after_pause = True

    def _encode_into(self, out: list[RtpPacket]) -> None:
        """Encode the whole frames that are pending."""
        stream, pending, size = self._stream, self._pending, self._frame_bytes
        while len(pending) >= size:
            payload = self._encoder.encode(bytes(pending[:size]))
            del pending[:size]
            if len(payload) <= _DTX_PAYLOAD and not self._needs_continuity:
                stream.position += self._frame_ticks
                self._is_after_pause = True
                continue
            out.append(stream.append(payload, self._frame_ticks, marker=self._is_after_pause))
            self._is_after_pause = False

    def place_event(self, packet: RtpPacket, now: float) -> int:
        """See `Stage`."""
        self._pending.clear()
        self._stream.catch_up(now)
        return self._stream.position

    def forward_event(self, packet: RtpPacket, out: tuple[int, bytes], position: int, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        stream = self._stream
        packets = self.skip(packet, now)
        packets.append(stream.packet(out[0], stream.sequence, position, packet.marker, out[1]))
        stream.sequence = (stream.sequence + 1) & 0xFFFF
        stream.reached(stream.position, due=now, ends=now + EVENT_INTERVAL)
        return packets

    def silence(self) -> RtpPacket:
        """See `Stage`. What is pending goes first."""
        size = 2 * round(self._encode_rate * FRAME)
        pcm = bytes(self._pending[:size])
        del self._pending[:size]
        return self._stream.append_silence(self._encoder.encode(pcm + bytes(size - len(pcm))))

    def suspend(self) -> None:
        """See `Stage`."""
        self._jitter.reset()
        self._pending.clear()
        self._is_after_pause = True
        self._left_sequence = None

    def close(self) -> None:
        """See `Stage`."""
        self._decoder.close()
        self._encoder.close()
