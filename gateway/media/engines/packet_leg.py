"""Legs whose packets come and go in Python."""

from abc import abstractmethod
from typing import Protocol

from gateway.media.core.rtp import RtpPacket
from gateway.media.engines.leg import AnyLeg, Leg, LegObserver


class PacketObserver(LegObserver, Protocol):
    """What such a leg reports to its session."""

    def rtp_received(self, leg: AnyLeg, data: bytes) -> None:
        """A datagram that looks like RTP, in plain."""

    def rtcp_received(self, leg: AnyLeg, data: bytes) -> None:
        """A datagram that looks like RTCP, in plain."""


class PacketLeg(Leg[PacketObserver]):
    """See `Leg`."""

    @abstractmethod
    def send_rtp(self, packet: RtpPacket) -> None:
        """Send it if the leg is ready and the far end wants to hear us."""

    @abstractmethod
    def send_rtcp(self, data: bytes) -> None:
        """Send a compound packet if the leg is ready."""
