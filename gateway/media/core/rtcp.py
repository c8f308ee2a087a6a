"""RTCP (RFC 3550 section 6): sender and receiver reports, CNAME, BYE; when to send and what to learn. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domain.errors import GatewayError
from gateway.media.core.rtp import ReceptionStats, ReportBlock


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

    Raises:
        RtcpParseError: a length or version is wrong.
    """
    raise NotImplementedError


def serialize(packets: Sequence[RtcpPacket]) -> bytes:
    """A compound packet."""
    raise NotImplementedError


class RtcpSession:
    """RTCP of one leg: answers with what to send and when, and measures the round trip.

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

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[RtcpPacket]:
        """Take a compound packet of the far end. Raises RtcpParseError."""
        raise NotImplementedError

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        raise NotImplementedError

    def handle_timeout(self, now: float, reception: ReceptionStats, sender: SenderInfo | None) -> bytes | None:
        """The report that is due, None before its time. `sender` None: nothing was sent since the last report."""
        raise NotImplementedError

    def bye(self, now: float, reception: ReceptionStats, sender: SenderInfo | None) -> bytes:
        """The last report, with BYE."""
        raise NotImplementedError
