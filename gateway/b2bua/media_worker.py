"""The media of one call as its runner drives it: one piece of work after the other, results back as events."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final

from gateway.b2bua.core.events import (
    AttachOfferReady,
    DescriptionReady,
    DigitHeard,
    MediaDown,
    MediaProbed,
    MediaRefused,
    MediaUp,
    OfferReady,
    ReinviteReady,
    ReinviteRefused,
    ReofferAnswered,
    ReofferRefused,
    TargetAnswerReady,
    TargetOfferReady,
    TargetReady,
    TargetRefused,
)
from gateway.b2bua.legs.base import Leg, Post
from gateway.domain.causes import (
    INCOMPATIBLE_DESTINATION,
    MEDIA_TIMEOUT,
    NORMAL_TEMPORARY_FAILURE,
    REJECTIONS,
    Cause,
)
from gateway.domain.ids import CallId, LegName, Sdp
from gateway.media.engine import (
    DetachedLeg,
    DigitReceived,
    EncryptionRefused,
    LegStats,
    MediaEngine,
    MediaError,
    MediaEvent,
    MediaFailed,
    MediaReady,
    MediaSession,
    MediaWarning,
    NoFreePort,
    Replacement,
    Sound,
)
from gateway.media.quality import LegQuality, Sample
from gateway.observability import metrics
from gateway.observability.logging import get_logger

JOBS_SIZE: Final = 256
"""Pieces of work that may wait. Full: `asyncio.QueueFull`, which ends the call as a defect."""

DIGITS_SIZE: Final = 64
"""Digit strings that may wait to be played. Full: further ones are dropped with a warning."""

DIGIT_DURATION: Final = 0.1
"""Seconds a digit from signalling lasts on the far leg that says nothing of it; the SDKs never do."""

SHORTEST_DIGIT: Final = 0.04
"""Seconds that a digit lasts at least, whatever signalling says: detectors are promised no less (ITU-T Q.24)."""

DIGIT_GAP: Final = 0.06
"""Seconds between two digits."""

HEARD_AHEAD: Final = 2.0
"""Seconds that digits in a leg's media may be ahead of the shortest that are possible; more of them are not told."""

_DIGITS: Final = re.compile(r"[0-9*#A-D]{1,128}")
"""What RFC 4733 section 3.2 can carry; an SDK passes on whatever the application gave it."""

PROBE_TIME: Final = 0.3
"""Seconds in which media that still flows shows itself: a browser sends every 20 ms, muted or not."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that media may take to close."""

Spawn = Callable[[Coroutine[None, None, None], str], None]
"""Starts a task, by coroutine and name, in the call's TaskGroup."""

Job = Callable[[MediaSession], Awaitable[None]]


