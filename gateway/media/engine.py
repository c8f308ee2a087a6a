"""The seam between call control and the engines that move packets.

SDP text goes in and comes out; no track, socket or codec object crosses, so that a process on another host
can do the work (as rtpengine's offer / answer / delete does).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Protocol

from gateway.domain.client_media import DtmfMode
from gateway.domain.errors import GatewayError
from gateway.domain.ids import CallId, LegName, Sdp
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.quality import LegQuality, Sample


class Profile(Enum):
    """What a leg speaks."""

    WEBRTC = "webrtc"
    """ICE, DTLS-SRTP, rtcp-mux, UDP/TLS/RTP/SAVPF."""
    RTP = "rtp"
    """RTP/AVP with RTCP on the next port, as SIP trunks speak it; encrypted as `LegOptions` say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegOptions:
    """What is special about a leg.

    Attributes:
        dtmf: how digits of the other leg reach its far end: as telephone-events, as tones, or not by media.
        keeps_order: whether our offers keep to the order of its codecs instead of preferring what the other leg has.
        encryption: of an RTP leg; a browser's leg is always encrypted.
        may_send_keys: whether keys may stand in an RTP leg's descriptions (RFC 4568 section 7.1: only where signalling
            is encrypted). Without, DTLS-SRTP remains.
    """

    dtmf: DtmfMode = DtmfMode.RFC_2833
    keeps_order: bool = False
    encryption: MediaEncryption = MediaEncryption.OFF
    may_send_keys: bool = True


DEFAULT_OPTIONS: Final = LegOptions()


class Sound(Enum):
    """What the gateway itself can play to a leg."""

    MUSIC = "music"
    """A melody, for a far end that was put on hold."""
    RINGBACK = "ringback"
    """The ringing tone, for a far end that waits until somebody answers."""


class MediaError(GatewayError):
    """Media could not be set up, or failed."""

    code = "media_error"
    sip_status = 500


class BadSdp(MediaError):
    """A session description that cannot be parsed or lacks what its profile needs."""

    code = "bad_sdp"
    sip_status = 400


class NoCommonCodec(MediaError):
    """Offer and answer share no audio codec (RFC 3264 section 6)."""

    code: ClassVar[str] = "no_common_codec"
    sip_status: ClassVar[int] = 488

    def __init__(self, *, offered: tuple[str, ...], supported: tuple[str, ...]) -> None:
        super().__init__(f"no common codec: offered {offered}, supported {supported}")
        self.offered, self.supported = offered, supported


class EncryptionRefused(MediaError):
    """A description that wants SRTP of a leg that has none, or none of a leg that demands it."""

    code = "encryption_refused"
    sip_status = 488


class NoFreePort(MediaError):
    """Every port of the configured range is in use or in quarantine."""

    code = "no_free_port"
    sip_status = 503


class NoTelephoneEvent(MediaError):
    """That leg did not negotiate telephone-event, so digits cannot be sent to it."""

    code = "no_telephone_event"
    sip_status = 488


@dataclass(frozen=True, slots=True)
class MediaReady:
    """That leg can carry audio: for WEBRTC, ICE and DTLS are through; for RTP, its address and its keys are known."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """That leg lost its media for good (ICE or DTLS failed or was closed, consent lost, no RTP for too long)."""

    leg: LegName
    reason: str
    """A slug of a closed set: `ice_failed dtls_failed dtls_closed consent_lost rtp_timeout`."""


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A telephone-event that ended on that leg. Never log the digit: digits are PINs."""

    leg: LegName
    digit: str
    duration: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class MediaWarning:
    """Something is wrong with that leg's media although its signalling is fine, or no longer is."""

    leg: LegName
    warning: str
    """A slug of a closed set: `no_sound nothing_received nothing_sent dtls_late high_loss high_jitter`;
    docs/reference/media.md says when."""
    is_raised: bool


MediaEvent = MediaReady | MediaFailed | DigitReceived | MediaWarning


