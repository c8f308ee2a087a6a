"""Telephone-events: DTMF digits in RTP (RFC 4733). No I/O."""

from dataclasses import dataclass
from typing import Final

from gateway.media.core.rtp import RtpPacket

DIGITS: Final = "0123456789*#ABCD"
"""A digit's place is its event code (RFC 4733 table 3)."""


@dataclass(frozen=True, slots=True)
class Digit:
    """An event that ended. `duration` in seconds."""

    digit: str
    duration: float


class EventReceiver:
    """Packets of telephone-event in, each digit out once, whatever was lost or repeated."""

    def __init__(self, clock_rate: int) -> None: ...

    def receive(self, packet: RtpPacket, now: float) -> list[Digit]:
        """Take one telephone-event packet; return the digits that ended with it."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> list[Digit]:
        """The digit whose end packets were all lost, once it is clear that no more will come."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class EventPacket:
    """A telephone-event packet to be sent, with everything but payload type, sequence and SSRC.

    `timestamp_offset` is in ticks since the beginning of the first digit.
    """

    payload: bytes
    timestamp_offset: int
    marker: bool


class EventSender:
    """Digits as timed packets: an update every 20 ms, the end packet three times (RFC 4733 section 2.5.1)."""

    def __init__(self, digits: str, *, duration: float, gap: float, clock_rate: int, now: float) -> None:
        """Raises ValueError for something that is no digit."""

    def next_deadline(self) -> float | None:
        """When the next packet is due; None when all have been sent."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> list[EventPacket]:
        """The packets that are due."""
        raise NotImplementedError
