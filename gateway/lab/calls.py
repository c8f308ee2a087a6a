"""One lab call: a scenario played on a SIP call and its audio. No task of its own; one timer, one pair of sockets."""

import asyncio
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
from gateway.lab.sdp import LabSdpError
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


class LabCall:
    """What incoming and outgoing lab calls share: the record, the timer, the audio, the one way to end.

    Owned by the trunk, which is told of the end by `on_ended`; after it nothing of the call is left but its record.
    """

    def __init__(
        self,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        duration: float | None,
        on_ended: Callable[["LabCall"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_ended = on_ended
        self._timer: asyncio.TimerHandle | None = None
        self._settings = settings
        self._scenario = scenario
        self._run = ScenarioRun(
            scenario,
            now=self._loop.time(),
            is_outgoing=facts.way is Way.OUTGOING,
            time_scale=settings.time_scale,
            duration=duration,
        )
        self.facts = facts
        self.times = CallTimes(created=utc_now())
        self.state = CallState.TRYING
        self.ended_by: EndedBy | None = None
        self.sip_status: int | None = None
        """The final error response, of either side."""
        self.reason: str | None = None
        self.sip_call_id: str | None = None
        self.media: RtpPeer | None = None
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

    def _hang_up_sip(self) -> None:
        raise NotImplementedError

    def _perform(self, action: play.Action) -> None:
        raise NotImplementedError

    def _handle(self, event: sip.SipCallEvent) -> None:
        raise NotImplementedError

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

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take_reoffer(self, leg: sip.IncomingCall | sip.OutgoingCall, offer: Sdp | None) -> None:
        if self.media is None:
            leg.reject_reoffer(488)
            return
        try:
            leg.answer_reoffer(self.media.answer(offer) if offer is not None else self.media.offer())
        except LabSdpError as error:
            self._log.warning("lab_reoffer_refused", error_code=error.code, reason=str(error))
            leg.reject_reoffer(error.sip_status)


class IncomingLabCall(LabCall):
    """A call to a number of the lab: the scenario's steps from the first on."""

    def __init__(
        self,
        leg: sip.IncomingCall,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        on_ended: Callable[[LabCall], None],
    ) -> None:
        super().__init__(facts, scenario, settings=settings, duration=None, on_ended=on_ended)
        self._leg = leg
        self._sdp_answer: Sdp | None = None
        """None while there is no offer: then our 200 makes one, and the ACK brings the answer."""
        self.sip_call_id = leg.sip_call_id

    def start(self) -> None:
        """Take the offer, then play the scenario."""
        self._guarded(self._take_offer)
        if self.state is not CallState.ENDED:
            self._leg.listen(self._on_event)
            self._advance()

    def _take_offer(self) -> None:
        if not self._scenario.has_media:
            return
        try:
            self.media = RtpPeer(self._settings.host, is_g711_only=self._scenario.needs_g711)
            if self._leg.offer is not None:
                self._sdp_answer = self.media.answer(self._leg.offer)
        except (LabSdpError, NoLabPort) as error:
            self._leg.reject(error.sip_status, "Not Acceptable Here" if error.sip_status == 488 else "No Media Port")
            self._end(EndedBy.LAB, status=error.sip_status, reason=str(error))

    def _perform(self, action: play.Action) -> None:
        match action:
            case play.Ring():
                self._leg.ring()
                self._ringing(CallState.RINGING)
            case play.Progress(sound):
                self._progress(sound)
            case play.Answer(sound):
                self._answer(sound)
            case play.Reject(status, reason, q850):
                self._leg.reject(status, reason, q850=q850)
                self._end(EndedBy.LAB, status=status, reason=reason)
            case play.Hangup():
                self.hangup(EndedBy.LAB)
            case play.PlaySound():
                raise AssertionError("only an outgoing call has its answer from the far end")

    def _progress(self, sound: play.Sound) -> None:
        if self._sdp_answer is None or self.media is None:
            # An offer in an unreliable 183 would be none (RFC 3261 section 13.2.1): without one, only ring.
            self._leg.ring()
            self._ringing(CallState.RINGING)
            return
        self._leg.progress(self._sdp_answer)
        self._ringing(CallState.EARLY_MEDIA)
        self.media.play(sound)

    def _answer(self, sound: play.Sound) -> None:
        assert self.media is not None
        self._leg.answer(self._sdp_answer if self._sdp_answer is not None else self.media.offer())
        self._answered()
        self.media.play(sound)

    def _handle(self, event: sip.SipCallEvent) -> None:
        match event:
            case sip.Confirmed(sdp):
                if sdp is not None and self.media is not None:
                    self.media.accept(sdp)
                self._perform_all(self._run.confirmed(self._loop.time()))
            case sip.Reoffered(sdp):
                self._take_reoffer(self._leg, sdp)
            case sip.Cancelled():
                self._end(EndedBy.FAR_END, status=487, reason="cancelled")
            case sip.Ended(_, reason):
                self._end(EndedBy.FAR_END, reason=reason)
            case _:  # DTMF by INFO is not the lab's business; the rest only comes to an outgoing call
                pass

    def _hang_up_sip(self) -> None:
        self._leg.hangup()


class OutgoingLabCall(LabCall):
    """A call of the lab to the gateway: the scenario begins with the answer."""

    def __init__(
        self,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        duration: float | None,
        on_ended: Callable[[LabCall], None],
    ) -> None:
        super().__init__(facts, scenario, settings=settings, duration=duration, on_ended=on_ended)
        self._leg: sip.OutgoingCall | None = None

    def start(self, invite: Callable[[Sdp, sip.OnSipCallEvent], sip.OutgoingCall]) -> None:
        """Offer and send the INVITE.

        Raises:
            NoLabPort: no socket for its audio; the call is over.
        """
        try:
            self.media = RtpPeer(self._settings.host, is_g711_only=True)
        except NoLabPort as error:
            self._end(EndedBy.LAB, reason=str(error))
            raise
        self._leg = invite(self.media.offer(), self._on_event)
        self.sip_call_id = self._leg.sip_call_id
        self._advance()

    def _perform(self, action: play.Action) -> None:
        match action:
            case play.PlaySound(sound):
                assert self.media is not None
                self.media.play(sound)
            case play.Hangup():
                self.hangup(EndedBy.LAB)
            case _:
                raise AssertionError(f"not for a caller: {action}")

    def _handle(self, event: sip.SipCallEvent) -> None:
        match event:
            case sip.Provisional(status, _, sdp):
                self._ringing(CallState.EARLY_MEDIA if sdp is not None else CallState.RINGING)
                self._log.debug("lab_call_progressed", status=status)
                self._accept(sdp)
            case sip.Answered(sdp, _):
                self._accept(sdp)
                self._answered()
                self._perform_all(self._run.confirmed(self._loop.time()))
            case sip.Reoffered(sdp) if self._leg is not None:
                self._take_reoffer(self._leg, sdp)
            case sip.Confirmed(sdp):  # the answer to an offer that a re-INVITE without one asked of us
                self._accept(sdp)
            case sip.Rejected(status, reason):
                self._end(EndedBy.FAR_END, status=status, reason=reason)
            case sip.Ended(_, reason):
                self._end(EndedBy.FAR_END, reason=reason)
            case _:
                pass

    def _accept(self, answer: Sdp | None) -> None:
        if answer is not None and self.media is not None:
            self.media.accept(answer)

    def _hang_up_sip(self) -> None:
        if self._leg is not None:
            self._leg.hangup()
