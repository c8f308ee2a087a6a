"""Sequence numbers that go on where they stopped, however much was left out in between. Pure.

SRTP knows only sixteen bits of a packet's number; the rest both ends count themselves (the roll-over counter, RFC 3711
section 3.3.1). A receiver that hears nothing for more than 2^15 numbers counts wrongly, and from then on takes every
packet for a forgery: eleven minutes of a hold are enough. So what is not sent must not use up numbers.
"""

from gateway.media.core.rtp import sequence_delta


class UnbrokenSequence:
    """The numbers of one encrypted stream that we send."""

    __slots__ = ("_is_interrupted", "_next", "_offset")

    def __init__(self) -> None:
        self._offset = 0
        self._next: int | None = None
        self._is_interrupted = False

    def skip(self) -> None:
        """A packet was not sent."""
        self._is_interrupted = True

    def number(self, sequence: int) -> int:
        """The number that a packet is sent with instead of its own."""
        if self._is_interrupted:
            self._is_interrupted = False
            if self._next is not None:
                self._offset = sequence - self._next
        number = (sequence - self._offset) & 0xFFFF
        if self._next is None or sequence_delta(number, self._next) >= 0:
            self._next = (number + 1) & 0xFFFF
        return number
