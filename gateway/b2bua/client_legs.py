"""Keeps account of the legs between clients and the gateway: when each begins, is connected and is over."""

from collections.abc import Callable, Iterable

from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.routing import parse_destination
from gateway.domain.facts import ClientLegAnswered, ClientLegClosed, ClientLegFact, ClientLegOpened
from gateway.domain.ids import CallId, Direction
from gateway.observability.clock import utc_now


class ClientLegs:
    """One per process. Tells of each leg: opened, at most once answered, closed, in this order."""

    def __init__(self, emit: Callable[[ClientLegFact], None]) -> None:
        self._emit = emit
        self._is_answered: dict[str, bool] = {}

    def __len__(self) -> int:
        """Legs that are open."""
        return len(self._is_answered)

    def opened(self, leg: VertoLeg) -> None:
        """A client has called, or an invite is on its way to it. Only the first time counts."""
        if leg.leg_id in self._is_answered:
            return
        self._is_answered[leg.leg_id] = False
        identity = leg.session.identity
        self._emit(
            ClientLegOpened(
                leg_id=leg.leg_id,
                call_id=CallId(leg.telnyx_session_id),
                at=utc_now(),
                direction=Direction.INBOUND if leg.was_called else Direction.OUTBOUND,
                session_id=leg.session.session_id,
                verto_call_id=leg.verto_call_id,
                username=identity.username,
                connection_id=identity.connection_id,
                cli=_plain(leg.caller.number),
                cld=_plain(leg.dialed),
                caller_number=leg.caller.number,
                caller_name=leg.caller.name,
                dest_number=leg.dialed,
            )
        )

    def connected(self, legs: Iterable[VertoLeg]) -> None:
        """Who of these has answered is connected now; only the first time counts, and only while the leg is open."""
        at = utc_now()
        for leg in legs:
            if leg.has_answered and self._is_answered.get(leg.leg_id) is False:
                self._is_answered[leg.leg_id] = True
                self._emit(ClientLegAnswered(leg_id=leg.leg_id, at=at))

    def closed(self, leg: VertoLeg) -> None:
        """A leg is over. One that no invite was sent for never was one."""
        if self._is_answered.pop(leg.leg_id, None) is not None:
            self._emit(ClientLegClosed(leg_id=leg.leg_id, at=utc_now(), verto_call_id=leg.verto_call_id))


def _plain(number: str) -> str:
    """A number without punctuation, an address without its host; what is neither stays."""
    found = parse_destination(number)
    return number if found is None else found.user


__all__ = ["ClientLegs"]