class MediaWorker:
    """Serialises what a call asks of media, so that descriptions never overtake each other."""

    def __init__(self, call_id: CallId, engine: MediaEngine, post: Post) -> None:
        self._call_id, self._engine, self._post = call_id, engine, post
        self._session: MediaSession | None = None
        self._jobs: asyncio.Queue[Job] = asyncio.Queue(JOBS_SIZE)
        self._digits: asyncio.Queue[tuple[LegName, str, float]] = asyncio.Queue(DIGITS_SIZE)
        self._heard_until = 0.0
        """When the digits that were heard would have ended, had each been as short as it may be."""
        self._is_flooded = False
        self._target: Replacement | None = None
        self._is_working = self._is_answered = False
        self._held: set[LegName] = set()
        self._played: dict[LegName, Sound] = {}
        self._final_stats: Mapping[LegName, LegStats] = {}
        self._final_quality: Mapping[LegName, LegQuality] = {}
        self._log = get_logger()

    def start(self, spawn: Spawn) -> None:
        """Start the two tasks: descriptions, and digits, which take as long as they sound."""
        spawn(self._work(), "media")
        spawn(self._play_digits(), "digits")

    def answered(self) -> None:
        """The call is active; only the first time counts."""
        if self._session is not None and not self._is_answered:
            self._is_answered = True
            self._session.answered()

    def stats(self) -> Mapping[LegName, LegStats]:
        """Totals so far; the last ones once closed."""
        return self._final_stats if self._session is None else self._session.stats()

    def quality(self) -> Mapping[LegName, LegQuality]:
        """How good the legs are, all in all; were, once closed."""
        return self._final_quality if self._session is None else self._session.quality()

    def history(self) -> Mapping[LegName, Sequence[Sample]]:
        """How good the legs were in their last seconds; nothing is remembered once closed."""
        return {} if self._session is None else self._session.history()

    async def prepare_offer(self, a: Leg, b: Leg) -> None:
        """Open media, take A's offer if there is one, offer to B: `OfferReady` or `MediaRefused`."""
        try:
            self._session = session = await self._engine.open(
                call_id=self._call_id,
                a=a.profile,
                b=b.profile,
                codecs_a=a.codecs,
                codecs_b=b.codecs,
                on_event=self._take_event,
                options_a=a.options,
                options_b=b.options,
            )
            self._catch_up(session)
            if a.offer is not None:
                await session.take_offer(LegName.A, a.offer)
            self._post(OfferReady(await session.offer(LegName.B)))
        except MediaError as error:
            self._refuse(LegName.A, error)

    def connect(self, a: Leg, answer: Sdp) -> None:
        """Accept B's answer and describe A: `DescriptionReady` or `MediaRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                await session.accept(LegName.B, answer)
                has_offer = a.offer is not None
                description = await (session.answer(LegName.A) if has_offer else session.offer(LegName.A))
            except MediaError as error:
                self._refuse(LegName.B, error)
            else:
                self._post(DescriptionReady(description))

        self._jobs.put_nowait(job)

    def accept(self, leg: LegName, answer: Sdp) -> None:
        """Accept a further answer of a leg; only a failure comes back."""

        async def job(session: MediaSession) -> None:
            try:
                await session.accept(leg, answer)
            except MediaError as error:
                self._refuse(leg, error)

        self._jobs.put_nowait(job)

    def renegotiate(self, leg: LegName, offer: Sdp | None) -> None:
        """Take a new offer of a leg, or make one where it wants ours: `ReofferAnswered` or `ReofferRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                if offer is None:
                    description = await session.offer(leg)
                else:
                    await session.take_offer(leg, offer)
                    description = await session.answer(leg)
            except MediaError as error:
                self._log.info("media_update_refused", leg=leg.value, error_code=error.code, error=str(error))
                self._post(ReofferRefused(leg, error.sip_status))
            else:
                self._post(ReofferAnswered(leg, description))

        self._jobs.put_nowait(job)

    async def probe(self, leg: LegName, attempt: int) -> None:
        """See whether authentic media of that leg comes in from now on: `MediaProbed`."""
        session = self._session
        is_alive = session is not None and await session.is_heard(leg, within=PROBE_TIME)
        self._post(MediaProbed(leg, attempt, is_alive))

    def offer_attach(self, leg: LegName, attempt: int) -> None:
        """Make a fresh offer for a leg whose client is back: `AttachOfferReady` or `MediaRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                sdp = await session.offer(leg)
            except MediaError as error:
                self._refuse(leg, error)
            else:
                self._post(AttachOfferReady(leg, attempt, sdp))

        self._jobs.put_nowait(job)

    def add_candidate(self, leg: LegName, candidate: str | None) -> None:
        """Hand over a trickled candidate; a bad one is ignored with a log line."""

        async def job(session: MediaSession) -> None:
            try:
                await session.add_candidate(leg, candidate)
            except MediaError as error:
                self._log.warning("candidate_refused", leg=leg.value, error_code=error.code)

        self._jobs.put_nowait(job)

    def takes_digits(self, leg: LegName) -> bool:
        """Whether that leg's far end gets digits by media."""
        return self._session is not None and self._session.takes_digits(leg)

    def send_digits(self, leg: LegName, digits: str, duration: float | None) -> None:
        """Queue digits towards a leg's far end, each of so many seconds. They are counted in logs, never written."""
        if not _DIGITS.fullmatch(digits):
            self._log.warning("digits_refused", leg=leg.value, count=len(digits))
            return
        try:
            length = DIGIT_DURATION if duration is None else max(duration, SHORTEST_DIGIT)
            self._digits.put_nowait((leg, digits, length))
        except asyncio.QueueFull:
            self._log.warning("digits_dropped", leg=leg.value, count=len(digits))

    def prepare_reinvite(self, leg: LegName, *, is_sending: bool, is_receiving: bool) -> None:
        """Make an offer with that direction for a leg that has one in force: `ReinviteReady` or `ReinviteRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                session.set_direction(leg, is_sending=is_sending, is_receiving=is_receiving)
                offer = await session.offer(leg)
            except MediaError as error:
                self._log.info("media_update_refused", leg=leg.value, error_code=error.code, error=str(error))
                self._post(ReinviteRefused(leg, error.sip_status))
            else:
                self._post(ReinviteReady(leg, offer))

        self._jobs.put_nowait(job)

    def take_reinvite_answer(self, leg: LegName, answer: Sdp) -> None:
        """Accept the answer to a re-INVITE of ours; one that is of no use leaves the leg as it was."""

        async def job(session: MediaSession) -> None:
            try:
                await session.accept(leg, answer)
            except MediaError as error:
                self._log.info("media_update_refused", leg=leg.value, error_code=error.code, error=str(error))

        self._jobs.put_nowait(job)

    def set_direction(self, leg: LegName, *, is_sending: bool, is_receiving: bool) -> None:
        """What the leg's descriptions say from now on."""

        async def job(session: MediaSession) -> None:
            session.set_direction(leg, is_sending=is_sending, is_receiving=is_receiving)

        self._jobs.put_nowait(job)

    def set_hold(self, leg: LegName, is_held: bool) -> None:
        """Hold or resume a leg's audio; before there is any it is noted."""
        (self._held.add if is_held else self._held.discard)(leg)
        if self._session is not None:
            self._session.set_hold(leg, is_held)

    def play(self, leg: LegName, sound: Sound | None) -> None:
        """Have a leg hear a sound, or no longer; before there is media it is noted."""
        if sound is None:
            self._played.pop(leg, None)
        else:
            self._played[leg] = sound
        if self._session is not None:
            self._session.play(leg, sound)

    def _catch_up(self, session: MediaSession) -> None:
        """Do what was asked for before there was media."""
        for leg in self._held:
            session.set_hold(leg, is_held=True)
        for leg, sound in self._played.items():
            session.play(leg, sound)

    # ---- transfer

    def prepare_target(self, leg: LegName, target: Leg) -> None:
        """Make the offer for one who is to take a leg's place: `TargetOfferReady` or `TargetRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                replacement = await self._replace(session, leg, target)
                self._post(TargetOfferReady(await replacement.offer()))
            except MediaError as error:
                self._refuse_target(error)

        self._jobs.put_nowait(job)

    def connect_target(self, answer: Sdp) -> None:
        """Accept the target's answer and seat it: `TargetReady` or `TargetRefused`."""

        async def job(_session: MediaSession) -> None:
            if self._target is None:
                return  # dropped meanwhile
            try:
                await self._target.accept(answer)
                await self._target.join()
            except MediaError as error:
                self._refuse_target(error)
            else:
                self._target = None
                self._post(TargetReady())

        self._jobs.put_nowait(job)

    def describe_to_target(self, leg: LegName, target: Leg) -> None:
        """Answer one who called to replace a leg, and seat it, or offer to it: `TargetAnswerReady`, `TargetRefused`."""

        async def job(session: MediaSession) -> None:
            try:
                replacement = await self._replace(session, leg, target)
                if target.offer is None:
                    self._post(TargetAnswerReady(await replacement.offer(), is_offer=True))
                    return
                await replacement.take_offer(target.offer)
                answer = await replacement.answer()
                await replacement.join()
            except MediaError as error:
                self._refuse_target(error)
            else:
                self._target = None
                self._post(TargetAnswerReady(answer, is_offer=False))

        self._jobs.put_nowait(job)

    async def _replace(self, session: MediaSession, leg: LegName, target: Leg) -> Replacement:
        self._target = await session.replace(
            leg,
            profile=target.profile,
            codecs=target.codecs,
            on_failed=self._target_failed,
            options=target.options,
        )
        return self._target

    def _target_failed(self, reason: str) -> None:
        self._log.info("media_failed", leg="target", reason=reason)
        self._post(TargetRefused(MEDIA_TIMEOUT))

    def _refuse_target(self, error: MediaError) -> None:
        self._log.info("media_refused", leg="target", error_code=error.code, error=str(error))
        self._post(TargetRefused(_cause_of(error)))

    def add_target_candidate(self, candidate: str | None) -> None:
        """Hand over a candidate that the target trickled."""

        async def job(_session: MediaSession) -> None:
            try:
                if self._target is not None:
                    await self._target.add_candidate(candidate)
            except MediaError as error:
                self._log.warning("candidate_refused", leg="target", error_code=error.code)

        self._jobs.put_nowait(job)

    def drop_target(self) -> None:
        """Nobody takes a place."""

        async def job(_session: MediaSession) -> None:
            target, self._target = self._target, None
            if target is not None:
                await target.discard()

        self._jobs.put_nowait(job)

    def drop(self, leg: LegName) -> None:
        """A leg's far end has left."""

        async def job(session: MediaSession) -> None:
            await session.drop(leg)

        self._jobs.put_nowait(job)

    def may_detach(self, leg: LegName) -> bool:
        """Whether that leg could be given away at this moment: nothing that concerns it is under way."""
        session = self._session
        is_busy = self._is_working or not self._jobs.empty()
        return session is not None and not is_busy and bool(session.stats()[leg].codec)

    def detach(self, leg: LegName) -> DetachedLeg:
        """Give a leg's media away; the rest is of no use then but to be closed."""
        assert self._session is not None
        return self._session.detach(leg)

    def adopt(self, leg: LegName, detached: DetachedLeg) -> None:
        """Seat the media of another call's leg; only a failure comes back."""

        async def job(session: MediaSession) -> None:
            try:
                await session.adopt(leg, detached)
            except MediaError as error:
                await detached.close()
                self._refuse(leg, error)

        self._jobs.put_nowait(job)

    async def close(self) -> None:
        """Release everything; the totals stay."""
        session = self._session
        if session is None:
            return
        self._final_stats, self._final_quality = session.stats(), session.quality()
        self._session = None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await session.close()
        except (TimeoutError, MediaError):
            self._log.exception("media_not_closed")

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            if self._session is not None:
                self._is_working = True
                await job(self._session)
                self._is_working = False

    async def _play_digits(self) -> None:
        while True:
            leg, digits, duration = await self._digits.get()
            if self._session is None:
                continue
            try:
                await self._session.send_dtmf(leg, digits, duration=duration, gap=DIGIT_GAP)
            except MediaError as error:
                self._log.warning("digits_not_sent", leg=leg.value, count=len(digits), error_code=error.code)

    def _take_event(self, event: MediaEvent) -> None:
        match event:
            case MediaReady(leg):
                self._post(MediaUp(leg))
            case MediaFailed(leg, reason):
                self._log.info("media_failed", leg=leg.value, reason=reason)
                self._post(MediaDown(leg, reason))
            case DigitReceived(leg, digit, duration):
                self._hear(DigitHeard(leg, digit, duration))
            case MediaWarning():
                self._warn(event)

    def _warn(self, news: MediaWarning) -> None:
        named = self._log.bind(call_id=self._call_id, leg=news.leg.value, warning=news.warning)
        if news.is_raised:
            metrics.MEDIA_WARNINGS.labels(news.leg.value, news.warning).inc()
            named.warning("media_warning")
        else:
            named.info("media_warning_over")

    def _hear(self, heard: DigitHeard) -> None:
        """Tell of a digit, unless they come faster than anybody presses them: the inbox is for those who do not."""
        now = asyncio.get_running_loop().time()
        busy_until = max(self._heard_until, now) + SHORTEST_DIGIT
        if busy_until <= now + HEARD_AHEAD:
            self._heard_until = busy_until
            self._post(heard)
        elif not self._is_flooded:
            self._is_flooded = True
            self._log.warning("digits_dropped", leg=heard.leg.value, count=1)

    def _refuse(self, leg: LegName, error: MediaError) -> None:
        self._log.info("media_refused", leg=leg.value, error_code=error.code, error=str(error))
        self._post(MediaRefused(leg, _cause_of(error), error.code))


def _cause_of(error: MediaError) -> Cause:
    match error:
        case NoFreePort():
            return NORMAL_TEMPORARY_FAILURE
        case EncryptionRefused():
            return REJECTIONS["B3"]
        case _:
            return INCOMPATIBLE_DESTINATION