@dataclass(frozen=True, slots=True)
class MediaFact:
    """Something that became known of a leg, in a few words, for whoever looks into the call; nothing depends on it."""

    leg: LegName
    text: str


@dataclass(frozen=True, slots=True)
class RtcpPassed:
    """A compound RTCP packet in plain, received from the leg's far end or sent to it."""

    leg: LegName
    data: bytes
    is_inbound: bool


MediaNote = MediaFact | RtcpPassed


def unnoted(_note: MediaNote) -> None:
    """Nobody takes notes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegStats:
    """Totals of one leg since it began. Packets are RTP without RTCP; times are seconds."""

    codec: str = ""
    packets_received: int = 0
    packets_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    packets_lost: int = 0
    packets_rejected: int = 0
    """From an address that may not send to this leg, or not authenticated, or not RTP."""
    jitter: float = 0.0
    round_trip: float | None = None
    warnings: tuple[str, ...] = ()
    """Those that stand (see `MediaWarning`)."""


class DetachedLeg(Protocol):
    """A live leg on its way from one session into another of the same engine. Nothing is known of it outside."""

    async def close(self) -> None:
        """Release it: nobody wants it any more; idempotent, and harmless once a session has adopted it."""


class Replacement(Protocol):
    """A leg that is set up beside the two of a session, to take the place of one of them; see `MediaSession.replace`.

    The methods of the same names describe it. Once it has joined, the session's own methods do.
    """

    async def take_offer(self, offer: Sdp) -> None: ...

    async def answer(self) -> Sdp: ...

    async def offer(self) -> Sdp: ...

    async def accept(self, answer: Sdp) -> None: ...

    async def add_candidate(self, candidate: str | None) -> None: ...

    async def join(self) -> None:
        """Take the place, once codecs are agreed: the other leg hears the new far end, the old leg is closed.

        The stream towards the other leg goes on without a jump. Totals of the place begin anew.
        """

    async def discard(self) -> None:
        """Release it; after `join` nothing happens."""


class MediaSession(Protocol):
    """The media of one call: two legs and what joins them.

    A leg is described by one offer/answer exchange after another: either the far end offers (`take_offer`,
    then `answer`) or we do (`offer`, then `accept`). Every coroutine may raise `MediaError`; after a
    `MediaError` the leg is as it was before the call. Audio flows between the legs as soon as both are ready.
    """

    async def take_offer(self, leg: LegName, offer: Sdp) -> None:
        """Take the far end's offer: the first, a re-INVITE's, or an ICE restart. Nothing is sent yet.

        Raises:
            BadSdp: not a session description, or without an audio line, fingerprint or ICE credentials
                where the profile needs them.
            NoCommonCodec: no audio codec of the offer is supported.
        """

    async def answer(self, leg: LegName) -> Sdp:
        """The answer to the offer taken last, with all our candidates in it; the same text when asked again."""

    async def offer(self, leg: LegName) -> Sdp:
        """An offer for that leg, with all our candidates in it.

        Codecs are ordered so that pass-through becomes likely: first what the other leg's offer has, in its
        order, then what else the engine can transcode to, within the leg's allowed codecs; but for a leg that
        keeps its own order. Within a call the codec in use comes first, so that nothing changes without need.
        """

    async def accept(self, leg: LegName, answer: Sdp) -> None:
        """Take the answer to our last offer; idempotent for the same text (183, then the same in 200)."""

    async def add_candidate(self, leg: LegName, candidate: str | None) -> None:
        """Add a trickled candidate (`candidate:...`, RFC 8839), or None for end-of-candidates."""

    def set_hold(self, leg: LegName, is_held: bool) -> None:
        """Hold: neither leg hears the other, but silence (paced, so that RTP never pauses), or what `play` says."""

    def play(self, leg: LegName, sound: Sound | None) -> None:
        """Have that leg's far end hear a sound over and over instead of the other leg; None ends it.

        Sequence numbers and timestamps go on without a jump. Until the sound is ready it is silence.
        """

    def set_direction(self, leg: LegName, *, is_sending: bool, is_receiving: bool) -> None:
        """What our descriptions for that leg say from now on (RFC 3264 section 8.4), as far as its own allow.

        Both at first. Says nothing about packets: `set_hold` and `play` do.
        """

    async def replace(
        self,
        leg: LegName,
        *,
        profile: Profile,
        codecs: Sequence[str],
        on_failed: Callable[[str], None],
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> Replacement:
        """A new leg that can take the place of this one, which goes on until then.

        There is one at a time: a former one that has not joined is discarded.

        Args:
            codecs, options: as in `MediaEngine.open`.
            on_failed: told the reason (see `MediaFailed`) if it loses its media before it has joined.
        """

    async def drop(self, leg: LegName) -> None:
        """That leg's far end has left: release its transport, report nothing of it; `replace` or `adopt` follows."""

    def detach(self, leg: LegName) -> DetachedLeg:
        """Give a live leg away, with the stream that its far end hears; this session is of no use afterwards.

        Raises:
            MediaError: its codecs are not agreed yet.
        """

    async def adopt(self, leg: LegName, detached: DetachedLeg) -> None:
        """Put a leg of another session in the place of this one, which is closed.

        Its far end notices nothing but the voice: no offer is made, its stream goes on without a jump; where the
        codecs of the two legs differ they are transcoded.
        """

    def takes_digits(self, leg: LegName) -> bool:
        """Whether that leg's far end gets digits: as telephone-events, or as tones. False before its media is up."""

    async def send_dtmf(self, leg: LegName, digits: str, *, duration: float, gap: float) -> None:
        """Send digits towards that leg's far end; return when the last packet of them has left.

        As telephone-events, or as tones in the audio, as the leg's options say.

        Args:
            digits: one or more of ``0-9 * # A-D``.
            duration: length of one digit in seconds (on the wire: RTP clock units).
            gap: silence between two digits in seconds.
        Raises:
            NoTelephoneEvent: that leg did not negotiate telephone-event, and hears no tones.
        Source: RFC 4733 section 2.5.1; the end packet goes out three times.
        """

    async def is_heard(self, leg: LegName, *, within: float) -> bool:
        """Whether an authentic packet of that leg's far end comes in within so many seconds from now."""

    def answered(self) -> None:
        """The call is answered: from now on it is worth a warning when sound does not flow."""

    def stats(self) -> Mapping[LegName, LegStats]:
        """Totals so far, for each leg."""

    def quality(self) -> Mapping[LegName, LegQuality]:
        """How good each leg is, all in all. Costs more than `stats`."""

    def history(self) -> Mapping[LegName, Sequence[Sample]]:
        """How good each leg was in its last seconds, oldest first, as far as the engine remembers."""

    async def close(self) -> None:
        """Release sockets, ports and tasks of both legs; idempotent."""


class MediaEngine(Protocol):
    """Makes media sessions. One per process."""

    async def start(self) -> None:
        """Bind what is shared by all calls."""

    async def open(
        self,
        *,
        call_id: CallId,
        a: Profile,
        b: Profile,
        codecs_a: Sequence[str],
        codecs_b: Sequence[str],
        on_event: Callable[[MediaEvent], None],
        options_a: LegOptions = DEFAULT_OPTIONS,
        options_b: LegOptions = DEFAULT_OPTIONS,
        on_note: Callable[[MediaNote], None] = unnoted,
    ) -> MediaSession:
        """Open the media of one call.

        Args:
            codecs_a: allowed codec names for leg A in our order of preference, of `opus G722 PCMU PCMA`.
            codecs_b: likewise for leg B (a trunk's `codecs` setting).
            on_event: called on the loop's thread, must not block; may be called from inside no method of
                the session (always from a fresh iteration of the loop).
            options_a, options_b: what is special about the legs.
            on_note: told what somebody may want to know who looks into the call; as `on_event`.
        """

    async def stop(self) -> None:
        """Close every session that is left."""
