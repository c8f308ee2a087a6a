"""The media of one call whose packets the compiled core moves: what is decided here, and what the core reports."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.domain.client_media import DtmfMode
from gateway.domain.ids import LegName
from gateway.media.core.codec import LegCodec
from gateway.media.core.negotiate import Preference
from gateway.media.core.rtcp import RtcpSession
from gateway.media.engine import DigitReceived, LegStats, MediaEvent, MediaNote, MediaWarning, unnoted
from gateway.media.engines.leg import AnyLeg
from gateway.media.engines.native_leg import NativeMediaLeg
from gateway.media.engines.native_stream import NativeSounds, NativeStream
from gateway.media.engines.session import Session
from gateway.media.quality import Bursts, CodecUse, DirectionQuality, LegQuality, Moment, Sample
from gateway.media.sounds import Sounds
from gateway.observability.clock import utc_now


class NativeSession(Session[NativeMediaLeg, NativeStream]):
    """See `Session`."""

    def __init__(
        self,
        *,
        on_event: Callable[[MediaEvent], None],
        preference: Preference,
        cname: str,
        sounds: Sounds,
        native_sounds: NativeSounds,
        on_counted: Callable[[], None],
        on_note: Callable[[MediaNote], None] = unnoted,
        shows_reports: bool = True,
    ) -> None:
        super().__init__(
            on_event=on_event,
            preference=preference,
            cname=cname,
            sounds=sounds,
            on_note=on_note,
            shows_reports=shows_reports,
        )
        self._native_sounds, self._on_counted = native_sounds, on_counted
        self._tickets: dict[int, asyncio.Future[None]] = {}
        self._warnings: dict[AnyLeg, set[str]] = {}
        self._is_answered = False

    def stats(self) -> Mapping[LegName, LegStats]:
        """See `MediaSession`. What the core counts for all calls together is up to date afterwards as well."""
        self._on_counted()
        return super().stats()

    def answered(self) -> None:
        """See `MediaSession`."""
        self._is_answered = True
        for leg in self._legs.values():
            leg.native.answered()

    # What the core reports (NativeObserver)

    def digit_received(self, leg: AnyLeg, digit: str, duration: float) -> None:
        """See `NativeObserver`."""
        if self._is_seated(leg):
            self._emit(leg, DigitReceived(leg.name, digit, duration))

    def digits_sent(self, ticket: int) -> None:
        """See `NativeObserver`."""
        done = self._tickets.pop(ticket, None)
        if done is not None and not done.done():
            done.set_result(None)

    def heard(self, leg: AnyLeg) -> None:
        """See `NativeObserver`."""
        if self._is_seated(leg):
            self._tell_listeners(leg)

    def report_passed(self, leg: AnyLeg, data: bytes, *, is_inbound: bool) -> None:
        """See `NativeObserver`."""
        self._note_report(leg.name, data, is_inbound=is_inbound)

    def warned(self, leg: AnyLeg, warning: str, *, is_raised: bool) -> None:
        """See `NativeObserver`. What is taken back was raised here: a leg that moved leaves its warnings behind."""
        if not self._is_seated(leg):
            return
        standing = self._warnings.setdefault(leg, set())
        if is_raised is (warning in standing):
            return
        (standing.add if is_raised else standing.discard)(warning)
        self._emit(leg, MediaWarning(leg.name, warning, is_raised))

    # See `Session`

    def _is_of_engine(self, leg: AnyLeg) -> bool:
        return isinstance(leg, NativeMediaLeg)

    def _seated(self) -> None:
        for name, leg in self._legs.items():
            other = self._legs.get(name.other)
            leg.native.connect(None if other is None else other.native)
            if self._is_answered:
                leg.native.answered()

    def _make_pipeline(self, leg: NativeMediaLeg, source: LegCodec, sink: LegCodec) -> NativeStream:
        return NativeStream(
            leg.native,
            self._native_sounds,
            source=source,
            sink=sink,
            ssrc=leg.ssrc,
            first_sequence=secrets.randbelow(0x8000),
            first_timestamp=secrets.randbits(32),
            needs_continuity=leg.needs_continuity,
            longest_pause=self._longest_pause(leg, self._legs[leg.name.other]),
            plays_digits=leg.options.dtmf is DtmfMode.INBAND,
        )

    def _take_pipeline(self, leg: LegName, pipeline: NativeStream) -> None:
        self._pipelines[leg] = pipeline

    def _send_digits(self, pipeline: NativeStream, digits: str, duration: float, gap: float) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = self._loop.create_future()
        self._tickets[pipeline.send_digits(digits, duration, gap)] = done
        return done

    def _listen(self, leg: NativeMediaLeg) -> None:
        leg.native.listen()

    def _begin_reports(self, leg: NativeMediaLeg) -> None:
        if not leg.native.is_reporting:
            if self._shows_reports:
                leg.native.show_reports()
            leg.native.begin_reports(leg.ssrc, self._cname, utc_now().timestamp(), secrets.randbits(64))

    def _end_reports(self, leg: LegName, *, says_bye: bool) -> None:
        report = self._legs[leg].native.say_bye() if says_bye else None
        if report is not None:
            self._note_report(leg, report, is_inbound=False)

    def _give_reports(self, leg: LegName) -> RtcpSession | None:
        """They belong to the core's leg, and go with it."""

    def _take_reports(self, leg: LegName, rtcp: RtcpSession | None) -> None:
        """They came with it."""

    def _leg_stats(self, leg: NativeMediaLeg) -> LegStats:
        sent, bytes_sent, rejected, round_trip = leg.native.sent()
        received, bytes_received, lost, jitter = leg.native.received()
        return LegStats(
            codec="" if leg.agreement is None else leg.agreement.codec,
            packets_received=received,
            packets_sent=sent,
            bytes_received=bytes_received,
            bytes_sent=bytes_sent,
            packets_lost=max(0, lost),
            packets_rejected=rejected + leg.packets_rejected,
            jitter=jitter,
            round_trip=round_trip,
            warnings=tuple(sorted(self._warnings.get(leg, ()))),
        )

    def _leg_quality(self, leg: NativeMediaLeg) -> LegQuality:
        figures = leg.native.quality()
        return LegQuality(
            inbound=_direction(figures["inbound"]),
            outbound=_direction(figures["outbound"]),
            codecs=tuple(CodecUse(*use) for use in figures["codecs"]),
            raised=tuple(figures["raised"]),
            warnings=tuple(figures["warnings"]),
        )

    def _leg_history(self, leg: NativeMediaLeg) -> Sequence[Sample]:
        return [Sample(at, Moment(*came), Moment(*went), *rest) for at, came, went, *rest in leg.native.history()]

    def _work(self, now: float) -> None:
        """Packets have timers of their own."""

    def _work_deadlines(self) -> Iterator[float | None]:
        yield None


def _direction(figures: dict[str, Any]) -> DirectionQuality:
    bursts = figures.pop("bursts")
    return DirectionQuality(bursts=None if bursts is None else Bursts(**bursts), **figures)
