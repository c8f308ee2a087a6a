"""What is told about a call while it lives: its facts, its log lines, and the times of its stages."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from gateway.b2bua.core.call import Ending, State
from gateway.b2bua.core.events import Event, LegAttached, LegDetached, LegReturned, MediaProbed, MediaUp, OfTarget
from gateway.b2bua.legs.base import Leg
from gateway.domain.facts import (
    CallAnswered,
    CallEnded,
    CallHeld,
    CallRinging,
    CallRouted,
    CallTransferred,
    Fact,
    TransferKind,
)
from gateway.domain.ids import CallId, Direction, LegName, SipCallId
from gateway.media.engine import LegStats
from gateway.media.quality import LegQuality
from gateway.observability import metrics
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger

STAGES: Final[Mapping[State, str]] = {
    State.DIALING: "dialed",
    State.RINGING: "ringing",
    State.EARLY: "early_media",
    State.CONNECTING: "answered",
    State.ACTIVE: "active",
    State.ENDED: "ended",
}

_log = get_logger()


class Journal:
    """Written by the runner of a call and by what performs for it.

    Attributes:
        direction: as far as it is known now; a browser's call counts as outbound until it is routed to another one.
        started_at: when the call came in; `began` on the loop's clock.
        answered_at: when it became active.
        transfers: who took whose place, oldest first.
    """

    def __init__(
        self,
        call_id: CallId,
        direction: Direction,
        *,
        emit: Callable[[Fact], None],
        stats: Callable[[], Mapping[LegName, LegStats]],
        quality: Callable[[], Mapping[LegName, LegQuality]],
    ) -> None:
        self.direction = direction
        self.started_at = utc_now()
        self.answered_at: datetime | None = None
        self.transfers: tuple[CallTransferred, ...] = ()
        self._call_id, self._emit, self._stats, self._quality = call_id, emit, stats, quality
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self._stages: dict[str, float] = {}
        self._media_up: set[LegName] = set()

    def note(self, event: Event | OfTarget) -> None:
        """What is no state of the call: when media is up, and how clients come and go."""
        match event:
            case MediaUp(leg):
                self._media_up.add(leg)
                if len(self._media_up) == len(LegName):
                    self._stages.setdefault("media", self._elapsed())
            case LegDetached(leg):
                _log.info("leg_detached", leg=leg.value)
            case LegReturned(leg):
                _log.info("leg_returned", leg=leg.value)
            case LegAttached(leg):
                _log.info("leg_attached", leg=leg.value)
                metrics.LEGS_RECOVERED.labels(how="attach").inc()
            case MediaProbed(leg, is_alive=True):
                _log.info("leg_kept", leg=leg.value)
                metrics.LEGS_RECOVERED.labels(how="kept").inc()
            case _:
                pass

    def stands_at(self, state: State) -> None:
        """The call is in that state; only the first time counts."""
        stage = STAGES.get(state)
        if stage is None or stage in self._stages:
            return
        self._stages[stage] = self._elapsed()
        match state:
            case State.RINGING:
                _log.info("call_ringing")
                self._emit(CallRinging(call_id=self._call_id, at=utc_now()))
            case State.ACTIVE:
                self._answered()
            case _:
                pass

    def _answered(self) -> None:
        self.answered_at = utc_now()
        stats = self._stats()
        codec_a, codec_b = (stats[leg].codec if leg in stats else "" for leg in LegName)
        _log.info("call_answered", codec_a=codec_a, codec_b=codec_b)
        self._emit(CallAnswered(call_id=self._call_id, at=self.answered_at, codec_a=codec_a, codec_b=codec_b))

    def routed_to_client(self) -> None:
        """It leads to a client of ours; from one, that makes it internal."""
        if self.direction is Direction.OUTBOUND:
            self.direction = Direction.INTERNAL
            self._emit(CallRouted(call_id=self._call_id, at=utc_now()))

    def held(self, leg: LegName, is_held: bool) -> None:
        """A leg was put on hold, or taken off it."""
        self._emit(CallHeld(call_id=self._call_id, at=utc_now(), leg=leg, is_held=is_held))

    def transferred(self, kind: TransferKind, name: LegName, former: Leg, successor: Leg) -> None:
        """Somebody has taken the place of somebody else."""
        _log.info("call_transferred", kind=kind.value, leg=name.value)
        transferred = CallTransferred(
            call_id=self._call_id,
            at=utc_now(),
            kind=kind,
            leg=name,
            former=former.party.number,
            successor=successor.party.number,
        )
        self.transfers += (transferred,)
        self._emit(transferred)

    def ended(self, ending: Ending, *, trunk: str | None, sip_call_id: SipCallId | None) -> None:
        """The last fact, with the totals of media."""
        at = utc_now()
        answered_at = self.answered_at
        self._stages.setdefault("ended", self._elapsed())
        legs = self._quality()
        for leg, quality in legs.items():
            _count(leg, quality)
        self._emit(
            CallEnded(
                call_id=self._call_id,
                at=at,
                direction=self.direction,
                cause=ending.cause,
                ended_by=ending.by,
                sip_status=ending.sip_status,
                sip_reason=ending.sip_reason,
                duration_s=(at - self.started_at).total_seconds(),
                billed_s=0.0 if answered_at is None else (at - answered_at).total_seconds(),
                trunk=trunk,
                sip_call_id=sip_call_id,
                stages=dict(self._stages),
                media=_media_totals(self._stats()),
                quality=self._shown(legs),
            )
        )

    def quality(self) -> dict[str, dict[str, object]]:
        """How good each leg is so far, by its letter, as the call record and the API show it."""
        return self._shown(self._quality())

    def _shown(self, legs: Mapping[LegName, LegQuality]) -> dict[str, dict[str, object]]:
        return {leg.value: quality.to_json(self.began) for leg, quality in legs.items()}

    def _elapsed(self) -> float:
        """Seconds since the call came in."""
        return round(self._loop.time() - self.began, 6)


def _count(leg: LegName, quality: LegQuality) -> None:
    for direction, figures in (("in", quality.inbound), ("out", quality.outbound)):
        if figures.mos is not None and figures.scale is not None:
            metrics.CALL_MOS.labels(leg.value, direction, figures.scale).observe(figures.mos)
        if figures.loss is not None:
            metrics.CALL_LOSS_RATIO.labels(leg.value, direction).observe(figures.loss)
    if quality.inbound.concealed is not None:
        metrics.CALL_CONCEALED_RATIO.labels(leg.value).observe(quality.inbound.concealed)


def _media_totals(stats: Mapping[LegName, LegStats]) -> dict[str, float]:
    """The figures of a call record, `leg_figure`."""
    totals: dict[str, float] = {}
    for leg, figures in stats.items():
        totals |= {
            f"{leg.value}_packets_received": figures.packets_received,
            f"{leg.value}_packets_sent": figures.packets_sent,
            f"{leg.value}_packets_lost": figures.packets_lost,
            f"{leg.value}_packets_rejected": figures.packets_rejected,
            f"{leg.value}_jitter_s": round(figures.jitter, 6),
        }
    return totals


__all__ = ["STAGES", "Journal"]
