"""One direction of one call: RTP of the source leg in, RTP for the sink leg out."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.media.core.codec import LegCodec
from gateway.media.core.rtcp import SenderInfo
from gateway.media.core.rtp import ReceptionStats, RtpPacket


@dataclass(slots=True)
class PipelineCounters:
    """What a pipeline did, in packets unless it says otherwise."""

    packets_sent: int = 0
    bytes_sent: int = 0
    """Payload only."""
    silence_sent: int = 0
    """Of `packets_sent`: silence that stood in for the source."""
    packets_late: int = 0
    """Not forwarded: they came twice, or after their time."""
    packets_unknown: int = 0
    """Not forwarded: a payload type that was not negotiated."""
    frames_concealed: int = 0
    """Frames that the decoder made up for lost ones."""


class Pipeline:
    """One direction of one call. Sans-IO: packets and `now` in, packets out.

    After every call of `receive`, `handle_timeout`, `set_codecs`, `set_muted` and `send_digits` the caller sends what
    came back and arms its timer for `next_deadline()`.
    """

    def __init__(
        self,
        *,
        source: LegCodec,
        sink: LegCodec,
        ssrc: int,
        first_sequence: int,
        first_timestamp: int,
        now: float,
        on_digit: Callable[[str, float], None],
        needs_continuity: bool,
    ) -> None:
        """
        Args:
            source, sink: what was negotiated on either side.
            ssrc, first_sequence, first_timestamp: of the stream towards the sink; random numbers of the caller.
            now: seconds on the clock that all methods use.
            on_digit: told each digit of the source once, with its duration in seconds.
            needs_continuity: whether RTP towards the sink may never pause (browsers).
        """
        self.stats = ReceptionStats(source.codec.clock_rate)
        self.counters = PipelineCounters()

    @property
    def is_transcoding(self) -> bool:
        """Whether payloads are changed on the way."""
        raise NotImplementedError

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """Take one packet of the source; return what goes to the sink because of it."""
        raise NotImplementedError

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        """What goes to the sink because time has passed. Calling it early is harmless."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called; None: not before the next packet."""
        raise NotImplementedError

    def set_codecs(self, source: LegCodec, sink: LegCodec, now: float) -> None:
        """Renegotiated: SSRC, sequence and timestamp towards the sink go on without a jump."""
        raise NotImplementedError

    def set_muted(self, is_muted: bool, now: float) -> None:
        """Hold: the sink hears paced silence instead of the source."""
        raise NotImplementedError

    def send_digits(self, digits: str, duration: float, gap: float, now: float) -> float:
        """Send telephone-events to the sink, after those that are still going out.

        Returns the time at which the last packet will have left.
        Raises:
            NoTelephoneEvent: the sink did not negotiate it.
            ValueError: something that is no digit.
        """
        raise NotImplementedError

    def sender_info(self, now: float) -> SenderInfo | None:
        """For a sender report to the sink; None when nothing has been sent yet."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the codecs; idempotent."""
        raise NotImplementedError
