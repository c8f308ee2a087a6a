"""Reliable provisional responses (RFC 3262): ours on the way to their PRACKs, and the order of theirs. Does no I/O."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.core.accepted import Timers
from gateway.sip.core.actions import Respond, Responder
from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.rack import RAck, rack_of, rseq_of
from gateway.sip.core.message import Request, Response
from gateway.sip.core.reliability import OPTION, option_tags

MAX_UNSENT: Final = 8
"""Provisional responses that wait for the PRACK of the one before; of more, the oldest are left out."""

_FIRST_RSEQ_RANGE: Final = 2**30
"""RFC 3262 section 3 asks for a first number below 2**31; a lower one leaves room to count up."""


def reliable_number(response: Response) -> int | None:
    """The RSeq of a reliable provisional response, None for any other: a broken one counts as unreliable."""
    if not 100 < response.status < 200 or OPTION not in option_tags(response.headers, "Require"):
        return None
    try:
        return rseq_of(response.headers)
    except SipParseError:
        return None


class InOrder:
    """The numbers of one early dialog's reliable responses: each is taken once and in its order (section 4)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def take(self, number: int) -> bool:
        """Whether it is the next one; a repeat, and one after a gap, is neither acknowledged nor looked at."""
        if self._last is not None and number != self._last + 1:
            return False
        self._last = number
        return True


@dataclass(slots=True)
class _Unacknowledged:
    """The reliable response that is on its way. `give_up_at`: 64*T1 after the first sending."""

    response: Response
    sdp: Sdp | None
    number: int
    resend_at: float
    interval: float
    give_up_at: float


class ReliableResponses:
    """Our reliable provisional responses to one INVITE, one after the other (section 3).

    Args:
        random: from 0 up to but not including 1; for the first RSeq.
    """

    def __init__(self, responder: Responder, cseq: CSeq, *, timers: Timers, random: float) -> None:
        self._responder, self._cseq, self._timers = responder, cseq, timers
        self._next_number = 1 + int(random * _FIRST_RSEQ_RANGE)
        self._current: _Unacknowledged | None = None
        self._unsent: deque[tuple[Response, Sdp | None]] = deque(maxlen=MAX_UNSENT)
        self._is_repeating = True

    @property
    def carries_sdp(self) -> bool:
        """Whether the one on its way has a session description: no 2xx may go out before its PRACK."""
        return self._current is not None and self._current.sdp is not None

    @property
    def will_carry_sdp(self) -> bool:
        """Whether it, or one that waits, has a session description."""
        return self.carries_sdp or any(sdp is not None for _, sdp in self._unsent)

    @property
    def deadline(self) -> float | None:
        """When `resend` is due."""
        if self._current is None or not self._is_repeating:
            return None
        return min(self._current.resend_at, self._current.give_up_at)

    def send(self, response: Response, sdp: Sdp | None, now: float) -> list[Respond]:
        """Send it, or have it wait for the PRACK of the one before. It gets its Require and RSeq here."""
        if self._current is not None:
            self._unsent.append((response, sdp))
            return []
        number, self._next_number = self._next_number, self._next_number + 1
        response.headers.add("Require", OPTION)
        response.headers.add("RSeq", str(number))
        t1 = self._timers.t1
        self._current = _Unacknowledged(response, sdp, number, now + t1, t1, now + self._timers.limit)
        return [Respond(self._responder, response)]

    def acknowledge(self, prack: Request) -> tuple[Sdp | None] | None:
        """Take a PRACK: the description in the response that it acknowledges, None when it acknowledges nothing."""
        current = self._current
        try:
            rack = rack_of(prack.headers)
        except SipParseError:
            return None
        if current is None or rack != RAck(current.number, self._cseq):
            return None
        self._current = None
        return (current.sdp,)

    def send_next(self, now: float) -> list[Respond]:
        """The one that waited for a PRACK."""
        return self.send(*self._unsent.popleft(), now) if self._unsent and self._is_repeating else []

    def is_overdue(self, now: float) -> bool:
        """Whether there was no PRACK in time."""
        return self._is_repeating and self._current is not None and now >= self._current.give_up_at

    def resend(self, now: float) -> list[Respond]:
        """The same once more if its time has come; the interval doubles without a bound."""
        current = self._current
        if not self._is_repeating or current is None or now < current.resend_at:
            return []
        current.interval *= 2
        current.resend_at = now + current.interval
        return [Respond(self._responder, current.response)]

    def stop(self) -> None:
        """A final response is sent: nothing is repeated any more, but a PRACK is still taken."""
        self._is_repeating = False
        self._unsent.clear()
