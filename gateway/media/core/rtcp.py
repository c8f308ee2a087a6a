"""RTCP (RFC 3550 section 6): sender and receiver reports, CNAME, BYE; when to send and what to learn. No I/O."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.media.core.rtp import ReceptionStats, ReportBlock

MIN_INTERVAL: Final = 5.0
"""Seconds between reports at the mean (RFC 3550 section 6.2)."""
_COMPENSATION: Final = 1.21828
"""e - 3/2: what reconsideration would take away from the mean (RFC 3550 section 6.3.1)."""
_NTP_EPOCH: Final = 2208988800
"""Seconds from 1900 to 1970."""

_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME: Final = 1
_MAX_TEXT: Final = 255
_HEADER: Final = struct.Struct("!BBH")
_SENDER: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_SSRC: Final = struct.Struct("!I")


class RtcpParseError(GatewayError, ValueError):
    """Bytes that are not a compound RTCP packet."""

    code = "rtcp_parse_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderInfo:
    """What we say about our own stream (RFC 3550 section 6.4.1); `rtp_timestamp` is that of the report's moment."""

    rtp_timestamp: int
    packet_count: int
    octet_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderReport:
    """SR. `ntp_time` is the 64-bit NTP timestamp."""

    ssrc: int
    ntp_time: int
    info: SenderInfo
    blocks: Sequence[ReportBlock] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverReport:
    """RR."""

    ssrc: int
    blocks: Sequence[ReportBlock] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription:
    """One chunk of an SDES packet; only its CNAME is kept."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """BYE."""

    ssrcs: Sequence[int]
    reason: str = ""


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Bye


def parse(data: bytes | bytearray | memoryview) -> list[RtcpPacket]:
    """Parse a compound packet; types other than the four (APP, feedback, XR) are left out.

    Reduced-size packets (RFC 5506) are taken as well, so the first packet's type is not checked.

    Raises:
        RtcpParseError: a length or version is wrong.
    """
    view = memoryview(data)
    packets: list[RtcpPacket] = []
    if not view:
        raise RtcpParseError("empty")
    while view:
        if len(view) < _HEADER.size:
            raise RtcpParseError(f"{len(view)} bytes after the last packet")
        first, packet_type, words = _HEADER.unpack_from(view)
        size = 4 * (words + 1)
        if first >> 6 != 2 or size > len(view):
            raise RtcpParseError(f"version {first >> 6}, {size} bytes of {len(view)}")
        body = _without_padding(view[_HEADER.size : size], has_padding=bool(first & 0x20))
        try:
            packets += _parse_one(packet_type, first & 0x1F, body)
        except (struct.error, IndexError) as error:
            raise RtcpParseError(f"truncated packet of type {packet_type}") from error
        view = view[size:]
    return packets


def _without_padding(body: memoryview, *, has_padding: bool) -> memoryview:
    if not has_padding:
        return body
    if not body or not 0 < body[-1] <= len(body):
        raise RtcpParseError("wrong padding")
    return body[: -body[-1]]


def _parse_one(packet_type: int, count: int, body: memoryview) -> list[RtcpPacket]:
    match packet_type:
        case 200:
            ssrc, ntp_time, *info = _SENDER.unpack_from(body)
            sender = SenderInfo(rtp_timestamp=info[0], packet_count=info[1], octet_count=info[2])
            return [SenderReport(ssrc=ssrc, ntp_time=ntp_time, info=sender, blocks=_parse_blocks(body[24:], count))]
        case 201:
            return [ReceiverReport(ssrc=_SSRC.unpack_from(body)[0], blocks=_parse_blocks(body[4:], count))]
        case 202:
            return list(_parse_chunks(body, count))
        case 203:
            ssrcs = struct.unpack_from(f"!{count}I", body)
            rest = body[4 * count :]
            return [Bye(ssrcs=ssrcs, reason=_text(rest[1 : 1 + rest[0]]) if rest else "")]
    return []


def _parse_blocks(body: memoryview, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, index * _BLOCK.size)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=loss >> 24,
                packets_lost=lost - 0x1000000 if lost & 0x800000 else lost,
                highest_sequence=highest,
                jitter_ticks=jitter,
                last_sr=last_sr,
                delay_since_last_sr=delay,
            )
        )
    return tuple(blocks)


def _parse_chunks(body: memoryview, count: int) -> list[SourceDescription]:
    chunks = []
    position = 0
    for _ in range(count):
        (ssrc,) = _SSRC.unpack_from(body, position)
        position += 4
        cname = ""
        while body[position] != 0:
            item, size = body[position], body[position + 1]
            if item == _CNAME:
                cname = _text(body[position + 2 : position + 2 + size])
            position += 2 + size
        position += 4 - position % 4  # at least one zero byte ends a chunk, then it is padded to a word
        chunks.append(SourceDescription(ssrc=ssrc, cname=cname))
    return chunks


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")


def serialize(packets: Sequence[RtcpPacket]) -> bytes:
    """A compound packet. Raises ValueError for more than 31 blocks or chunks, or a text of more than 255 bytes."""
    return b"".join(_serialize_one(packet) for packet in packets)


def _serialize_one(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            info = packet.info
            body = _SENDER.pack(
                packet.ssrc,
                packet.ntp_time,
                info.rtp_timestamp,
                info.packet_count & 0xFFFFFFFF,
                info.octet_count & 0xFFFFFFFF,
            )
            return _framed(_SR, len(packet.blocks), body + _serialize_blocks(packet.blocks))
        case ReceiverReport():
            return _framed(_RR, len(packet.blocks), _SSRC.pack(packet.ssrc) + _serialize_blocks(packet.blocks))
        case SourceDescription():
            item = _SSRC.pack(packet.ssrc) + bytes((_CNAME,)) + _counted(packet.cname)
            return _framed(_SDES, 1, item + bytes(4 - len(item) % 4))
        case _:  # Bye
            body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
            reason = _counted(packet.reason) if packet.reason else b""
            return _framed(_BYE, len(packet.ssrcs), body + reason + bytes(-len(reason) % 4))


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    if count > 31:
        raise ValueError(f"{count} items in one RTCP packet")
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def _counted(text: str) -> bytes:
    data = text.encode()
    if len(data) > _MAX_TEXT:
        raise ValueError(f"{len(data)} bytes of text in an RTCP packet")
    return bytes((len(data),)) + data


def _serialize_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.packets_lost & 0xFFFFFF,
            block.highest_sequence,
            block.jitter_ticks,
            block.last_sr,
            block.delay_since_last_sr,
        )
        for block in blocks
    )


class RtcpSession:
    """RTCP of one leg: answers with what to send and when, and measures the round trip.

    Two members in a session and the minimal interval: of RFC 3550 section 6.3 there remains the spreading of reports.

    Args:
        ssrc: of the stream that we send.
        cname: RFC 7022; the same for all streams of one endpoint.
        now: seconds of the clock that all methods use.
        wall_clock: seconds since 1970 at `now`.
        randomness: numbers in [0, 1), to spread reports (RFC 3550 section 6.3.1).
    """

    def __init__(
        self, *, ssrc: int, cname: str, now: float, wall_clock: float, randomness: Callable[[], float]
    ) -> None:
        self.round_trip: float | None = None
        """Seconds, of the last report that allowed to measure it."""
        self.remote_block: ReportBlock | None = None
        """What the far end said last about our stream."""
        self._ssrc, self._cname = ssrc, cname
        self._ntp_offset = wall_clock + _NTP_EPOCH - now
        self._randomness = randomness
        self._last_sr: tuple[int, int, float] | None = None
        """Source, middle 32 bits of the NTP time, and time of arrival of the last sender report."""
        self._deadline = now + self._interval() / 2

    def _interval(self) -> float:
        return MIN_INTERVAL * (0.5 + self._randomness()) / _COMPENSATION

    def _ntp_time(self, now: float) -> int:
        return int((now + self._ntp_offset) * 0x100000000) & 0xFFFFFFFFFFFFFFFF

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[RtcpPacket]:
        """Take a compound packet of the far end; return what it said. Raises RtcpParseError."""
        packets = parse(data)
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._last_sr = packet.ssrc, (packet.ntp_time >> 16) & 0xFFFFFFFF, now
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == self._ssrc:
                        self._take_block(block, now)
        return packets

    def _take_block(self, block: ReportBlock, now: float) -> None:
        self.remote_block = block
        if block.last_sr == 0:
            return
        elapsed = ((self._ntp_time(now) >> 16) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
        if elapsed < 0x80000000:  # else the far end's clock made its delay longer than the time that passed
            self.round_trip = elapsed / 0x10000

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        return self._deadline

    def handle_timeout(self, now: float, reception: ReceptionStats, sender: SenderInfo | None) -> bytes | None:
        """The report that is due, None before its time. `sender` None: nothing was sent since the last report."""
        if now < self._deadline:
            return None
        self._deadline = now + self._interval()
        return serialize(self._report(now, reception, sender))

    def bye(self, now: float, reception: ReceptionStats, sender: SenderInfo | None) -> bytes:
        """The last report, with BYE."""
        return serialize([*self._report(now, reception, sender), Bye(ssrcs=(self._ssrc,))])

    def _report(self, now: float, reception: ReceptionStats, sender: SenderInfo | None) -> list[RtcpPacket]:
        block = reception.report_block()
        if block is not None and self._last_sr is not None and self._last_sr[0] == block.ssrc:
            _, last_sr, arrived = self._last_sr
            delay = min(0xFFFFFFFF, int((now - arrived) * 0x10000))
            block = replace(block, last_sr=last_sr, delay_since_last_sr=delay)
        blocks = () if block is None else (block,)
        report: RtcpPacket
        if sender is None:
            report = ReceiverReport(ssrc=self._ssrc, blocks=blocks)
        else:
            report = SenderReport(ssrc=self._ssrc, ntp_time=self._ntp_time(now), info=sender, blocks=blocks)
        return [report, SourceDescription(ssrc=self._ssrc, cname=self._cname)]
