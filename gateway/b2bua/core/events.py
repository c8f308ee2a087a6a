"""What can happen to a call. Legs, media and routing post these to the call's inbox."""

from dataclasses import dataclass

from gateway.domain.causes import Cause
from gateway.domain.ids import CallId, LegName, Sdp


@dataclass(frozen=True, slots=True)
class Routed:
    """Routing found where the call goes: a number of targets, tried in order; all behind trunks, or a client."""

    targets: int
    is_trunk: bool = False


@dataclass(frozen=True, slots=True)
class Unroutable:
    """Routing refused."""

    cause: Cause
    sip_reason: str | None = None


@dataclass(frozen=True, slots=True)
class OfferReady:
    """Media has taken A's offer, if there was one, and made the offer for B."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class DescriptionReady:
    """Media has accepted B's answer; this is what A gets: the answer to its offer, or our offer if it made none."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class MediaRefused:
    """Media could not do what was asked of it for that leg."""

    leg: LegName
    cause: Cause
    error_code: str


@dataclass(frozen=True, slots=True)
class MediaUp:
    """That leg can carry audio."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class MediaDown:
    """That leg lost its media for good."""

    leg: LegName
    reason: str


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The called side rings."""


@dataclass(frozen=True, slots=True)
class LegProgressed:
    """B sends early media: its SDP answers our offer."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """B answered. `sdp` is None when it came with the early media only; `headers` are custom ones for A."""

    sdp: Sdp | None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LegConfirmed:
    """A confirmed our answer; `sdp` is its answer when the offer was ours (delayed offer)."""

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class LegEnded:
    """That leg is gone: it hung up, refused, cancelled or failed. Nothing more may be asked of it.

    `sip_status` and `sip_reason` are those of the SIP response that ended it, where there was one.
    `is_retryable`: the next target may be tried (no final word of the called side: 408, 5xx, transport).
    `headers` are custom ones for the other side.
    """

    leg: LegName
    cause: Cause
    sip_status: int | None = None
    sip_reason: str | None = None
    is_retryable: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LegReoffered:
    """That leg offers again within the call: a re-INVITE, or an ICE restart. `sdp` None: it wants our offer."""

    leg: LegName
    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class ReofferAnswered:
    """Media took a new offer; this answers it."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class ReofferRefused:
    """Media could not take a new offer; the leg goes on as it was."""

    leg: LegName
    sip_status: int


@dataclass(frozen=True, slots=True)
class ReinviteReady:
    """Media has made the offer of a re-INVITE."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class ReinviteAnswered:
    """That leg took our re-INVITE."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class ReinviteRefused:
    """That leg refused our re-INVITE, or media could not make its offer; the session goes on as it was."""

    leg: LegName
    sip_status: int


@dataclass(frozen=True, slots=True)
class HoldRequested:
    """A client holds (True), takes off hold (False) or toggles (None)."""

    leg: LegName
    is_held: bool | None


@dataclass(frozen=True, slots=True)
class DigitsDialed:
    """Digits that came by signalling on that leg, for the other. Never logged.

    `duration` of each, in seconds; None where nothing was said of it.
    """

    leg: LegName
    digits: str
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """A digit that came in that leg's media, and ended. Media has passed it on, if the other leg's takes it."""

    leg: LegName
    digit: str
    duration: float


@dataclass(frozen=True, slots=True)
class CandidateTrickled:
    """A trickled ICE candidate of that leg, None for end-of-candidates."""

    leg: LegName
    candidate: str | None


@dataclass(frozen=True, slots=True)
class LegDetached:
    """The client of that leg has lost its socket; it may come back."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class LegReturned:
    """The client of that leg has logged in again, on another socket.

    `socket`: which one of the leg's, from 0, the one that it began on; it may be on yet another one by now.
    `keeps_media`: it keeps its peer connection without a socket (`keepConnectionAliveOnSocketClose`), so that the
    media may never have broken.
    """

    leg: LegName
    keeps_media: bool = False
    socket: int = 0


@dataclass(frozen=True, slots=True)
class MediaProbed:
    """Whether authentic media of that leg came in since it was asked for."""

    leg: LegName
    attempt: int
    is_alive: bool


@dataclass(frozen=True, slots=True)
class AttachOfferReady:
    """Media has made the offer with which that leg is taken up again."""

    leg: LegName
    attempt: int
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class LegHeardAttach:
    """The client has heard our attach, and is about to answer it."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class LegAttached:
    """The client answered our attach."""

    leg: LegName
    sdp: Sdp


@dataclass(frozen=True, slots=True)
class HangupRequested:
    """The operator, the program's stop or a defect ends the call."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """That leg's far end wants the other one connected with that destination, in its own place.

    `stays`: it keeps its place until somebody there has answered (a REFER); else it leaves once there is a route.
    """

    leg: LegName
    destination: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class JoinRequested:
    """That leg's far end wants the far ends of its two calls connected; `other` names its other call to the runner."""

    leg: LegName
    other: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class ReplacementCalled:
    """Somebody called us to take that leg's place (RFC 3891). `offer` None: it wants our offer."""

    leg: LegName
    offer: Sdp | None


@dataclass(frozen=True, slots=True)
class TargetRouted:
    """Routing found where a transfer goes; see `Routed`."""

    targets: int
    is_trunk: bool = False


@dataclass(frozen=True, slots=True)
class TargetUnroutable:
    """Routing refused a transfer."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class TargetOfferReady:
    """Media has made the offer for the target of a transfer."""

    sdp: Sdp


@dataclass(frozen=True, slots=True)
class TargetAnswerReady:
    """Media has described us to one who called to replace a leg, and has seated it unless this is our offer."""

    sdp: Sdp
    is_offer: bool


@dataclass(frozen=True, slots=True)
class TargetReady:
    """The target of a transfer has the place in media."""


@dataclass(frozen=True, slots=True)
class TargetRefused:
    """Media could not do what was asked of it for the target of a transfer, or has lost it."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class LegWanted:
    """Another call, with that leg's far end in it as well, wants the far end on the other side of this one."""

    leg: LegName
    by: CallId


@dataclass(frozen=True, slots=True)
class LegGiven:
    """The other call gave its far end away; it waits to be taken.

    `is_told`: it believes that it is on hold. `is_holding`: it holds the conversation itself.
    """

    is_trunk: bool
    is_told: bool
    is_holding: bool


@dataclass(frozen=True, slots=True)
class LegNotGiven:
    """There is nothing to be had from the other call; `is_busy`: at this moment."""

    reason: str
    is_busy: bool = False


Event = (
    Routed
    | Unroutable
    | OfferReady
    | DescriptionReady
    | MediaRefused
    | MediaUp
    | MediaDown
    | LegRinging
    | LegProgressed
    | LegAnswered
    | LegConfirmed
    | LegEnded
    | LegReoffered
    | ReofferAnswered
    | ReofferRefused
    | ReinviteReady
    | ReinviteAnswered
    | ReinviteRefused
    | HoldRequested
    | DigitsDialed
    | DigitHeard
    | CandidateTrickled
    | LegDetached
    | LegReturned
    | MediaProbed
    | AttachOfferReady
    | LegHeardAttach
    | LegAttached
    | HangupRequested
    | TransferRequested
    | JoinRequested
    | ReplacementCalled
    | TargetRouted
    | TargetUnroutable
    | TargetOfferReady
    | TargetAnswerReady
    | TargetReady
    | TargetRefused
    | LegWanted
    | LegGiven
    | LegNotGiven
)


@dataclass(frozen=True, slots=True)
class OfTarget:
    """What the leg has to say that is to take another's place; it carries that one's name already."""

    event: Event
