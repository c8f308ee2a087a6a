"""What a call asks its runner to do. The results of slow ones come back as events."""

from dataclasses import dataclass

from gateway.domain.causes import Cause
from gateway.domain.facts import TransferKind
from gateway.domain.ids import CallId, LegName, Sdp
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
    """Have that leg's far end get digits, in the way that its leg says.

    `duration` of each, in seconds; None: nothing was said of it. `is_from_media`: they came in the other leg's media,
    so that a leg which takes digits in its own has them already.
    """

    leg: LegName
    digits: str
    duration: float | None = None
    is_from_media: bool = False


@dataclass(frozen=True, slots=True)
class AddCandidate:
    leg: LegName
    candidate: str | None


@dataclass(frozen=True, slots=True)
class AskClient:
    """See whether that leg's client is still there. Comes back as `LegDetached`, or not at all."""

    leg: LegName


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
    """Have that leg's client take the call up again, with that offer, on that socket (`LegReturned`) and no other."""

    leg: LegName
    sdp: Sdp
    socket: int = 0


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


@dataclass(frozen=True, slots=True)
class FindTarget:
    """Where a transfer by that leg goes. Comes back as `TargetRouted` or `TargetUnroutable`."""

    leg: LegName
    destination: str


@dataclass(frozen=True, slots=True)
class AcceptTransfer:
    """Tell a leg that its transfer is under way."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class RefuseTransfer:
    """Tell a leg that its transfer will not be; it goes on talking."""

    leg: LegName
    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class ReportTransfer:
    """Tell a leg that stayed how its transfer fares."""

    leg: LegName
    sip_status: int
    sip_reason: str


@dataclass(frozen=True, slots=True)
class PrepareTarget:
    """Make the offer for one who is to take a leg's place. Comes back as `TargetOfferReady` or `TargetRefused`."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class DialTarget:
    """Call target number `target` (from 0) of the transfer's route."""

    target: int
    offer: Sdp


@dataclass(frozen=True, slots=True)
class ConnectTarget:
    """Accept the target's answer and give it the place in media. Comes back as `TargetReady` or `TargetRefused`."""

    answer: Sdp


@dataclass(frozen=True, slots=True)
class DescribeToTarget:
    """Take the offer of one who called to replace a leg, or make ours: `TargetAnswerReady` or `TargetRefused`."""

    leg: LegName
    offer: Sdp | None


@dataclass(frozen=True, slots=True)
class AnswerTarget:
    """Answer the call of one who replaces a leg."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class AddTargetCandidate:
    candidate: str | None


@dataclass(frozen=True, slots=True)
class DropTarget:
    """Hang up the target, release its media."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class TakeTarget:
    """The target is that leg from now on. `keeps_former`: who was it is hung up later, by `LetGo`."""

    leg: LegName
    kind: TransferKind
    keeps_former: bool = False


@dataclass(frozen=True, slots=True)
class AdoptMedia:
    """Seat the media of a leg that another call gave. Only a failure comes back, as `MediaRefused`."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class DropMedia:
    """A leg's far end has left: release its transport."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class LetGo:
    """Hang up whoever left a place and has not hung up since."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class RequestLeg:
    """Ask another call for its far end. Comes back as `LegGiven` or `LegNotGiven`."""

    leg: LegName
    other: str


@dataclass(frozen=True, slots=True)
class DeclineLeg:
    """Hang up the leg that another call gave too late."""


@dataclass(frozen=True, slots=True)
class GiveLeg:
    """Give a leg away, as it is, to a call that wants it."""

    leg: LegName
    to: CallId
    is_told: bool
    is_holding: bool


@dataclass(frozen=True, slots=True)
class KeepLeg:
    """Tell a call that it does not get the leg that it wants."""

    to: CallId
    reason: str
    is_busy: bool


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
    | AskClient
    | ProbeMedia
    | OfferAttach
    | Attach
    | Hangup
    | CloseMedia
    | FindTarget
    | AcceptTransfer
    | RefuseTransfer
    | ReportTransfer
    | PrepareTarget
    | DialTarget
    | ConnectTarget
    | DescribeToTarget
    | AnswerTarget
    | AddTargetCandidate
    | DropTarget
    | TakeTarget
    | AdoptMedia
    | DropMedia
    | LetGo
    | RequestLeg
    | DeclineLeg
    | GiveLeg
    | KeepLeg
)
