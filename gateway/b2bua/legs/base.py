"""What a leg is to call control, whatever it speaks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.b2bua.core.events import Event
from gateway.b2bua.headers import Crossing
from gateway.domain.causes import Cause
from gateway.domain.client_media import ClientMedia
from gateway.domain.ids import LegName, Sdp, SipCallId
from gateway.media.engine import LegOptions, Profile

Post = Callable[[Event], None]
"""Puts an event into the inbox of the leg's call; never blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """How the far ends of a call are shown to each other."""

    name: str
    number: str


def is_encrypted(leg: "Leg") -> bool:
    """Whether nothing of its media can be in plain."""
    return leg.profile is Profile.WEBRTC or leg.options.encryption.is_demanded


def may_meet(one: "Leg", other: "Leg") -> bool:
    """Whether neither demands encryption that the other does not have."""
    legs = ((one, other), (other, one))
    return not any(leg.media.requires_encryption and not is_encrypted(far) for leg, far in legs)


class Leg(Protocol):
    """One side of a call. Translates, never decides; every method returns at once and is safe in every state."""

    @property
    def name(self) -> LegName: ...

    @property
    def post(self) -> Post:
        """Where it posts: the way into the inbox that is its own."""

    @property
    def party(self) -> Party:
        """Who is at its far end."""

    @property
    def profile(self) -> Profile:
        """What its media speaks."""

    @property
    def codecs(self) -> tuple[str, ...]:
        """The codecs that it may use, in order of preference."""

    @property
    def media(self) -> ClientMedia:
        """What its client's connection asks for; behind a trunk how it gets digits, no more."""

    @property
    def options(self) -> LegOptions:
        """The same, as the media engine takes it; and how a trunk is encrypted."""

    @property
    def offer(self) -> Sdp | None:
        """The offer with which the far end called us; None where we call, and for a delayed offer."""

    @property
    def trunk_name(self) -> str | None:
        """The trunk on its other end, None for a client."""

    @property
    def sip_call_id(self) -> SipCallId | None:
        """Its SIP Call-ID, None for a client and before the INVITE."""

    def dial(self, target: int, offer: Sdp) -> None:
        """Call target number `target` of its route. Only a leg that calls."""

    def ring(self) -> None:
        """Tell the far end that the other side rings. Only a leg that was called by it."""

    def early_media(self, sdp: Sdp) -> None:
        """Give the far end its description before the answer. Only a leg that was called by it."""

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """Tell the far end that the other side answered, and with which custom header fields.

        Only a leg that was called by it.
        """

    def ask(self) -> None:
        """See whether the far end is still there. Only a leg that can lose its signalling unnoticed."""

    def attach(self, sdp: Sdp, socket: int) -> None:
        """Have the far end take the call up again, with our offer. Only a leg that can lose its signalling.

        Nothing if it has left that socket (`LegReturned`) by now: it gets another offer on the one that it is on.
        """

    def hangup(self, cause: Cause, sip_status: int | None, sip_reason: str | None, headers: Crossing) -> None:
        """End the leg: cancel, refuse or hang up, whichever its state asks for. Nothing is posted afterwards.

        `headers` are custom ones of the other side's end; a hang-up carries them, a refusal and a CANCEL do not."""

    def answer_reoffer(self, sdp: Sdp) -> None: ...

    def reject_reoffer(self, sip_status: int) -> None: ...

    @property
    def takes_digits(self) -> bool:
        """Whether its far end takes digits by signalling, where its media do not."""

    def send_digits(self, digits: str, duration: float | None) -> None:
        """Give the far end digits by signalling, each of so many seconds. Only a leg whose media take none."""

    def set_hold(self, is_held: bool) -> None:
        """Confirm a hold or resume that the far end asked for."""

    def reinvite(self, sdp: Sdp) -> None:
        """Offer again within the call; `ReinviteAnswered` or `ReinviteRefused` comes. Only a leg behind a trunk."""

    def accept_transfer(self) -> None:
        """Tell the far end that the transfer it asked for is under way."""

    def refuse_transfer(self, cause: Cause, reason: str) -> None:
        """Tell the far end that the transfer it asked for will not be."""

    def report_transfer(self, sip_status: int, sip_reason: str) -> None:
        """Tell a far end that waits for it how its transfer fares; a final status is the last word."""

    def show(self, party: Party) -> None:
        """Somebody else is on the other side of the call from now on."""

    def move(self, name: LegName, post: Post) -> None:
        """Belong to another call, or to another place of it, from now on."""
