"""What somebody who watches the endpoint sees: every message of those that may speak to us, as it is on the wire."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.ids import SipCallId
from gateway.sip.core.message import Request, Response
from gateway.sip.transport.flow import Destination


@dataclass(frozen=True, slots=True)
class PassingMessage:
    """A message that was received or is being sent, retransmissions too.

    Attributes:
        data: the octets.
        message: the same parsed; it may change later.
        remote: where it came from or goes to.
        local: host and port under which the far end knows us.
    """

    is_inbound: bool
    data: bytes
    message: Request | Response
    remote: Destination
    local: tuple[str, int]

    @property
    def call_id(self) -> SipCallId:
        """Its Call-ID."""
        return SipCallId(self.message.call_id)


Observer = Callable[[PassingMessage], None]
"""Called on the loop's thread for every message; must not block, must not raise."""
