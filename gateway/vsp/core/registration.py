"""A client's registration as `telnyx_rtc.gatewayState` tells of it: answers, pushes, and answers that are withheld."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import SessionId
from gateway.domain.registration import RegistrationState
from gateway.vsp.core.jsonrpc import Outgoing, RequestRef

METHOD: Final = "telnyx_rtc.gatewayState"

MAX_WITHHELD: Final = 16
"""Questions that may wait: Android and Flutter ask four times in twelve seconds. One more is answered with NOREG, upon
which the JavaScript SDK asks again a few seconds later (V-50)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What the answer carries beside the state. Without `call_report_id` the SDK sends no reports."""

    dc: str
    region: str
    call_report_id: str | None = None


class Registration:
    """Up from the login on. It goes down when a token expires, when its user is removed, and by the lab's hand."""

    def __init__(self, outgoing: Outgoing, gateway: Gateway) -> None:
        self.state = RegistrationState.REGED
        self._outgoing, self._gateway = outgoing, gateway
        self._session_id = SessionId("")
        self._told = RegistrationState.REGED
        self._withheld: deque[RequestRef] = deque()

    def begin(self, session_id: SessionId, gateway: Gateway) -> None:
        """A login is good. After a token that had expired the client hears that it is registered again (V-52)."""
        self._session_id, self._gateway = session_id, gateway
        if self.state is RegistrationState.EXPIRED:
            self.state = RegistrationState.REGED
            if self._told is not RegistrationState.REGED:
                self._push()
            self._answer_withheld()

    def ask(self, ref: RequestRef) -> None:
        """The client asks. Every request gets an answer of its own, if need be later."""
        if self.state is not RegistrationState.PENDING:
            self._answer(ref, self.state)
        elif len(self._withheld) < MAX_WITHHELD:
            self._withheld.append(ref)
        else:
            self._answer(ref, RegistrationState.NOREG)

    def set(self, state: RegistrationState) -> None:
        """Change the state and tell the client. Only Android and JavaScript read what they did not ask for."""
        self.state = state
        if state is not RegistrationState.PENDING:
            self._push()
            self._answer_withheld()

    def expire(self, *, is_told: bool) -> None:
        """The client's token has expired. A state that the lab has set stays."""
        if self.state is RegistrationState.REGED:
            self.state = RegistrationState.EXPIRED
            if is_told:
                self._push()

    def _push(self) -> None:
        self._told = self.state
        self._outgoing.request(METHOD, {"state": self.state.value})

    def _answer_withheld(self) -> None:
        while self._withheld:
            self._answer(self._withheld.popleft(), self.state)

    def _answer(self, ref: RequestRef, state: RegistrationState) -> None:
        gateway, self._told = self._gateway, state
        params: dict[str, object] = {"state": state.value, "dc": gateway.dc, "region": gateway.region}
        if gateway.call_report_id is not None:
            params["call_report_id"] = gateway.call_report_id
        self._outgoing.result(ref, {"params": params, "sessid": self._session_id})


__all__ = ["Gateway", "Registration"]
