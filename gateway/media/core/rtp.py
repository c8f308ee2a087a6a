"""RTP packets and what a receiver counts about them (RFC 3550). Bytes in, values out; no I/O."""

import struct
from dataclasses import dataclass
from typing import Final

from gateway.domain.errors import GatewayError

HEADER_SIZE: Final = 12
MAX_DROPOUT: Final = 3000
"""A jump of the sequence by more than this many packets is a restart (RFC 3550 appendix A.1)."""
MAX_MISORDER: Final = 100
"""A packet at most this much behind the highest is late, not a restart (RFC 3550 appendix A.1)."""

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")


class RtpParseError(GatewayError, ValueError):
    """Bytes that are not an RTP packet."""

    code = "rtp_parse_error"
    sip_status = 500


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet, its header extensions and contributing sources left out.

    Attributes:
        payload_type: 0 to 127.
        sequence: 0 to 65535.
        timestamp: in units of the payload's clock, 0 to 2**32 - 1.
        ssrc: of the sender, 0 to 2**32 - 1.
        marker: first packet of a talkspurt, or of a telephone-event.
        payload: without padding.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


def parse(data: bytes | bytearray | memoryview) -> RtpPacket:
    """Parse one datagram (RFC 3550 section 5.1).

    Raises:
        RtpParseError: too short, another version, or a length inside it that points beyond its end.
    """
    size = len(data)
    if size < HEADER_SIZE:
        raise RtpParseError(f"too short for an RTP header: {size} bytes")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    # 0x80 is by far the most: version 2 and nothing optional
    payload = bytes(data[HEADER_SIZE:]) if first == 0x80 else _optional_parts_removed(data, first)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, second > 0x7F, payload)


def _optional_parts_removed(data: bytes | bytearray | memoryview, first: int) -> bytes:
    if first >> 6 != 2:
        raise RtpParseError(f"RTP version {first >> 6}")
    start, end = HEADER_SIZE + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if start + 4 > end:
            raise RtpParseError("truncated header extension")
        start += 4 + 4 * int(_EXTENSION.unpack_from(data, start)[1])
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise RtpParseError("padding of zero bytes")
        end -= padding
    if start > end:
        raise RtpParseError(f"header of {start} bytes in a packet of {end}")
    return bytes(data[start:end])


def serialize(packet: RtpPacket) -> bytes:
    """The packet as a datagram: version 2, no padding, extension or contributing sources."""
    return (
        _HEADER.pack(
            0x80,
            packet.payload_type | 0x80 if packet.marker else packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.ssrc,
        )
        + packet.payload
    )


def is_rtcp(data: bytes | bytearray | memoryview) -> bool:
    """Whether a datagram of a port that RTP and RTCP share is RTCP (RFC 5761 section 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def sequence_delta(newer: int, older: int) -> int:
    """How far `newer` is ahead of `older`, modulo 2**16: -32768 to 32767."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """How far `newer` is ahead of `older` in ticks, modulo 2**32."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one source (RFC 3550 section 6.4.1).

    Attributes:
        ssrc: the source.
        fraction_lost: since the last report, in 1/256.
        packets_lost: since the beginning; may be negative when packets came twice.
        highest_sequence: extended, 32 bits.
        jitter_ticks: interarrival jitter in ticks.
        last_sr: middle 32 bits of the NTP time of the last sender report, 0 when there was none.
        delay_since_last_sr: in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter_ticks: int
    last_sr: int = 0
    delay_since_last_sr: int = 0


class ReceptionStats:
    """What was received of one leg: expected, lost and jitter as RFC 3550 appendices A.1, A.3 and A.8 count them.

    A change of SSRC, or a jump of the sequence, starts a new count; `packets_lost` keeps the sum over all of them.
    """

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_prior",
        "_highest",
        "_jitter_ticks",
        "_lost_before",
        "_received",
        "_received_prior",
        "_transit",
        "bytes_received",
        "clock_rate",
        "packets_received",
        "ssrc",
    )

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.ssrc: int | None = None
        self.packets_received = 0
        self.bytes_received = 0
        self._lost_before = 0
        self._jitter_ticks = 0.0
        self._base = self._highest = self._cycles = 0
        self._received = self._expected_prior = self._received_prior = 0
        self._transit: int | None = None

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Count one packet, whatever it carries; `now` is its time of arrival in seconds."""
        self.packets_received += 1
        self.bytes_received += len(packet.payload)
        sequence = packet.sequence
        if packet.ssrc != self.ssrc:
            self._restart(packet.ssrc, sequence)
        else:
            ahead = (sequence - self._highest) & 0xFFFF
            if ahead < MAX_DROPOUT:
                if sequence < self._highest:
                    self._cycles += 0x10000
                self._highest = sequence
            elif ahead <= 0x10000 - MAX_MISORDER:
                self._restart(packet.ssrc, sequence)
        self._received += 1
        transit = int(now * self.clock_rate) - packet.timestamp
        if self._transit is not None:
            distance = abs(timestamp_delta(transit & 0xFFFFFFFF, self._transit & 0xFFFFFFFF))
            self._jitter_ticks += (distance - self._jitter_ticks) / 16
        self._transit = transit

    def set_clock_rate(self, clock_rate: int) -> None:
        """The codec was renegotiated."""
        if clock_rate != self.clock_rate:
            self._jitter_ticks *= clock_rate / self.clock_rate
            self.clock_rate, self._transit = clock_rate, None

    def _restart(self, ssrc: int, sequence: int) -> None:
        self._lost_before = self.packets_lost
        self.ssrc = ssrc
        self._base = self._highest = sequence
        self._cycles = self._received = self._expected_prior = self._received_prior = 0
        self._transit = None

    @property
    def packets_expected(self) -> int:
        """Packets that the current source has sent, as far as its sequence numbers tell."""
        return 0 if self.ssrc is None else self._cycles + self._highest - self._base + 1

    @property
    def packets_lost(self) -> int:
        """Packets that did not arrive, over all sources; less than zero when packets were duplicated."""
        return self._lost_before + self.packets_expected - self._received

    @property
    def jitter(self) -> float:
        """Interarrival jitter in seconds."""
        return self._jitter_ticks / self.clock_rate

    def report_block(self) -> ReportBlock | None:
        """The block for the next report, None before the first packet; begins a new interval for `fraction_lost`."""
        if self.ssrc is None:
            return None
        expected = self.packets_expected
        interval_expected = expected - self._expected_prior
        interval_lost = interval_expected - (self._received - self._received_prior)
        self._expected_prior, self._received_prior = expected, self._received
        fraction = 0 if interval_lost <= 0 else min(255, (interval_lost << 8) // interval_expected)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=max(-0x800000, min(0x7FFFFF, expected - self._received)),
            highest_sequence=(self._cycles + self._highest) & 0xFFFFFFFF,
            jitter_ticks=int(self._jitter_ticks),
        )
