"""A 2xx that waits for its ACK (RFC 3261 section 13.3.1.4): repeated by us, over every transport."""

from dataclasses import dataclass
from typing import Final

from gateway.sip.core.actions import Respond, Responder
from gateway.sip.core.message import Response

LIMIT: Final = 64
"""In units of T1: how long the ACK may take."""


@dataclass(frozen=True, slots=True)
class Timers:
    """T1 and T2 of RFC 3261 section 17.1.1.1, in seconds."""

    t1: float = 0.5
    t2: float = 4.0

    @property
    def limit(self) -> float:
        """64*T1, the patience with a far end that says nothing."""
        return LIMIT * self.t1


class Accepted:
    """One 2xx of ours on its way to its ACK.

    Attributes:
        wants_answer: it carries our offer, so the ACK must carry the answer.
        is_first: it answers the INVITE that made the dialog.
        give_up_at: 64*T1 after the first sending.
    """

    def __init__(
        self,
        responder: Responder,
        response: Response,
        *,
        cseq: int,
        wants_answer: bool,
        is_first: bool,
        timers: Timers,
        now: float,
    ) -> None:
        self._responder, self._response, self._timers = responder, response, timers
        self.cseq, self.wants_answer, self.is_first = cseq, wants_answer, is_first
        self.give_up_at = now + timers.limit
        self._interval = timers.t1
        self._resend_at = now + timers.t1

    @property
    def deadline(self) -> float:
        """When to call `resend`, or to give up."""
        return min(self._resend_at, self.give_up_at)

    def send(self) -> Respond:
        """The 2xx."""
        return Respond(self._responder, self._response)

    def resend(self, now: float) -> list[Respond]:
        """The 2xx once more if its time has come; the interval doubles up to T2."""
        if now < self._resend_at:
            return []
        self._interval = min(2 * self._interval, self._timers.t2)
        self._resend_at = now + self._interval
        return [self.send()]
