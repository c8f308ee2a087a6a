"""What a call asks its runner to do. The results of slow ones come back as events."""

from dataclasses import dataclass

from gateway.domain.causes import Cause
from gateway.domain.ids import LegName, Sdp
from gateway.media.engine import Sound


@dataclass(frozen=True, slots=True)
class FindRoute:
    """Comes back as `Routed` or `Unroutable`."""


@dataclass(frozen=True, slots=True)
class PrepareOffer:
    """Open media, take A's offer, offer to B. Comes back as `OfferReady` or `MediaRefused`."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Call target number `target` (from 0) of the route."""

    target: int
    offer: Sdp


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell A that B rings."""


@dataclass(frozen=True, slots=True)
class ConnectMedia:
    """Accept B's answer and describe A. Comes back as `DescriptionReady` or `MediaRefused`."""

    answer: Sdp


@dataclass(frozen=True, slots=True)
class AcceptAnswer:
    """Accept a further answer of a leg; only a failure comes back, as `MediaRefused`."""

    leg: LegName
    answer: Sdp


@dataclass(frozen=True, slots=True)
class SendEarlyMedia:
    """Give A its description before the answer."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell A that B answered; `sdp` is None when `SendEarlyMedia` went before."""

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class Renegotiate:
    """Take a leg's new offer. Comes back as `ReofferAnswered` or `ReofferRefused`."""

    leg: LegName
    offer: Sdp | None


@dataclass(frozen=True, slots=True)
class AnswerReoffer:
    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class RejectReoffer:
    leg: LegName
    sip_status: int


@dataclass(frozen=True, slots=True)
class SetHold:
    """Hold or resume a leg's media, and tell the leg so."""

    leg: LegName
    is_held: bool


@dataclass(frozen=True, slots=True)
class Play:
    """Have a leg's far end hear that sound until another is chosen; None: no more."""

    leg: LegName
    sound: Sound | None


@dataclass(frozen=True, slots=True)
class PrepareReinvite:
    """Make an offer for a leg within the call. Comes back as `ReinviteReady` or `ReinviteRefused`."""

    leg: LegName
    is_sending: bool
    is_receiving: bool


@dataclass(frozen=True, slots=True)
class Reinvite:
    """Offer to a leg again. Comes back as `ReinviteAnswered` or `ReinviteRefused`."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class TakeReinviteAnswer:
    """Accept the answer to a `Reinvite`; what media cannot use of it changes nothing."""

    leg: LegName
    answer: Sdp


@dataclass(frozen=True, slots=True)
class SetDirection:
    """What our descriptions for a leg say from now on."""

    leg: LegName
    is_sending: bool
    is_receiving: bool


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Play digits towards that leg's far end."""

    leg: LegName
    digits: str


@dataclass(frozen=True, slots=True)
class AddCandidate:
    leg: LegName
    candidate: str | None


@dataclass(frozen=True, slots=True)
class ProbeMedia:
    """See whether media of that leg still comes in. Comes back as `MediaProbed`."""

    leg: LegName
    attempt: int


@dataclass(frozen=True, slots=True)
class OfferAttach:
    """Make a fresh offer for that leg; its old path goes on. Comes back as `AttachOfferReady` or `MediaRefused`."""

    leg: LegName
    attempt: int


@dataclass(frozen=True, slots=True)
class Attach:
    """Have that leg's client take the call up again, with that offer."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class Hangup:
    """End a leg. `sip_status` and `sip_reason` are what ended the other one, where SIP did."""

    leg: LegName
    cause: Cause
    sip_status: int | None = None
    sip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Release the call's media."""


Action = (
    FindRoute
    | PrepareOffer
    | Dial
    | Ring
    | ConnectMedia
    | AcceptAnswer
    | SendEarlyMedia
    | Answer
    | Renegotiate
    | AnswerReoffer
    | RejectReoffer
    | SetHold
    | Play
    | PrepareReinvite
    | Reinvite
    | TakeReinviteAnswer
    | SetDirection
    | SendDigits
    | AddCandidate
    | ProbeMedia
    | OfferAttach
    | Attach
    | Hangup
    | CloseMedia
)
