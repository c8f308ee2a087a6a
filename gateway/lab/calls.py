"""One lab call: a scenario played on a SIP call and its audio. No task of its own; one timer, one pair of sockets."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from gateway.domain.ids import Sdp
from gateway.lab import scenario as play
from gateway.lab.hearing import NOTHING, Digit, Sound, measure
from gateway.lab.rtp_peer import RtpPeer
from gateway.lab.rtp_sockets import NoLabPort
from gateway.lab.scenario import Scenario, ScenarioRun
from gateway.lab.sdp import PCMA, PCMU, LabSdpError
from gateway.lab.settings import LabSettings
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.sip import call as sip


class Way(Enum):
    """Seen from the lab trunk."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class CallState(Enum):
    """How far a lab call is."""

    TRYING = "trying"
    RINGING = "ringing"
    EARLY_MEDIA = "early_media"
    ANSWERED = "answered"
    ENDED = "ended"


class EndedBy(Enum):
    """Who ended it."""

    LAB = "lab"
    FAR_END = "far_end"
    USER = "user"
    """`DELETE /_lab/calls/{id}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """Who called whom, for what. `number` of an incoming call is as it was dialled."""

    lab_call_id: str
    way: Way
    caller: str
    callee: str
    scenario: str


@dataclass(slots=True, kw_only=True)
class CallTimes:
    """Wall-clock times, in UTC."""

    created: datetime
    ringing: datetime | None = None
    answered: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came from the far end. `sound` is that of the last second; `packets_lost` as RFC 3550 counts."""

    codec: str | None = None
    packets: int = 0
    packets_lost: int = 0
    packets_rejected: int = 0
    sound: Sound = NOTHING
    digit_count: int = 0
    digits: tuple[Digit, ...] = ()


