"""The two kinds of lab call: one that came to a magic number, one that the lab makes itself."""

from collections.abc import Callable

from gateway.domain.errors import GatewayError
from gateway.domain.ids import Sdp
from gateway.lab import scenario as play
from gateway.lab.calls import CallFacts, CallState, EndedBy, LabCall
from gateway.lab.rtp_peer import RtpPeer
from gateway.lab.rtp_sockets import NoLabPort
from gateway.lab.scenario import Scenario
from gateway.lab.sdp import LabSdpError
from gateway.lab.settings import LabSettings
from gateway.sip import call as sip


class IncomingLabCall(LabCall):
    """A call to a number of the lab: the scenario's steps from the first on."""

    def __init__(
        self,
        leg: sip.IncomingCall,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        lab_address: str,
        replaced: LabCall | None,
        on_ended: Callable[[LabCall], None],
    ) -> None:
        super().__init__(facts, scenario, settings=settings, lab_address=lab_address, duration=None, on_ended=on_ended)
        self._leg, self._replaced = leg, replaced
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
            case play.Answer(sound, session_expires):
                self._answer(sound, session_expires)
            case play.Reject(status, reason, q850, retry_after):
                self._leg.reject(status, reason, q850=q850, retry_after=retry_after)
                self._end(EndedBy.LAB, status=status, reason=reason)
            case play.Hangup():
                self.hangup(EndedBy.LAB)
            case play.PlaySound():
                raise AssertionError("only an outgoing call has its answer from the far end")
            case _:
                self._talk(action)

    def _progress(self, sound: play.Sound) -> None:
        if self._sdp_answer is None or self.media is None:
            # An offer in an unreliable 183 would be none (RFC 3261 section 13.2.1): without one, only ring.
            self._leg.ring()
            self._ringing(CallState.RINGING)
            return
        self._leg.progress(self._sdp_answer)
        self._ringing(CallState.EARLY_MEDIA)
        self.media.play(sound)

    def _answer(self, sound: play.Sound, session_expires: float | None) -> None:
        assert self.media is not None
        scaled = None if session_expires is None else max(1, round(session_expires * self._settings.time_scale))
        sdp = self._sdp_answer if self._sdp_answer is not None else self.media.offer()
        self._leg.answer(sdp, session_expires=scaled)
        self._answered()
        self.media.play(sound)

    def _handle(self, event: sip.SipCallEvent) -> None:
        match event:
            case sip.Confirmed(sdp):
                if sdp is not None and self.media is not None:
                    self.media.accept(sdp)
                if self._replaced is not None:  # RFC 3891 section 3: whoever takes the place of a call ends it
                    self._replaced.hangup(EndedBy.LAB)
                self._perform_all(self._run.confirmed(self._loop.time()))
            case sip.Reoffered(sdp):
                self._take_reoffer(self._leg, sdp)
            case sip.Referred():  # the lab calls whom it is told to call by its API, and nobody else
                self._leg.reject_refer(603)
            case sip.Cancelled():
                self._end(EndedBy.FAR_END, status=487, reason="cancelled")
            case sip.Ended(_, reason):
                self._end(EndedBy.FAR_END, reason=reason)
            case _:  # DTMF by INFO is not the lab's business; the rest only comes to an outgoing call
                pass

    def _hang_up_sip(self) -> None:
        self._leg.hangup()

    def _dialog(self) -> sip.IncomingCall:
        return self._leg


class OutgoingLabCall(LabCall):
    """A call of the lab to the gateway: the scenario begins with the answer."""

    def __init__(
        self,
        facts: CallFacts,
        scenario: Scenario,
        *,
        settings: LabSettings,
        lab_address: str,
        duration: float | None,
        on_ended: Callable[[LabCall], None],
    ) -> None:
        super().__init__(
            facts, scenario, settings=settings, lab_address=lab_address, duration=duration, on_ended=on_ended
        )
        self._leg: sip.OutgoingCall | None = None

    def start(self, invite: Callable[[Sdp, sip.OnSipCallEvent], sip.OutgoingCall]) -> None:
        """Offer and send the INVITE.

        Raises:
            GatewayError: no socket for its audio, or the user agent refuses the target; the call is over.
        """
        try:
            self.media = RtpPeer(self._settings.host, is_g711_only=True)
            self._leg = invite(self.media.offer(), self._on_event)
        except GatewayError as error:
            self._end(EndedBy.LAB, reason=str(error))
            raise
        self.sip_call_id = self._leg.sip_call_id
        self._advance()

    def _perform(self, action: play.Action) -> None:
        match action:
            case play.PlaySound(sound):
                assert self.media is not None
                self.media.play(sound)
            case play.Hangup():
                self.hangup(EndedBy.LAB)
            case play.Ring() | play.Progress() | play.Answer() | play.Reject():
                raise AssertionError(f"not for a caller: {action}")
            case _:
                self._talk(action)

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
            case sip.Referred() if self._leg is not None:
                self._leg.reject_refer(603)
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

    def _dialog(self) -> sip.OutgoingCall:
        assert self._leg is not None
        return self._leg
