"""What all dialogs of one call share."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.sip.core.accepted import Timers
from gateway.sip.core.capabilities import ALLOW, SUPPORTED
from gateway.sip.core.reliability import Reliability


@dataclass(slots=True, kw_only=True)
class Context:
    """What all dialogs of one call share.

    Attributes:
        contact: our Contact value. Changes while an INVITE of ours looks for an address that answers; then it stays.
        user_agent: value of User-Agent and Server.
        random: gives numbers from 0 up to but not including 1.
        session_expires: seconds of the session timer that we ask for, 0 for none.
        reliability: whether provisional responses of both sides may, or must, be reliable.
    """

    contact: str
    user_agent: str
    timers: Timers
    random: Callable[[], float]
    session_expires: int = 0
    reliability: Reliability = "off"

    @property
    def invite_headers(self) -> tuple[tuple[str, str], ...]:
        """For an INVITE of ours and for a 2xx to one of theirs."""
        return (("Contact", self.contact), ALLOW, SUPPORTED)
