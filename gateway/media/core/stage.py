"""What joins the two legs of a pipeline: a relay or a transcoder."""

from typing import Protocol

from gateway.media.core.rtp import RtpPacket


class Stage(Protocol):
    """Takes packets of the source, appends to the `SinkStream` it was made with, returns what it appended."""

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """Take a packet of audio."""

    def skip(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """Take a packet that has a sequence number but is not for the sink: that is no loss."""

    def place_event(self, packet: RtpPacket, now: float) -> int:
        """The position at which a telephone-event begins whose first packet this is."""

    def forward_event(self, packet: RtpPacket, out: tuple[int, bytes], position: int, now: float) -> list[RtpPacket]:
        """Send a telephone-event packet, `out` its payload type and payload, in the place of this one."""

    def silence(self) -> RtpPacket:
        """A frame of silence, because the source has nothing."""

    def suspend(self) -> None:
        """The sink is going to hear something else for a while: forget what is under way."""

    def flush(self, now: float) -> list[RtpPacket]:
        """Send what waits for something that may still come."""

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        """Send what has waited for long enough."""

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""

    def close(self) -> None:
        """Free what is native; idempotent."""