class LabCall(ABC):
    """What incoming and outgoing lab calls share: the record, the timer, the audio, the one way to end.

    Owned by the trunk, which is told of the end by `on_ended`; after it nothing of the call is left but its record.
    """

    def __init__(
        self,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        lab_address: str,
        duration: float | None,
        on_ended: Callable[["LabCall"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_ended = on_ended
        self._timer: asyncio.TimerHandle | None = None
        self._settings, self._lab_address = settings, lab_address
        self._scenario = scenario
        self._run = ScenarioRun(
            scenario,
            now=self._loop.time(),
            is_outgoing=facts.way is Way.OUTGOING,
            time_scale=settings.time_scale,
            duration=duration,
        )
        self.facts = facts
        self.number = 0
        """Its place in the order of the calls; the history sets it."""
        self.times = CallTimes(created=utc_now())
        self.state = CallState.TRYING
        self.ended_by: EndedBy | None = None
        self.sip_status: int | None = None
        """The final error response, of either side."""
        self.reason: str | None = None
        self.reinvite_status: int | None = None
        """The final response to the last re-INVITE of the lab."""
        self.refer_status: int | None = None
        """What the far end said last about the lab's REFER: its response, then the status in its NOTIFYs."""
        self.sip_call_id: str | None = None
        self.media: RtpPeer | None = None
        self.over = asyncio.Event()
        """Set once it has ended."""
        self._log = get_logger(trunk="lab", lab_call_id=facts.lab_call_id)

    def hangup(self, by: EndedBy = EndedBy.USER) -> None:
        """End it now, in whatever state it is."""
        if self.state is not CallState.ENDED:
            self._hang_up_sip()
            self._end(by)

    async def heard(self) -> Heard:
        """What the far end let us hear so far; the sound is measured in a thread."""
        if self.media is None or self.media.hearing is None:
            return Heard(packets_rejected=self.media.counts.rejected if self.media else 0)
        hearing = self.media.hearing
        sound = await asyncio.to_thread(measure, hearing.samples())
        return Heard(
            codec=hearing.codec.name,
            packets=hearing.stats.packets_received,
            packets_lost=hearing.stats.packets_lost,
            packets_rejected=self.media.counts.rejected,
            sound=sound,
            digit_count=hearing.digit_count,
            digits=tuple(hearing.digits),
        )

    @abstractmethod
    def _hang_up_sip(self) -> None:
        """End the SIP call in the way that its state asks for."""

    @abstractmethod
    def _dialog(self) -> sip.IncomingCall | sip.OutgoingCall:
        """The SIP call, once it stands."""

    @abstractmethod
    def _perform(self, action: play.Action) -> None:
        """Do a step of the scenario."""

    @abstractmethod
    def _handle(self, event: sip.SipCallEvent) -> None:
        """Take the news of the SIP call."""

    def _on_event(self, event: sip.SipCallEvent) -> None:
        """The callback of the SIP call."""
        if self.state is not CallState.ENDED:  # else late news of a call that we already let go
            self._guarded(lambda: self._handle(event))

    def _advance(self) -> None:
        """Do what is due, and come back at the next deadline."""
        self._guarded(lambda: self._perform_all(self._run.handle_timeout(self._loop.time())))

    def _perform_all(self, actions: list[play.Action]) -> None:
        for action in actions:
            self._perform(action)
        self._stop_timer()
        deadline = self._run.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._advance)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except LabSdpError as error:
            self._log.warning("lab_call_refused", error_code=error.code, reason=str(error))
            self._hang_up_sip()
            self._end(EndedBy.LAB, reason=str(error))
        except Exception:  # the blast radius of a defect is this call
            self._log.exception("lab_call_crashed")
            self._hang_up_sip()
            self._end(EndedBy.LAB, reason="crashed")

    def _answered(self) -> None:
        self.state, self.times.answered = CallState.ANSWERED, utc_now()

    def _ringing(self, state: CallState) -> None:
        if self.state is not CallState.EARLY_MEDIA:  # a 180 after a 183 does not take the sound away
            self.state = state
        if self.times.ringing is None:
            self.times.ringing = utc_now()

    def _end(self, by: EndedBy, *, status: int | None = None, reason: str | None = None) -> None:
        if self.state is CallState.ENDED:
            return
        self._run.ended()
        self._stop_timer()
        if self.media is not None:
            self.media.close()
        self.state, self.times.ended = CallState.ENDED, utc_now()
        self.ended_by, self.sip_status, self.reason = by, status, reason
        self._log.info("lab_call_ended", scenario=self.facts.scenario, status=status, ended_by=by.value)
        self._on_ended(self)
        self.over.set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _talk(self, action: play.Talk) -> None:
        """A step of a call that stands."""
        assert self.media is not None
        match action:
            case play.Hold(sound):
                self._reinvite(self.media.reoffer(is_holding=True), sound)
            case play.Resume(sound):
                self._reinvite(self.media.reoffer(is_holding=False), sound)
            case play.ChangeCodec():
                other = PCMA if self.media.codec == PCMU else PCMU
                self._reinvite(self.media.reoffer(is_holding=False, codec=other), None)
            case play.Refer(number):
                self._dialog().refer(f"sip:{number}@{self._lab_address}", self._on_refer_progress)
            case play.StopRtp():
                self.media.mute()
            case play.MoveRtp():
                try:
                    self.media.move()
                except NoLabPort as error:
                    self._log.warning("lab_call_refused", error_code=error.code, reason=str(error))
                    self.hangup(EndedBy.LAB)

    def _reinvite(self, offer: Sdp, sound: play.Sound | None) -> None:
        self._dialog().reinvite(offer, lambda result: self._on_reinvited(result, sound))

    def _on_reinvited(self, result: sip.Answered | sip.Rejected, sound: play.Sound | None) -> None:
        """The far end's word on a re-INVITE; when it refuses, what was played goes on."""
        if self.state is CallState.ENDED or self.media is None:
            return
        media = self.media
        if isinstance(result, sip.Rejected) or result.sdp is None:
            self.reinvite_status = result.status if isinstance(result, sip.Rejected) else 200
            return
        self.reinvite_status, answer = 200, result.sdp

        def take() -> None:
            media.accept(answer)
            if sound is not None:
                media.play(sound)

        self._guarded(take)

    def _on_refer_progress(self, progress: sip.ReferProgress) -> None:
        self.refer_status = progress.status
        if progress.is_final and 200 <= progress.status < 300 and self.state is not CallState.ENDED:
            self.hangup(EndedBy.LAB)

    def _take_reoffer(self, leg: sip.IncomingCall | sip.OutgoingCall, offer: Sdp | None) -> None:
        if self.media is None:
            leg.reject_reoffer(488)
            return
        try:
            leg.answer_reoffer(self.media.answer(offer) if offer is not None else self.media.offer())
        except LabSdpError as error:
            self._log.warning("lab_reoffer_refused", error_code=error.code, reason=str(error))
            leg.reject_reoffer(error.sip_status)
