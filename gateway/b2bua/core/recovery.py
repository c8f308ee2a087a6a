"""How a call lives through the loss of a client's socket, and how the client gets it back. Pure; used by `Call`.

The rules, by where the leg stands when its client returns (verto-js 7, docs/explanation/recovery.md):

* answered: `telnyx_rtc.attach` with a fresh offer; the old path goes on until the answer has come. If the client
  keeps its media without a socket and authentic packets still come in, nothing at all: there is no gap to mend.
* A, calling: nothing; what it may have missed is said once more. When B answers, an answer reaches only a client
  whose peer connection is still there. Where that is not known, attach does it for both, the page that stayed and the
  page that was loaded anew.
* B, ringing: the client rings again under another id (`Call` dials again).
"""

from typing import Final

from gateway.b2bua.core.actions import AcceptAnswer, Action, Answer, AskClient, Attach, OfferAttach, ProbeMedia
from gateway.b2bua.core.events import AttachOfferReady, LegAttached, LegHeardAttach, LegReturned, MediaProbed
from gateway.b2bua.core.presence import SETTLE_TIMEOUT, LegPresence, Presence
from gateway.domain.causes import MEDIA_TIMEOUT, RECOVERY_ON_TIMER_EXPIRE, Cause
from gateway.domain.ids import LegName, Sdp

BYE_GRACE: Final = 1.0
"""Seconds that a leg whose media was closed by its far end has to say why. A browser closes its peer connection around
its `bye`, and UDP may win; a page that reloads closes it around the end of its socket."""

CLOSED_BY_FAR_END: Final = "dtls_closed"
"""The reason of a `MediaDown` that the far end meant."""

SILENCE_GRACE: Final = 8.0
"""Seconds that a leg whose far end gave no consent any more has to show that it is there: its client is asked, and a
network that is gone takes the socket along, which nobody tells us. Above the 5 s in which a client answers."""

NOBODY_THERE: Final = "consent_lost"
"""The reason of a `MediaDown` that may be the network's."""


class Recovery:
    """The presence of both legs, and what follows from it."""

    def __init__(self, *, attach_timeout: float) -> None:
        """
        Args:
            attach_timeout: seconds from a client's hearing our attach until its answer.
        """
        self._attach_timeout = attach_timeout
        self._legs = {leg: LegPresence(leg, is_described=leg is LegName.B) for leg in LegName}

    def is_here(self, leg: LegName) -> bool:
        """Whether that leg's client is on its socket, and not on its way back either."""
        return self._legs[leg].is_here

    def renew(self, leg: LegName) -> None:
        """Another far end is on that leg now."""
        self._legs[leg] = LegPresence(leg)

    def is_attaching(self, leg: LegName) -> bool:
        """Whether an offer of ours for that leg is out, or about to be."""
        return self._legs[leg].state in (Presence.OFFERING, Presence.ATTACHING)

    @property
    def deadline(self) -> float | None:
        """When `overdue` is to be asked."""
        return min((at for leg in self._legs.values() for at in leg.deadlines()), default=None)

    def overdue(self, now: float) -> Cause | None:
        """The cause with which the call ends, if a leg's time is up."""
        for leg in self._legs.values():
            if leg.bye_deadline is not None and now >= leg.bye_deadline:
                return MEDIA_TIMEOUT
            if leg.deadline is not None and now >= leg.deadline:
                return MEDIA_TIMEOUT if leg.state is Presence.SETTLING else RECOVERY_ON_TIMER_EXPIRE
        return None

    # ---- media

    def media_down(self, leg: LegName, reason: str, now: float, *, is_active: bool) -> list[Action] | None:
        """That leg has lost its media: what is to be done so that the call goes on for now; None: it ends."""
        presence = self._legs[leg]
        if not presence.is_here:
            return []  # the reattach window, or the deadline of the way back, ends what must end
        if presence.has_returned and not is_active:
            return []  # a page that was loaded anew while it called: attached when B answers
        if reason == CLOSED_BY_FAR_END:
            presence.wait_until(now + BYE_GRACE)
            return []
        if reason == NOBODY_THERE:
            presence.wait_until(now + SILENCE_GRACE)
            return [AskClient(leg)]
        return None

    def media_up(self, leg: LegName) -> None:
        """The leg can carry audio: the end of a way back, or a path that an ICE restart has mended."""
        presence = self._legs[leg]
        presence.bye_deadline = None
        if presence.state is Presence.SETTLING:
            presence.arrive()

    # ---- the client

    def describe(self) -> None:
        """A gets a description of our media."""
        self._legs[LegName.A].is_described = True

    def detach(self, leg: LegName) -> None:
        """The client's socket is gone."""
        self._legs[leg].go()

    def come_back(self, returned: LegReturned) -> None:
        """The client is back, and there is nothing to attach yet."""
        presence = self._legs[returned.leg]
        presence.move(returned.socket)
        presence.come_back()

    def take_up(self, returned: LegReturned, now: float) -> list[Action]:
        """The client is back in the middle of a conversation."""
        leg, presence = returned.leg, self._legs[returned.leg]
        presence.move(returned.socket)
        may_be_alive = returned.keeps_media and presence.is_described
        return self._probe(leg, now) if may_be_alive else self._offer(leg, now)

    def answer(self, sdp: Sdp | None, now: float) -> list[Action]:
        """B answered: how A learns of it. `sdp` is None when A was described before."""
        presence = self._legs[LegName.A]
        if presence.state is Presence.AWAY:
            return []  # it is attached when it returns
        if not presence.has_returned:
            self.describe()
            return [Answer(sdp)]
        return self._offer(LegName.A, now) if sdp is not None else self._probe(LegName.A, now)

    def handle(self, event: MediaProbed | AttachOfferReady | LegHeardAttach | LegAttached, now: float) -> list[Action]:
        """One step of a way back; what belongs to an earlier one is absorbed."""
        presence = self._legs[event.leg]
        match event:
            case MediaProbed(leg, attempt, is_alive):
                if presence.state is not Presence.PROBING or presence.attempt != attempt:
                    return []
                return self._arrive_unharmed(leg) if is_alive else self._offer(leg, now)
            case AttachOfferReady(leg, attempt, sdp):
                return [Attach(leg, sdp, presence.socket)] if presence.invite_back(attempt) else []
            case LegHeardAttach():
                presence.hear(now + self._attach_timeout)
                return []
            case LegAttached(leg, sdp):
                presence.is_described = True
                return [AcceptAnswer(leg, sdp)] if presence.settle(now + SETTLE_TIMEOUT) else []

    def _probe(self, leg: LegName, now: float) -> list[Action]:
        return [ProbeMedia(leg, self._legs[leg].begin(Presence.PROBING, now + self._attach_timeout))]

    def _offer(self, leg: LegName, now: float) -> list[Action]:
        return [OfferAttach(leg, self._legs[leg].begin(Presence.OFFERING, now + self._attach_timeout))]

    def _arrive_unharmed(self, leg: LegName) -> list[Action]:
        self._legs[leg].arrive()
        return [Answer(None)] if leg is LegName.A else []  # unless the client has heard of it before
