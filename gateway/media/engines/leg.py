"""What a browser leg and a plain RTP leg have in common: offer and answer, and what came out of them."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.domain.ids import LegName, Sdp
from gateway.media.core.codec import COMFORT_NOISE_PAYLOAD_TYPE, Codec
from gateway.media.core.negotiate import Agreement, accepted, answer_formats, answered, offer_formats, usable_codecs
from gateway.media.core.sdp import Audio, Direction, Format, OtherMedia, SessionDescription
from gateway.media.core.sdp_parser import parse
from gateway.media.core.sdp_writer import write
from gateway.media.engine import DEFAULT_OPTIONS, BadSdp, LegOptions
from gateway.observability import metrics

PACKET_TIME: Final = 0.020
"""What we wish to receive, in `a=ptime`."""

_REJECTED: Final = {
    reason: metrics.RTP_PACKETS_REJECTED.labels(reason) for reason in ("source", "srtp", "not_rtp", "payload_type")
}


class UnsupportedMedia(BadSdp):
    """A description that is fine in itself, but not of the kind that this leg speaks."""

    code = "unsupported_media"
    sip_status = 488


class LegObserver(Protocol):
    """What a leg reports to its session. All methods return at once."""

    def leg_ready(self, leg: "AnyLeg") -> None:
        """The leg can send now."""

    def leg_failed(self, leg: "AnyLeg", reason: str) -> None:
        """The leg has lost its media for good; `reason` as in `MediaFailed`."""

    def deadline_changed(self, leg: "AnyLeg") -> None:
        """`next_deadline()` may be earlier than it was."""

    def leg_noted(self, leg: "AnyLeg", text: str) -> None:
        """Something became known of it (see `MediaFact`)."""


Observer = TypeVar("Observer", bound=LegObserver)


class Leg(ABC, Generic[Observer]):
    """One leg of a session: its descriptions, and what came out of them. Packets are its engine's.

    Attributes:
        agreement: codecs both ways, None before the first exchange is through.
        offered: codecs of the far end's last offer, in its order.
        remote: the far end's description in force.
        payload_types: what the far end may send, comfort noise included, which needs no agreement (RFC 3389).
        ssrc: of the stream that we send.
        packets_sent, bytes_sent: RTP that has left; payload bytes.
        packets_rejected: datagrams that were not taken.
        last_received: when the last RTP packet was taken; the session sets it.
        is_held: by us (`MediaSession.set_hold`).
        direction: what we wish, seen from us.
        options: see `LegOptions`.
    """

    may_keep_opus = False
    """Whether `Preference.QUALITY` applies."""

    is_ice_lite = False
    """Whether we only answer checks (RFC 8445 section 2.5)."""

    needs_continuity = False
    """Whether RTP towards the far end may never pause."""

    longest_pause: float | None = None
    """Seconds that this leg may send nothing before the other one is sent silence in its place; None: for ever."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        address: str,
        observer: Observer,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.name, self.options = name, options
        self.agreement: Agreement | None = None
        self.offered: tuple[Codec, ...] = ()
        self.remote: Audio | None = None
        self.payload_types: frozenset[int] = frozenset()
        self.ssrc = secrets.randbits(32)
        self.packets_sent = self.bytes_sent = self.packets_rejected = 0
        self.last_received: float | None = None
        self.is_held = False
        self.direction = Direction.SENDRECV
        self.allowed = tuple(allowed)
        self._observer = observer
        self._address = address
        self._session_id = str(secrets.randbits(62))
        self._version = 0
        self._taken: SessionDescription | None = None
        self._answer: Sdp | None = None
        self._our_formats: tuple[Format, ...] | None = None
        self._accepted: Sdp | None = None

    def move(self, name: LegName, observer: Observer) -> None:
        """Belong to another session from now on, in that place."""
        self.name, self._observer = name, observer

    # Offer and answer

    async def take_offer(self, offer: Sdp) -> None:
        """Take the far end's offer; see `MediaSession.take_offer`."""
        description = parse(offer)
        if description.audio.port == 0 and description.audio.mid is None:
            raise BadSdp("the only audio line is refused (port 0)")
        self._check(description, is_offer=True)
        codecs = usable_codecs(description.audio, self.allowed)
        await self._prepare_answer(description)
        self.offered, self._taken, self._answer = codecs, description, None

    @property
    def has_offer(self) -> bool:
        """Whether an offer of the far end has been taken and not been answered."""
        return self._taken is not None and self._answer is None

    async def answer(self, codec: Codec) -> Sdp:
        """The answer to the offer taken last, with that codec; later calls return the same text."""
        if self._answer is not None:
            return self._answer
        if self._taken is None:
            raise ValueError(f"leg {self.name.value} has taken no offer")
        remote = self._taken.audio
        agreement = answered(remote, codec, has_events=self.options.dtmf.has_events)
        local = replace(
            self._local_audio(answer_formats(agreement)),
            direction=_common(self._direction(remote).mirrored, self.direction),
            protocol=remote.protocol,
            mid=remote.mid,
        )
        await self._complete_answer(self._taken)
        local = self._adapt_answer(local, self._taken)
        self._agree(agreement, remote)
        media = tuple(local if isinstance(each, Audio) else _refused(each) for each in self._taken.media)
        self._answer = self._written(media, bundle=_bundle(self._taken))
        return self._answer

    async def offer(self, other_offer: Sequence[str]) -> Sdp:
        """An offer; `other_offer` as in `negotiate.offer_formats`."""
        await self._prepare_offer()
        formats = offer_formats(
            self.allowed,
            other_offer=other_offer,
            known=self._known_formats(),
            has_events=self.options.dtmf.has_events,
        )
        self._our_formats, self._accepted = formats, None
        local = self._adapt_offer(replace(self._local_audio(formats), direction=self.direction))
        return self._written((local,), bundle=None if local.mid is None else (local.mid,))

    async def accept(self, answer: Sdp) -> bool:
        """Take the answer to our last offer. False: the same text once more."""
        if self._accepted == answer:
            return False
        if self._our_formats is None:
            raise ValueError(f"leg {self.name.value} has made no offer")
        description = parse(answer)
        agreement = accepted(self._our_formats, description.audio, self.allowed)
        self._check(description, is_offer=False)
        await self._complete_offer(description)
        self._accepted = answer
        self._agree(agreement, description.audio)
        return True

    def _agree(self, agreement: Agreement, remote: Audio) -> None:
        self.agreement, self.remote = agreement, remote
        event = agreement.receive.telephone_event
        numbers = {agreement.receive.codec.payload_type, COMFORT_NOISE_PAYLOAD_TYPE}
        self.payload_types = frozenset(numbers if event is None else numbers | {event[0]})
        self._flow_changed()

    def _flow_changed(self) -> None:
        """`may_send`, `may_receive` and `payload_types` have a new meaning."""

    def _known_formats(self) -> Sequence[Format]:
        """Payload types that this leg has already given a meaning."""
        theirs = self.remote.formats if self.remote is not None else ()
        return (*theirs, *(self._our_formats or ()))

    def _written(self, media: tuple[Audio | OtherMedia, ...], bundle: tuple[str, ...] | None) -> Sdp:
        self._version += 1  # RFC 3264 section 8: each new description of ours has the next number
        return write(
            SessionDescription(
                session_id=self._session_id,
                version=self._version,
                origin=self._address,
                media=media,
                bundle=bundle,
                is_ice_lite=self.is_ice_lite,
            )
        )

    # What came out of it

    @property
    def may_send(self) -> bool:
        """Whether the far end wants to hear us."""
        return self.remote is not None and self._direction(self.remote).is_receiving

    @property
    def may_receive(self) -> bool:
        """Whether the far end may talk."""
        return self.remote is not None and self._direction(self.remote).is_sending

    def _direction(self, remote: Audio) -> Direction:
        return remote.direction

    def reject(self, reason: str) -> None:
        """Count a datagram that was not taken; `reason` as in the metric."""
        self.packets_rejected += 1
        _REJECTED[reason].inc()

    def set_held(self, is_held: bool) -> None:
        """Note that we hold the leg, or no longer do."""
        self.is_held = is_held

    # What each kind of leg does in its own way

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Whether packets can be sent."""

    @abstractmethod
    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""

    @abstractmethod
    def handle_timeout(self, now: float) -> None:
        """Do what time demands; harmless when called early."""

    @abstractmethod
    async def add_candidate(self, candidate: str | None) -> None:
        """A trickled candidate, None for the end of them."""

    @abstractmethod
    async def close(self) -> None:
        """Release sockets and tasks; idempotent."""

    @abstractmethod
    def _check(self, description: SessionDescription, *, is_offer: bool) -> None:
        """Raise BadSdp if the description lacks what this kind of leg needs."""

    @abstractmethod
    async def _prepare_answer(self, description: SessionDescription) -> None:
        """An offer was taken: get ready to answer, change nothing that is in force."""

    @abstractmethod
    async def _complete_answer(self, description: SessionDescription) -> None:
        """The offer is being answered: it comes into force."""

    @abstractmethod
    async def _prepare_offer(self) -> None:
        """Get ready to offer, change nothing that is in force."""

    @abstractmethod
    async def _complete_offer(self, description: SessionDescription) -> None:
        """Our offer was answered: the answer comes into force."""

    @abstractmethod
    def _local_audio(self, formats: tuple[Format, ...]) -> Audio:
        """Our audio line, as in an offer."""

    def _adapt_offer(self, local: Audio) -> Audio:
        """What is different in an offer."""
        return local

    def _adapt_answer(self, local: Audio, offer: SessionDescription) -> Audio:
        """What is different in an answer."""
        return local


AnyLeg = Leg[Any]
"""Any: whomever it reports to."""


def _common(allowed: Direction, wished: Direction) -> Direction:
    """What both sides want (RFC 6337 section 5.3): an answer never takes back our own hold, nor widens theirs."""
    return Direction.of(
        is_sending=allowed.is_sending and wished.is_sending,
        is_receiving=allowed.is_receiving and wished.is_receiving,
    )


def _refused(media: Audio | OtherMedia) -> OtherMedia:
    assert isinstance(media, OtherMedia)
    return replace(media, port=0)


def _bundle(offer: SessionDescription) -> tuple[str, ...] | None:
    """The bundle group of an answer: what of the offered group is not refused (RFC 8843 section 7.3)."""
    mid = offer.audio.mid
    return None if offer.bundle is None or mid not in offer.bundle or mid is None else (mid,)
