"""The media of one call: two legs, a pipeline each way, RTCP on either side, and one timer for all of it."""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from random import SystemRandom
from typing import Final

from gateway.domain.client_media import DtmfMode
from gateway.domain.ids import LegName, Sdp
from gateway.media.core.codec import LegCodec
from gateway.media.core.negotiate import Agreement, Preference, choose
from gateway.media.core.rtcp import RtcpParseError, RtcpSession, SenderInfo
from gateway.media.core.rtp import ReceptionStats, RtpPacket, RtpParseError, parse
from gateway.media.core.sdp import Direction
from gateway.media.engine import (
    DEFAULT_OPTIONS,
    DetachedLeg,
    DigitReceived,
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
from gateway.media.engines.leg import Leg, LegObserver
from gateway.media.engines.replacement import MovingLeg, SpareLeg
from gateway.media.pipeline import Pipeline
from gateway.media.sounds import Sounds
from gateway.observability import metrics
from gateway.observability.clock import utc_now

_RANDOM: Final = SystemRandom()


LegMaker = Callable[[LegName, Profile, Sequence[str], LegOptions, str, LegObserver], Leg]
"""Makes a leg: its place, what it speaks, its allowed codecs, what is special, the CNAME, whom it reports to."""


class SessionClosed(MediaError):
    """The session was closed while something waited for it."""

    code = "media_closed"
    sip_status = 487


class Session:
    """See `MediaSession`. Made by an engine, which then gives it its legs."""

    def __init__(
        self,
        *,
        on_event: Callable[[MediaEvent], None],
        preference: Preference,
        cname: str,
        sounds: Sounds,
        on_note: Callable[[MediaNote], None] = unnoted,
    ) -> None:
        """
        Args:
            on_event, on_note: see `MediaEngine.open`.
            cname: of our RTCP, the same towards both legs (RFC 7022).
            sounds: what can be played.
        """
        self._on_event, self._on_note = on_event, on_note
        self._has_sent: set[Leg] = set()
        self._preference = preference
        self._cname = cname
        self._loop = asyncio.get_running_loop()
        self._legs: dict[LegName, Leg] = {}
        self._pipelines: dict[LegName, Pipeline] = {}  # by the leg that it sends to
        self._rtcp: dict[LegName, RtcpSession] = {}
        self._reported: dict[LegName, int] = {}
        self._held: set[LegName] = set()
        self._played: dict[LegName, Sound] = {}
        self._sounds = sounds
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self._listening: dict[asyncio.Future[None], LegName] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._spare: Leg | None = None
        self._spare_failed: Callable[[str], None] = lambda reason: None
        self._dropped: set[LegName] = set()
        self._moved: MovingLeg | None = None
        self._is_closed = self._is_released = False
        self.make_leg: LegMaker
        self.on_closed: Callable[[], None] = lambda: None

    def add_legs(self, a: Leg, b: Leg) -> None:
        """Before anything else."""
        self._legs = {LegName.A: a, LegName.B: b}

    # Offer and answer

    async def take_offer(self, leg: LegName, offer: Sdp) -> None:
        """See `MediaSession`."""
        await self._open_leg(leg).take_offer(offer)

    async def answer(self, leg: LegName) -> Sdp:
        """See `MediaSession`."""
        return await self.answer_for(self._open_leg(leg))

    async def answer_for(self, ours: Leg) -> Sdp:
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

    async def offer_for(self, ours: Leg) -> Sdp:
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

    async def accept_for(self, ours: Leg, answer: Sdp) -> None:
        """Take the answer of a leg that belongs here, or will."""
        if await ours.accept(answer):
            self._follow_agreement(ours)

    async def add_candidate(self, leg: LegName, candidate: str | None) -> None:
        """See `MediaSession`."""
        await self._open_leg(leg).add_candidate(candidate)

    def _open_leg(self, leg: LegName) -> Leg:
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
        self._spare = self.make_leg(leg, profile, codecs, options, self._cname, self)
        self._spare_failed = on_failed
        return SpareLeg(self, self._spare)

    async def join(self, leg: Leg) -> None:
        """See `Replacement`. Raises SessionClosed also when another has taken its place."""
        if self._is_closed or self._spare is not leg:
            raise SessionClosed("the media session is closed, or the leg is discarded")
        old = self._seat(leg)
        self._spare = None
        if leg.is_ready:
            self._begin_sending(leg)
            self._emit(leg, MediaReady(leg.name))
        self._choose_audio()
        await old.close()

    async def discard(self, leg: Leg) -> None:
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

    def detach(self, leg: LegName) -> MovingLeg:
        """See `MediaSession`."""
        moving = self._open_leg(leg)
        if moving.agreement is None:
            raise MediaError(f"leg {leg.value} has agreed on nothing yet")
        stats = self._leg_stats(moving)
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        del self._legs[leg]
        self._moved = MovingLeg(leg, moving, self._pipelines.pop(leg, None), self._rtcp.pop(leg, None), stats)
        return self._moved

    async def adopt(self, leg: LegName, detached: DetachedLeg) -> None:
        """See `MediaSession`."""
        if not isinstance(detached, MovingLeg):
            raise ValueError("a leg of another engine")
        self._open_leg(leg)
        moving, pipeline, now = detached.leg, detached.pipeline, self._loop.time()
        other = self._legs[leg.other].agreement
        if pipeline is not None and other is not None:
            pipeline.change_source(other.receive, now, longest_pause=self._longest_pause(moving, self._legs[leg.other]))
        moving.move(leg, self)
        old = self._seat(moving)
        detached.is_adopted = True
        if detached.rtcp is not None:
            self._rtcp[leg] = detached.rtcp
        if pipeline is not None:
            pipeline.on_digit = partial(self._digit_received, leg.other)
            self._pipelines[leg] = pipeline
        if moving.is_ready:
            self._begin_sending(moving)
            self._emit(moving, MediaReady(leg))
        self._choose_audio()
        await old.close()

    def _seat(self, leg: Leg) -> Leg:
        """Put a leg into its place; returns the one that was there, which is to be closed."""
        name, agreement = leg.name, leg.agreement
        if agreement is None:
            raise ValueError(f"leg {name.value} has agreed on nothing yet")
        towards_other = self._pipelines.get(name.other)
        if towards_other is not None:
            pause = self._longest_pause(self._legs[name.other], leg)
            towards_other.change_source(agreement.receive, self._loop.time(), longest_pause=pause)
        old = self._legs[name]
        if name not in self._dropped:
            self._say_bye(name)
        if (pipeline := self._pipelines.pop(name, None)) is not None:
            pipeline.close()
        self._rtcp.pop(name, None)
        self._reported.pop(name, None)
        self._dropped.discard(name)
        self._legs[name] = leg
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
        done = self._loop.create_future()
        self._waiting.append((pipeline.send_digits(digits, duration, gap, self._loop.time()), done))
        self._run_timer()
        await done

    async def is_heard(self, leg: LegName, *, within: float) -> bool:
        """See `MediaSession`."""
        heard: asyncio.Future[None] = self._loop.create_future()
        self._listening[heard] = leg
        try:
            async with asyncio.timeout(within):
                await heard
        except TimeoutError:
            return False
        finally:
            self._listening.pop(heard, None)
        return True

    def _tell_listeners(self, leg: Leg) -> None:
        for heard in [heard for heard, name in self._listening.items() if name is leg.name]:
            del self._listening[heard]
            if not heard.done():
                heard.set_result(None)

    def stats(self) -> Mapping[LegName, LegStats]:
        """See `MediaSession`."""
        moved = {} if self._moved is None else {self._moved.place: self._moved.stats}
        return {**moved, **{name: self._leg_stats(leg) for name, leg in self._legs.items()}}

    def _leg_stats(self, leg: Leg) -> LegStats:
        reception, rtcp = self._reception(leg.name), self._rtcp.get(leg.name)
        return LegStats(
            codec="" if leg.agreement is None else leg.agreement.codec,
            packets_received=reception.packets_received,
            packets_sent=leg.packets_sent,
            bytes_received=reception.bytes_received,
            bytes_sent=leg.bytes_sent,
            packets_lost=max(0, reception.packets_lost),
            packets_rejected=leg.packets_rejected,
            jitter=reception.jitter,
            round_trip=None if rtcp is None else rtcp.round_trip,
        )

    async def close(self) -> None:
        """See `MediaSession`."""
        if self._is_released:
            return
        self._is_closed = self._is_released = True
        if self._timer is not None:
            self._timer.cancel()
        for name in list(self._rtcp):
            self._say_bye(name)
        for _, done in self._waiting:
            if not done.done():
                done.set_exception(SessionClosed("closed before the last digit had left"))
        self._waiting.clear()
        await self._discard_spare()
        for leg in self._legs.values():
            await leg.close()
        for pipeline in self._pipelines.values():
            pipeline.close()
        self._observe()
        self.on_closed()

    def _say_bye(self, name: LegName) -> None:
        rtcp, now = self._rtcp.get(name), self._loop.time()
        if rtcp is not None:
            self._send_rtcp(name, rtcp.bye(now, self._reception(name), self._sender_info(name, now)))

    def _observe(self) -> None:
        for name, stats in self.stats().items():
            if stats.packets_received:
                metrics.RTP_PACKETS_LOST.labels(name.value).inc(stats.packets_lost)
                metrics.RTP_JITTER_SECONDS.labels(name.value).observe(stats.jitter)

    # What the legs report (LegObserver)

    def rtp_received(self, leg: Leg, data: bytes) -> None:
        """See `LegObserver`."""
        if not self._is_seated(leg):
            return
        try:
            packet = parse(data)
        except RtpParseError:
            leg.reject("not_rtp")
            return
        now = self._loop.time()
        if leg.last_received is None:
            self.leg_noted(leg, f"first packet received, payload type {packet.payload_type}")
        leg.last_received = now
        if self._listening:
            self._tell_listeners(leg)
        if packet.payload_type not in leg.payload_types:
            leg.reject("payload_type")  # the pipeline still wants its sequence number
        pipeline = self._pipelines.get(leg.name.other)
        if pipeline is not None:
            self._send(leg.name.other, pipeline.receive(packet, now))
            self._arm(pipeline.next_deadline())

    def rtcp_received(self, leg: Leg, data: bytes) -> None:
        """See `LegObserver`."""
        rtcp = self._rtcp.get(leg.name)
        if rtcp is None or not self._is_seated(leg):
            return
        try:
            rtcp.receive(data, self._loop.time())
        except RtcpParseError:
            leg.reject("not_rtp")
            return
        self._on_note(RtcpPassed(leg.name, data, is_inbound=True))

    def leg_noted(self, leg: Leg, text: str) -> None:
        """See `LegObserver`."""
        self._on_note(MediaFact(leg.name, text))

    def leg_ready(self, leg: Leg) -> None:
        """See `LegObserver`."""
        if self._is_seated(leg):
            self._begin_sending(leg)
            self._emit(leg, MediaReady(leg.name))
        self._run_timer()

    def leg_failed(self, leg: Leg, reason: str) -> None:
        """See `LegObserver`."""
        if leg is self._spare:
            self._loop.call_soon(self._spare_failed, reason)
        elif leg.name not in self._dropped:
            self._emit(leg, MediaFailed(leg.name, reason))

    def deadline_changed(self, leg: Leg) -> None:
        """See `LegObserver`."""
        self._arm(leg.next_deadline())

    def _is_seated(self, leg: Leg) -> bool:
        """Whether it is one of the two legs, not one that will be, or was."""
        return self._legs.get(leg.name) is leg

    def _emit(self, leg: Leg, event: MediaEvent) -> None:
        self._loop.call_soon(self._deliver, leg, event)

    def _deliver(self, leg: Leg, event: MediaEvent) -> None:
        if not self._is_closed and self._is_seated(leg):
            self._on_event(event)

    # Pipelines

    def _begin_sending(self, leg: Leg) -> None:
        """The leg can send: from now on its far end hears something, silence if nothing else."""
        now = self._loop.time()
        if leg.name not in self._rtcp:
            self._rtcp[leg.name] = RtcpSession(
                ssrc=leg.ssrc,
                cname=self._cname,
                now=now,
                wall_clock=_seconds_since_1970(utc_now()),
                randomness=_RANDOM.random,
            )
        codecs = self._codecs_towards(leg)
        if codecs is None or leg.name in self._pipelines:
            return
        source, sink = codecs
        self._pipelines[leg.name] = Pipeline(
            source=source,
            sink=sink,
            ssrc=leg.ssrc,
            first_sequence=secrets.randbelow(0x8000),
            first_timestamp=secrets.randbits(32),
            now=now,
            on_digit=partial(self._digit_received, leg.name.other),
            needs_continuity=leg.needs_continuity,
            longest_pause=self._longest_pause(leg, self._legs[leg.name.other]),
            plays_digits=leg.options.dtmf is DtmfMode.INBAND,
        )
        if self._held or leg.name in self._played:
            self._choose_audio()

    def _longest_pause(self, sink: Leg, source: Leg) -> float | None:
        """See `Pipeline`. A sink that needs continuity has it anyway."""
        return None if sink.needs_continuity else source.longest_pause

    def _codecs_towards(self, leg: Leg) -> tuple[LegCodec, LegCodec] | None:
        """Source and sink of the pipeline towards a leg. While the other leg is unknown, as if it were alike."""
        if leg.agreement is None:
            return None
        other = self._legs[leg.name.other].agreement
        return (leg.agreement.send if other is None else other.receive), leg.agreement.send

    def _follow_agreement(self, leg: Leg) -> None:
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

    def _digit_received(self, leg: LegName, digit: str, duration: float) -> None:
        self._emit(self._legs[leg], DigitReceived(leg, digit, duration))

    def _send(self, leg: LegName, packets: Sequence[RtpPacket]) -> None:
        sink = self._legs[leg]
        for packet in packets:
            sink.send_rtp(packet)
        if packets and sink.packets_sent and sink not in self._has_sent:
            self._has_sent.add(sink)
            self.leg_noted(sink, f"first packet sent, payload type {packets[0].payload_type}")

    def _send_rtcp(self, leg: LegName, data: bytes) -> None:
        self._legs[leg].send_rtcp(data)
        self._on_note(RtcpPassed(leg, data, is_inbound=False))

    # Reports

    def _reception(self, leg: LegName) -> ReceptionStats:
        """What was received of a leg, which the pipeline that it feeds counts."""
        pipeline = self._pipelines.get(leg.other)
        return ReceptionStats(8000) if pipeline is None else pipeline.stats

    def _sender_info(self, leg: LegName, now: float) -> SenderInfo | None:
        """For a sender report; None when nothing has left since the last one (RFC 3550 section 6.4)."""
        pipeline, sent = self._pipelines.get(leg), self._legs[leg].packets_sent
        if pipeline is None or sent == self._reported.get(leg, 0):
            return None
        self._reported[leg] = sent
        return pipeline.sender_info(now)

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
        for name, pipeline in self._pipelines.items():
            self._send(name, pipeline.handle_timeout(now))
        for name, rtcp in self._rtcp.items():
            if now >= rtcp.next_deadline():
                report = rtcp.handle_timeout(now, self._reception(name), self._sender_info(name, now))
                if report is not None:
                    self._send_rtcp(name, report)
        for leg in self._all_legs():
            leg.handle_timeout(now)
        self._wake_waiting(now)
        self._arm(min(self._deadlines(), default=None))

    def _wake_waiting(self, now: float) -> None:
        for due, done in self._waiting:
            if due <= now and not done.done():
                done.set_result(None)
        self._waiting = [(due, done) for due, done in self._waiting if not done.done()]

    def _all_legs(self) -> list[Leg]:
        return [*self._legs.values(), *([] if self._spare is None else [self._spare])]

    def _deadlines(self) -> list[float]:
        deadlines = [
            *(pipeline.next_deadline() for pipeline in self._pipelines.values()),
            *(rtcp.next_deadline() for rtcp in self._rtcp.values()),
            *(leg.next_deadline() for leg in self._all_legs()),
            *(due for due, _ in self._waiting),
        ]
        return [deadline for deadline in deadlines if deadline is not None]


def _seconds_since_1970(now: datetime) -> float:
    return now.timestamp()


def _codecs_in_words(agreement: Agreement) -> str:
    codec, event = agreement.send.codec, agreement.send.telephone_event
    digits = "no telephone-event" if event is None else f"telephone-event {event[0]}"
    return f"codec {codec.name}/{codec.clock_rate}, payload type {codec.payload_type}, {digits}"
