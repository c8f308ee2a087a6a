"""Legs that change: one that is set up to take another's place, and one that moves from session to session."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.domain.ids import LegName, Sdp
from gateway.media.core.codec import LegCodec
from gateway.media.core.rtcp import RtcpSession
from gateway.media.engine import LegStats
from gateway.media.engines.leg import AnyLeg
from gateway.media.quality import LegQuality


class Stream(Protocol):
    """What the far end of a leg hears: a `gateway.media.pipeline.Pipeline`, or what stands for one elsewhere."""

    @property
    def sink(self) -> LegCodec: ...
    @property
    def takes_digits(self) -> bool: ...
    def set_codecs(self, source: LegCodec, sink: LegCodec, now: float) -> None: ...
    def change_source(self, source: LegCodec, now: float, *, longest_pause: float | None) -> None: ...
    def set_muted(self, is_muted: bool, now: float) -> None: ...
    def play(self, payloads: Sequence[bytes]) -> None: ...
    def close(self) -> None: ...


AnyStream = TypeVar("AnyStream", bound=Stream)
SomeLeg = TypeVar("SomeLeg", bound=AnyLeg)


class Place(Protocol):
    """What a replacement needs of its session."""

    async def answer_for(self, leg: AnyLeg) -> Sdp: ...
    async def offer_for(self, leg: AnyLeg) -> Sdp: ...
    async def accept_for(self, leg: AnyLeg, answer: Sdp) -> None: ...
    async def join(self, leg: AnyLeg) -> None: ...
    async def discard(self, leg: AnyLeg) -> None: ...


class SpareLeg:
    """See `Replacement`."""

    def __init__(self, place: Place, leg: AnyLeg) -> None:
        self._place, self._leg = place, leg

    async def take_offer(self, offer: Sdp) -> None:
        """See `MediaSession`."""
        await self._leg.take_offer(offer)

    async def answer(self) -> Sdp:
        """See `MediaSession`."""
        return await self._place.answer_for(self._leg)

    async def offer(self) -> Sdp:
        """See `MediaSession`."""
        return await self._place.offer_for(self._leg)

    async def accept(self, answer: Sdp) -> None:
        """See `MediaSession`."""
        await self._place.accept_for(self._leg, answer)

    async def add_candidate(self, candidate: str | None) -> None:
        """See `MediaSession`."""
        await self._leg.add_candidate(candidate)

    async def join(self) -> None:
        """See `Replacement`."""
        await self._place.join(self._leg)

    async def discard(self) -> None:
        """See `Replacement`."""
        await self._place.discard(self._leg)


@dataclass(slots=True)
class MovingLeg(Generic[SomeLeg, AnyStream]):
    """See `DetachedLeg`. `pipeline` and `rtcp` are those towards its far end, None when it could not yet send.

    `rtcp` is None too where reports are the engine's own.

    `place` is where it stood, `stats` what it had come to there, and `quality` how good it was.
    """

    place: LegName
    leg: SomeLeg
    pipeline: AnyStream | None
    rtcp: RtcpSession | None
    stats: LegStats
    quality: LegQuality
    is_adopted: bool = False

    async def close(self) -> None:
        """See `DetachedLeg`."""
        if self.is_adopted:
            return
        await self.leg.close()
        if self.pipeline is not None:
            self.pipeline.close()
