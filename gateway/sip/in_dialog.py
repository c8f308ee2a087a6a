"""What a call can do once its dialog stands, in both directions (`call.OutgoingCall`, `call.IncomingCall`)."""

from collections.abc import Callable

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, DigitsUnsent, OnReferProgress, Rejected, Replaces
from gateway.sip.core.actions import Action, Notify
from gateway.sip.core.dialog import Stage
from gateway.sip.core.session import Session
from gateway.sip.driver import Driver


class InDialog:
    """Passes requests of call control to the session of the call; before the answer, but for early offers,
    and after the end nothing happens.

    Attributes:
        driver: None until the destination of a call of ours is resolved.
    """

    driver: Driver | None

    def __init__(self) -> None:
        self._is_gone = False
        self._mourners: list[Callable[[], None]] = []

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call it once when nothing is left of the call; at once if that is so already."""
        if self._is_gone:
            callback()
        else:
            self._mourners.append(callback)

    def _be_gone(self) -> None:
        """Nothing is left of the call; idempotent."""
        self._is_gone = True
        mourners, self._mourners = self._mourners, []
        for callback in mourners:
            callback()

    @property
    def dialog(self) -> Replaces | None:
        """This dialog as a third party names it towards the far end."""
        if self.driver is None:
            return None
        live = [dialog_id for dialog_id, stage in self.driver.usage.dialogs if stage is not Stage.OVER]
        if len(live) != 1 or not live[0].remote_tag:
            return None
        return Replaces(live[0].sip_call_id, live[0].remote_tag, live[0].local_tag)

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE, UPDATE or PRACK that waits; the latter two may come before the answer."""
        if (driver := self.driver) is not None:
            driver.run(driver.usage.answer_reoffer(sdp, driver.now()))

    def reject_reoffer(self, status: int) -> None:
        """Refuse the re-INVITE, UPDATE or PRACK that waits."""
        if (driver := self.driver) is not None:
            driver.run(driver.usage.reject_reoffer(status))

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None:
        """Offer again."""
        self._in_session(lambda session, now: session.reinvite(sdp, on_result, now))

    @property
    def takes_info(self) -> bool:
        """Whether the far end has INFO in its Allow."""
        session = None if self.driver is None else self.driver.usage.session
        return session is not None and session.negotiation.takes_info

    def send_digits(self, digits: str, duration: float | None) -> None:
        """Give the far end digits by INFO; before the answer there is no dialog that is sure to take them."""
        if (driver := self.driver) is None or driver.usage.is_over:
            return
        session = driver.usage.session
        unsent = Notify(DigitsUnsent(len(digits), 481))
        driver.run([unsent] if session is None else session.send_digits(digits, duration))

    def accept_refer(self) -> None:
        """202 to the REFER that waits."""
        self._in_session(lambda session, now: session.accept_refer(now))

    def reject_refer(self, status: int) -> None:
        """Refuse the REFER that waits."""
        self._in_session(lambda session, _now: session.reject_refer(status))

    def notify_refer(self, status: int, reason: str) -> None:
        """Tell the far end how its REFER goes."""
        self._in_session(lambda session, now: session.notify_refer(status, reason, now))

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None:
        """Ask the far end to call somebody."""
        self._in_session(lambda session, now: session.refer(uri, on_progress, replaces, now))

    def _in_session(self, act: Callable[[Session, float], list[Action]]) -> None:
        if (driver := self.driver) is not None and (session := driver.usage.session) is not None:
            driver.run(act(session, driver.now()))
