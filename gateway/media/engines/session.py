"""The media of one call: two legs, and what joins them. Packets are the engine's."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic

from gateway.domain.ids import LegName, Sdp
from gateway.media.core.codec import LegCodec
from gateway.media.core.negotiate import Agreement, Preference, choose
from gateway.media.core.rtcp import RtcpSession
from gateway.media.core.sdp import Direction
from gateway.media.engine import (
    DEFAULT_OPTIONS,
    DetachedLeg,
    LegOptions,
    LegStats,
    MediaError,
    MediaEvent,
    MediaFact,
    MediaFailed,
    MediaNote,
    MediaReady,
    NoTelephoneEvent,
    Profile,
    RtcpPassed,
    Sound,
    unnoted,
)
from gateway.media.engines.leg import AnyLeg
from gateway.media.engines.replacement import AnyStream, MovingLeg, SomeLeg, SpareLeg
from gateway.media.quality import LegQuality, Sample
from gateway.media.sounds import Sounds
from gateway.observability import metrics


class SessionClosed(MediaError):
    """The session was closed while something waited for it."""

    code = "media_closed"
    sip_status = 487


class Session(ABC, Generic[SomeLeg, AnyStream]):
    """See `MediaSession`. Made by an engine, which then gives it its legs."""

    def __init__(
        self,
        *,
        on_event: Callable[[MediaEvent], None],
        preference: Preference,
        cname: str,
        sounds: Sounds,
        on_note: Callable[[MediaNote], None] = unnoted,
        shows_reports: bool = True,
    ) -> None:
        """
        Args:
            on_event, on_note: see `MediaEngine.open`.
            shows_reports: whether `on_note` is told of RTCP as well; of a call that talks there is little else to tell.
            cname: of our RTCP, the same towards both legs (RFC 7022).
            sounds: what can be played.
        """
        self._on_event, self._on_note = on_event, on_note
        self._shows_reports = shows_reports and on_note is not unnoted
        self._preference = preference
        self._cname = cname
        self._loop = asyncio.get_running_loop()
        self._legs: dict[LegName, SomeLeg] = {}
        self._pipelines: dict[LegName, AnyStream] = {}  # by the leg that it sends to
        self._held: set[LegName] = set()
        self._played: dict[LegName, Sound] = {}
        self._sounds = sounds
        self._sending_digits: set[asyncio.Future[None]] = set()
        self._listening: dict[asyncio.Future[None], LegName] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._spare: SomeLeg | None = None
        self._spare_failed: Callable[[str], None] = lambda reason: None
        self._dropped: set[LegName] = set()
        self._moved: MovingLeg[SomeLeg, AnyStream] | None = None
        self._is_closed = self._is_released = False
        self.make_leg: Callable[[LegName, Profile, Sequence[str], LegOptions], SomeLeg]
        """Makes a leg: its place, what it speaks, its allowed codecs, what is special."""
        self.on_closed: Callable[[], None] = lambda: None

    def add_legs(self, a: SomeLeg, b: SomeLeg) -> None:
        """Before anything else."""
        self._legs = {LegName.A: a, LegName.B: b}
        self._seated()

    # Offer and answer

    async def take_offer(self, leg: LegName, offer: Sdp) -> None:
        """See `MediaSession`."""
        await self._open_leg(leg).take_offer(offer)

    async def answer(self, leg: LegName) -> Sdp:
        """See `MediaSession`."""
        return await self.answer_for(self._open_leg(leg))

    async def answer_for(self, ours: AnyLeg) -> Sdp:
        """The answer of a leg that belongs here, or will."""
        other = self._open_leg(ours.name.other)
        if not ours.offered:
            raise ValueError(f"leg {ours.name.value} has taken no offer")
        codec = choose(
            ours.offered,
            other=None if other.agreement is None else other.agreement.codec,
            other_allowed=other.allowed,
            keeps_opus=self._preference is Preference.QUALITY and ours.may_keep_opus,
        )
        text = await ours.answer(codec)
        self._follow_agreement(ours)
        return text

    async def offer(self, leg: LegName) -> Sdp:
        """See `MediaSession`."""
        return await self.offer_for(self._open_leg(leg))

    async def offer_for(self, ours: AnyLeg) -> Sdp:
        """The offer of a leg that belongs here, or will."""
        other = self._open_leg(ours.name.other)
        names = [] if other.agreement is None else [other.agreement.codec]
        if not names or other.has_offer:
            names = [codec.name for codec in other.offered]
        if ours.options.keeps_order:
            names = []
        in_use = [] if ours.agreement is None else [ours.agreement.codec]
        return await ours.offer([*in_use, *names])

    async def accept(self, leg: LegName, answer: Sdp) -> None:
        """See `MediaSession`."""
        await self.accept_for(self._open_leg(leg), answer)

    async def accept_for(self, ours: AnyLeg, answer: Sdp) -> None:
        """Take the answer of a leg that belongs here, or will."""
        if await ours.accept(answer):
            self._follow_agreement(ours)

    async def add_candidate(self, leg: LegName, candidate: str | None) -> None:
        """See `MediaSession`."""
        await self._open_leg(leg).add_candidate(candidate)

    def _open_leg(self, leg: LegName) -> SomeLeg:
        if self._is_closed:
            raise SessionClosed("the media session is closed")
        return self._legs[leg]

    # Legs that change

    async def replace(
        self,
        leg: LegName,
        *,
        profile: Profile,
        codecs: Sequence[str],
        on_failed: Callable[[str], None],
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> SpareLeg:
        """See `MediaSession`."""
        self._open_leg(leg)
        await self._discard_spare()
        self._spare = self.make_leg(leg, profile, codecs, options)
        self._spare_failed = on_failed
        return SpareLeg(self, self._spare)

    async def join(self, leg: AnyLeg) -> None:
        """See `Replacement`. Raises SessionClosed also when another has taken its place."""
        spare = self._spare
        if self._is_closed or spare is None or spare is not leg:
            raise SessionClosed("the media session is closed, or the leg is discarded")
        old = self._seat(spare)
        self._spare = None
        if spare.is_ready:
            self._begin_sending(spare)
            self._emit(spare, MediaReady(spare.name))
        self._choose_audio()
        await old.close()

    async def discard(self, leg: AnyLeg) -> None:
        """See `Replacement`."""
        if self._spare is leg:
            await self._discard_spare()

    async def _discard_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            await spare.close()

    async def drop(self, leg: LegName) -> None:
        """See `MediaSession`."""
        self._dropped.add(leg)
        await self._open_leg(leg).close()

    def detach(self, leg: LegName) -> MovingLeg[SomeLeg, AnyStream]:
        """See `MediaSession`."""
        moving = self._open_leg(leg)
        if moving.agreement is None:
            raise MediaError(f"leg {leg.value} has agreed on nothing yet")
        stats, quality = self._leg_stats(moving), self._leg_quality(moving)
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        del self._legs[leg]
        self._moved = MovingLeg(leg, moving, self._pipelines.pop(leg, None), self._give_reports(leg), stats, quality)
        self._seated()
        return self._moved

    async def adopt(self, leg: LegName, detached: DetachedLeg) -> None:
        """See `MediaSession`."""
        if not isinstance(detached, MovingLeg) or not self._is_of_engine(detached.leg):
            raise ValueError("a leg of another engine")
        self._open_leg(leg)
        moving, pipeline, now = detached.leg, detached.pipeline, self._loop.time()
        other = self._legs[leg.other].agreement
        if pipeline is not None and other is not None:
            pipeline.change_source(other.receive, now, longest_pause=self._longest_pause(moving, self._legs[leg.other]))
        moving.move(leg, self)
        old = self._seat(moving)
        detached.is_adopted = True
        self._take_reports(leg, detached.rtcp)
        if pipeline is not None:
            self._take_pipeline(leg, pipeline)
        if moving.is_ready:
            self._begin_sending(moving)
            self._emit(moving, MediaReady(leg))
        self._choose_audio()
        await old.close()

    def _seat(self, leg: SomeLeg) -> SomeLeg:
        """Put a leg into its place; returns the one that was there, which is to be closed."""
        name, agreement = leg.name, leg.agreement
        if agreement is None:
            raise ValueError(f"leg {name.value} has agreed on nothing yet")
        towards_other = self._pipelines.get(name.other)
        if towards_other is not None:
            pause = self._longest_pause(self._legs[name.other], leg)
            towards_other.change_source(agreement.receive, self._loop.time(), longest_pause=pause)
        old = self._legs[name]
        self._end_reports(name, says_bye=name not in self._dropped)
        if (pipeline := self._pipelines.pop(name, None)) is not None:
            pipeline.close()
        self._dropped.discard(name)
        self._legs[name] = leg
        self._seated()
        leg.set_held(name in self._held)
        return old

    # What a call does

    def set_hold(self, leg: LegName, is_held: bool) -> None:
        """See `MediaSession`. With one leg held neither hears the other, so both directions are muted."""
        if self._is_closed:
            return
        (self._held.add if is_held else self._held.discard)(leg)
        self._legs[leg].set_held(is_held)
        self._choose_audio()

    def play(self, leg: LegName, sound: Sound | None) -> None:
        """See `MediaSession`."""
        if self._is_closed or self._played.get(leg) is sound:
            return
        if sound is None:
            del self._played[leg]
        else:
            self._played[leg] = sound
        self._choose_audio()

    def set_direction(self, leg: LegName, *, is_sending: bool, is_receiving: bool) -> None:
        """See `MediaSession`."""
        self._legs[leg].direction = Direction.of(is_sending=is_sending, is_receiving=is_receiving)

    def _choose_audio(self) -> None:
        """Have each far end hear the other leg, silence or a sound."""
        now = self._loop.time()
        for name, pipeline in self._pipelines.items():
            sound = self._played.get(name)
            pipeline.set_muted(bool(self._held) or sound is not None, now)
            if sound is None:
                pipeline.play(())
            else:
                self._sounds.load(sound, pipeline.sink.codec.name, partial(self._start_sound, name, sound))
        self._run_timer()

    def _start_sound(self, leg: LegName, sound: Sound, codec: str, payloads: Sequence[bytes]) -> None:
        """A sound is ready, unless it is no longer wanted."""
        pipeline = self._pipelines.get(leg)
        if self._is_closed or pipeline is None or self._played.get(leg) is not sound:
            return
        if pipeline.sink.codec.name == codec:
            pipeline.play(payloads)

    def takes_digits(self, leg: LegName) -> bool:
        """See `MediaSession`."""
        pipeline = self._pipelines.get(leg)
        return pipeline is not None and pipeline.takes_digits

    async def send_dtmf(self, leg: LegName, digits: str, *, duration: float, gap: float) -> None:
        """See `MediaSession`. Also raises SessionClosed: closed before the last digit had left."""
        self._open_leg(leg)
        pipeline = self._pipelines.get(leg)
        if pipeline is None or not pipeline.takes_digits:
            raise NoTelephoneEvent(f"leg {leg.value} has no telephone-event, and hears no tones")
        done = self._send_digits(pipeline, digits, duration, gap)
        self._sending_digits.add(done)
        done.add_done_callback(self._sending_digits.discard)
        self._run_timer()
        await done

    async def is_heard(self, leg: LegName, *, within: float) -> bool:
        """See `MediaSession`."""
        heard: asyncio.Future[None] = self._loop.create_future()
        self._listening[heard] = leg
        if not self._is_closed:
            self._listen(self._legs[leg])
        try:
            async with asyncio.timeout(within):
                await heard
        except TimeoutError:
            return False
        finally:
            self._listening.pop(heard, None)
        return True

    def _tell_listeners(self, leg: AnyLeg) -> None:
        for heard in [heard for heard, name in self._listening.items() if name is leg.name]:
            del self._listening[heard]
            if not heard.done():
                heard.set_result(None)

    def answered(self) -> None:
        """See `MediaSession`. An engine that does not listen need not know."""

    def stats(self) -> Mapping[LegName, LegStats]:
        """See `MediaSession`."""
        moved = {} if self._moved is None else {self._moved.place: self._moved.stats}
        return {**moved, **{name: self._leg_stats(leg) for name, leg in self._legs.items()}}

    def quality(self) -> Mapping[LegName, LegQuality]:
        """See `MediaSession`."""
        moved = {} if self._moved is None else {self._moved.place: self._moved.quality}
        return {**moved, **{name: self._leg_quality(leg) for name, leg in self._legs.items()}}

    def history(self) -> Mapping[LegName, Sequence[Sample]]:
        """See `MediaSession`."""
        return {name: self._leg_history(leg) for name, leg in self._legs.items()}

    async def close(self) -> None:
        """See `MediaSession`."""
        if self._is_released:
            return
        self._is_closed = self._is_released = True
        if self._timer is not None:
            self._timer.cancel()
        for name in self._legs:
            self._end_reports(name, says_bye=True)
        for done in tuple(self._sending_digits):
            if not done.done():
                done.set_exception(SessionClosed("closed before the last digit had left"))
        await self._discard_spare()
        for leg in self._legs.values():
            await leg.close()
        for pipeline in self._pipelines.values():
            pipeline.close()
        self._observe()
        self.on_closed()

    def _observe(self) -> None:
        for name, stats in self.stats().items():
            if stats.packets_received:
                metrics.RTP_PACKETS_LOST.labels(name.value).inc(stats.packets_lost)
                metrics.RTP_JITTER_SECONDS.labels(name.value).observe(stats.jitter)

    # What the legs report (LegObserver)

    def leg_noted(self, leg: AnyLeg, text: str) -> None:
        """See `LegObserver`."""
        self._on_note(MediaFact(leg.name, text))

    def _note_report(self, leg: LegName, data: bytes, *, is_inbound: bool) -> None:
        if self._shows_reports:
            self._on_note(RtcpPassed(leg, data, is_inbound))

    def leg_ready(self, leg: AnyLeg) -> None:
        """See `LegObserver`."""
        if self._is_seated(leg):
            self._begin_sending(self._legs[leg.name])
            self._emit(leg, MediaReady(leg.name))
        self._run_timer()

    def leg_failed(self, leg: AnyLeg, reason: str) -> None:
        """See `LegObserver`."""
        if leg is self._spare:
            self._loop.call_soon(self._spare_failed, reason)
        elif leg.name not in self._dropped:
            self._emit(leg, MediaFailed(leg.name, reason))

    def deadline_changed(self, leg: AnyLeg) -> None:
        """See `LegObserver`."""
        self._arm(leg.next_deadline())

    def _is_seated(self, leg: AnyLeg) -> bool:
        """Whether it is one of the two legs, not one that will be, or was."""
        return self._legs.get(leg.name) is leg

    def _emit(self, leg: AnyLeg, event: MediaEvent) -> None:
        self._loop.call_soon(self._deliver, leg, event)

    def _deliver(self, leg: AnyLeg, event: MediaEvent) -> None:
        if not self._is_closed and self._is_seated(leg):
            self._on_event(event)

    # Pipelines

    def _begin_sending(self, leg: SomeLeg) -> None:
        """The leg can send: from now on its far end hears something, silence if nothing else."""
        self._begin_reports(leg)
        codecs = self._codecs_towards(leg)
        if codecs is None or leg.name in self._pipelines:
            return
        self._pipelines[leg.name] = self._make_pipeline(leg, *codecs)
        if self._held or leg.name in self._played:
            self._choose_audio()

    def _longest_pause(self, sink: AnyLeg, source: AnyLeg) -> float | None:
        """See `Pipeline`. A sink that needs continuity has it anyway."""
        return None if sink.needs_continuity else source.longest_pause

    def _codecs_towards(self, leg: AnyLeg) -> tuple[LegCodec, LegCodec] | None:
        """Source and sink of the pipeline towards a leg. While the other leg is unknown, as if it were alike."""
        if leg.agreement is None:
            return None
        other = self._legs[leg.name.other].agreement
        return (leg.agreement.send if other is None else other.receive), leg.agreement.send

    def _follow_agreement(self, leg: AnyLeg) -> None:
        """A leg's codecs have been agreed, maybe anew: both directions are concerned."""
        if leg.agreement is not None:
            self.leg_noted(leg, _codecs_in_words(leg.agreement))
        if not self._is_seated(leg):
            return
        now = self._loop.time()
        for name in (leg.name, leg.name.other):
            pipeline, codecs = self._pipelines.get(name), self._codecs_towards(self._legs[name])
            if pipeline is not None and codecs is not None:
                was = pipeline.sink.codec.name
                pipeline.set_codecs(*codecs, now)
                if name in self._played and pipeline.sink.codec.name != was:
                    self._choose_audio()
            elif self._legs[name].is_ready:
                self._begin_sending(self._legs[name])
        self._run_timer()

    # What each engine does in its own way

    @abstractmethod
    def _is_of_engine(self, leg: AnyLeg) -> bool:
        """Whether this leg can have a place here."""

    @abstractmethod
    def _seated(self) -> None:
        """Who sits in the two places has changed; one may be empty."""

    @abstractmethod
    def _make_pipeline(self, leg: SomeLeg, source: LegCodec, sink: LegCodec) -> AnyStream:
        """Begin a stream towards a leg's far end."""

    @abstractmethod
    def _take_pipeline(self, leg: LegName, pipeline: AnyStream) -> None:
        """The stream of a leg that comes from another session has its place here now."""

    @abstractmethod
    def _send_digits(self, pipeline: AnyStream, digits: str, duration: float, gap: float) -> "asyncio.Future[None]":
        """Send digits; the future is done when the last of them has left."""

    @abstractmethod
    def _listen(self, leg: SomeLeg) -> None:
        """Call `_tell_listeners` with the leg's next packet."""

    @abstractmethod
    def _begin_reports(self, leg: SomeLeg) -> None:
        """Send RTCP to a leg from now on; it may be sent already."""

    @abstractmethod
    def _end_reports(self, leg: LegName, *, says_bye: bool) -> None:
        """Send none any more; nothing may be known of any."""

    @abstractmethod
    def _give_reports(self, leg: LegName) -> RtcpSession | None:
        """What belongs to a leg that leaves; see `MovingLeg`."""

    @abstractmethod
    def _take_reports(self, leg: LegName, rtcp: RtcpSession | None) -> None:
        """The same, of a leg that comes."""

    @abstractmethod
    def _leg_stats(self, leg: SomeLeg) -> LegStats:
        """Totals of a leg."""

    @abstractmethod
    def _leg_quality(self, leg: SomeLeg) -> LegQuality:
        """How good a leg is, all in all."""

    @abstractmethod
    def _leg_history(self, leg: SomeLeg) -> Sequence[Sample]:
        """How good it was in its last seconds, as far as that is remembered."""

    @abstractmethod
    def _work(self, now: float) -> None:
        """Do what of packets is due."""

    @abstractmethod
    def _work_deadlines(self) -> Iterable[float | None]:
        """When `_work` wants to be called."""

    # Time

    def _arm(self, deadline: float | None) -> None:
        """See to it that the timer fires no later. Too early costs little, arming it anew for each packet would not."""
        if deadline is None or self._is_closed:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._run_timer)

    def _run_timer(self) -> None:
        """Do everything that is due; arm the timer for what is next."""
        if self._is_closed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        self._work(now)
        for leg in self._all_legs():
            leg.handle_timeout(now)
        self._arm(min(self._deadlines(), default=None))

    def _all_legs(self) -> list[SomeLeg]:
        return [*self._legs.values(), *([] if self._spare is None else [self._spare])]

    def _deadlines(self) -> list[float]:
        deadlines = [*self._work_deadlines(), *(leg.next_deadline() for leg in self._all_legs())]
        return [deadline for deadline in deadlines if deadline is not None]


def _codecs_in_words(agreement: Agreement) -> str:
    codec, event = agreement.send.codec, agreement.send.telephone_event
    digits = "no telephone-event" if event is None else f"telephone-event {event[0]}"
    return f"codec {codec.name}/{codec.clock_rate}, payload type {codec.payload_type}, {digits}"
