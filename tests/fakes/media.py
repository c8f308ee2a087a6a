"""A media engine without packets: descriptions are short texts, and tests say when a leg is up or refused."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.domain.client_media import DtmfMode
from gateway.domain.ids import CallId, LegName, Sdp
from gateway.media.engine import (
    DEFAULT_OPTIONS,
    BadSdp,
    DetachedLeg,
    DigitReceived,
    LegOptions,
    LegStats,
    MediaEvent,
    MediaFailed,
    MediaNote,
    MediaReady,
    MediaWarning,
    NoTelephoneEvent,
    Profile,
    Sound,
    unnoted,
)
from gateway.media.quality import DirectionQuality, LegQuality, Sample


class FakeMediaSession:
    """Records what was asked of it. An SDP whose text is `bad` is refused."""

    def __init__(self, call_id: CallId, on_event: Callable[[MediaEvent], None]) -> None:
        self.call_id, self._on_event = call_id, on_event
        self.log: list[tuple[str, ...]] = []
        self.held: dict[LegName, bool] = {}
        self.played: dict[LegName, Sound | None] = {}
        self.directions: dict[LegName, tuple[bool, bool]] = {}
        self.digits: list[tuple[LegName, str]] = []
        self.lengths: list[float] = []
        self.digits_sent, self.digits_refused = asyncio.Event(), asyncio.Event()
        self.has_telephone_event = True
        self.is_closed = False
        self.alive: set[LegName] = set()
        self.codecs: dict[LegName, tuple[str, ...]] = {}
        self.options: dict[LegName, LegOptions] = {}
        self.inbound = DirectionQuality()
        self.samples: tuple[Sample, ...] = ()
        self._offers: dict[LegName, Sdp] = {}
        self._count = 0

    def _take(self, verb: str, leg: LegName, sdp: Sdp) -> None:
        self.log.append((verb, leg.value, sdp))
        if sdp == "bad":
            raise BadSdp("not a session description")

    async def take_offer(self, leg: LegName, offer: Sdp) -> None:
        self._take("take_offer", leg, offer)
        self._offers[leg] = offer

    async def answer(self, leg: LegName) -> Sdp:
        return Sdp(f"answer to {self._offers[leg]}")

    async def offer(self, leg: LegName) -> Sdp:
        self._count += 1
        return Sdp(f"offer {self._count} to {leg.value}")

    async def accept(self, leg: LegName, answer: Sdp) -> None:
        self._take("accept", leg, answer)

    async def add_candidate(self, leg: LegName, candidate: str | None) -> None:
        self.log.append(("candidate", leg.value, str(candidate)))

    def set_hold(self, leg: LegName, is_held: bool) -> None:
        self.held[leg] = is_held

    def play(self, leg: LegName, sound: Sound | None) -> None:
        self.played[leg] = sound

    def set_direction(self, leg: LegName, *, is_sending: bool, is_receiving: bool) -> None:
        self.directions[leg] = (is_sending, is_receiving)

    async def replace(
        self,
        leg: LegName,
        *,
        profile: Profile,
        codecs: Sequence[str],
        on_failed: Callable[[str], None],
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> "FakeReplacement":
        self.log.append(("replace", leg.value, profile.value))
        self.replacement = FakeReplacement(self, leg, on_failed)
        return self.replacement

    async def drop(self, leg: LegName) -> None:
        self.log.append(("drop", leg.value))

    def detach(self, leg: LegName) -> "FakeDetached":
        self.log.append(("detach", leg.value))
        self.detached = FakeDetached(leg)
        return self.detached

    async def adopt(self, leg: LegName, detached: DetachedLeg) -> None:
        assert isinstance(detached, FakeDetached)
        self.log.append(("adopt", leg.value))
        detached.is_adopted = True

    def takes_digits(self, leg: LegName) -> bool:
        mode = self.options.get(leg, DEFAULT_OPTIONS).dtmf
        return mode is DtmfMode.INBAND or (mode.has_events and self.has_telephone_event)

    async def send_dtmf(self, leg: LegName, digits: str, *, duration: float, gap: float) -> None:
        if not self.has_telephone_event:
            self.digits_refused.set()
            raise NoTelephoneEvent("not negotiated")
        self.digits.append((leg, digits))
        self.lengths.append(duration)
        self.digits_sent.set()

    async def is_heard(self, leg: LegName, *, within: float) -> bool:
        return leg in self.alive

    def answered(self) -> None:
        self.log.append(("answered",))

    def stats(self) -> Mapping[LegName, LegStats]:
        return {leg: LegStats(codec="PCMU") for leg in LegName}

    def quality(self) -> Mapping[LegName, LegQuality]:
        return {leg: LegQuality(inbound=self.inbound, outbound=DirectionQuality()) for leg in LegName}

    def history(self) -> Mapping[LegName, Sequence[Sample]]:
        return dict.fromkeys(LegName, self.samples)

    async def close(self) -> None:
        self.is_closed = True

    def bring_up(self) -> None:
        """Both legs can carry audio."""
        for leg in LegName:
            self._on_event(MediaReady(leg))

    def hear(self, leg: LegName, digit: str, duration: float) -> None:
        """A digit has ended in that leg's media."""
        self._on_event(DigitReceived(leg, digit, duration))

    def warn(self, leg: LegName, warning: str, *, is_raised: bool) -> None:
        """Something is wrong with that leg's media, or no longer is."""
        self._on_event(MediaWarning(leg, warning, is_raised))

    def fail(self, leg: LegName, reason: str) -> None:
        """That leg lost its media."""
        self._on_event(MediaFailed(leg, reason))


class FakeDetached:
    """A `DetachedLeg`."""

    def __init__(self, leg: LegName) -> None:
        self.leg = leg
        self.is_adopted = self.is_closed = False

    async def close(self) -> None:
        self.is_closed = not self.is_adopted


class FakeReplacement:
    """A `Replacement`; what is asked of it is in the session's log, its descriptions are for `target`."""

    def __init__(self, session: FakeMediaSession, leg: LegName, on_failed: Callable[[str], None]) -> None:
        self._session, self.leg, self.fail = session, leg, on_failed
        self._offer: Sdp | None = None
        self.is_joined = self.is_discarded = False

    def _note(self, verb: str, sdp: Sdp) -> None:
        self._session.log.append((verb, "target", sdp))
        if sdp == "bad":
            raise BadSdp("not a session description")

    async def take_offer(self, offer: Sdp) -> None:
        self._note("take_offer", offer)
        self._offer = offer

    async def answer(self) -> Sdp:
        return Sdp(f"answer to {self._offer}")

    async def offer(self) -> Sdp:
        return Sdp("offer to target")

    async def accept(self, answer: Sdp) -> None:
        self._note("accept", answer)

    async def add_candidate(self, candidate: str | None) -> None:
        self._session.log.append(("candidate", "target", str(candidate)))

    async def join(self) -> None:
        self.is_joined = True
        self._session.log.append(("join", self.leg.value))

    async def discard(self) -> None:
        self.is_discarded = not self.is_joined


class FakeMediaEngine:
    """Hands out `FakeMediaSession`s and keeps them."""

    def __init__(self) -> None:
        self.sessions: list[FakeMediaSession] = []

    async def start(self) -> None:
        return None

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
    ) -> FakeMediaSession:
        session = FakeMediaSession(call_id, on_event)
        session.codecs = {LegName.A: tuple(codecs_a), LegName.B: tuple(codecs_b)}
        session.options = {LegName.A: options_a, LegName.B: options_b}
        self.sessions.append(session)
        return session

    async def stop(self) -> None:
        return None
