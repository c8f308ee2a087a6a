"""Legs that change: one that is set up to take another's place, and one that moves from session to session."""

from dataclasses import dataclass
from typing import Protocol

from gateway.domain.ids import LegName, Sdp
from gateway.media.core.rtcp import RtcpSession
from gateway.media.engine import LegStats
from gateway.media.engines.leg import Leg
from gateway.media.pipeline import Pipeline


class Place(Protocol):
    """What a replacement needs of its session."""

    async def answer_for(self, leg: Leg) -> Sdp: ...
    async def offer_for(self, leg: Leg) -> Sdp: ...
    async def accept_for(self, leg: Leg, answer: Sdp) -> None: ...
    async def join(self, leg: Leg) -> None: ...
    async def discard(self, leg: Leg) -> None: ...


class SpareLeg:
    """See `Replacement`."""

    def __init__(self, place: Place, leg: Leg) -> None:
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
class MovingLeg:
    """See `DetachedLeg`. `pipeline` and `rtcp` are those towards its far end, None when it could not yet send.

    `place` is where it stood, and `stats` what it had come to there.
    """

    place: LegName
    leg: Leg
    pipeline: Pipeline | None
    rtcp: RtcpSession | None
    stats: LegStats
    is_adopted: bool = False

    async def close(self) -> None:
        """See `DetachedLeg`."""
        if self.is_adopted:
            return
        await self.leg.close()
        if self.pipeline is not None:
            self.pipeline.close()
