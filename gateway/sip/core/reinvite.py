"""A re-INVITE of ours under way (RFC 3261 section 14.1)."""

from dataclasses import dataclass
from enum import Enum

from gateway.domain.ids import Sdp
from gateway.sip.core.actions import ClientRequest, OnResult


class ReinviteState(Enum):
    """Where a re-INVITE of ours stands."""

    WAITING = "waiting"
    """Not sent, or refused with 491: the time of section 14.1 runs."""
    SENT = "sent"
    """No response yet; the transaction's timer B is its deadline."""
    PROCEEDING = "proceeding"
    """A provisional response came; 64*T1 are left for the final one."""
    CANCELLING = "cancelling"
    """That time ran out and a CANCEL went after it; 64*T1 are left."""


@dataclass(slots=True)
class Reinvite:
    """The one re-INVITE of ours. `is_retry`: it has waited once for a 491 or for an INVITE of the far end.

    `on_result` is None for one that only refreshes the session.
    """

    sdp: Sdp
    on_result: OnResult | None
    state: ReinviteState = ReinviteState.WAITING
    client_request: ClientRequest | None = None
    deadline: float | None = None
    is_retry: bool = False


def glare_delay(random: float, *, is_call_id_owner: bool) -> float:
    """Seconds to wait after a 491, in steps of 10 ms: 2.1-4 for the owner of the Call-ID, else 0-2 (section 14.1).

    Args:
        random: from 0 up to but not including 1.
    """
    first, last = (210, 400) if is_call_id_owner else (0, 200)
    return (first + int(random * (last - first + 1))) / 100
