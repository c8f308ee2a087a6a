"""Transfers, where they leave one call: routes and rights, the legs of targets, and the other call of a far end."""

from collections.abc import Callable
from typing import Protocol

from gateway.b2bua.legs.base import Leg, Party
from gateway.b2bua.legs.sip import CallerLeg, SipLeg, referred_by
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.routing import Refused, Route, ToClient, ToTrunks, ToUser
from gateway.b2bua.runner import CallRunner
from gateway.b2bua.seats import Door
from gateway.domain.causes import CALL_REJECTED
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId, LegName, SessionId, SipCallId, VertoCallId
from gateway.sip.call import IncomingCall, Replaces

Found = tuple[CallRunner, LegName]
"""A call, and the place in it that was looked for."""


class TransferRoutes(Protocol):
    """What is needed of `routing.Router`."""

    async def from_client(self, caller: Identity, text: str) -> Route: ...

    async def from_refer(self, uri: str, *, may_dial_out: bool) -> Route: ...


class Calls(Protocol):
    """Finds calls, and makes the legs that call (`CallDirectory`)."""

    def make_leg(
        self,
        name: LegName,
        route: ToClient | ToUser | ToTrunks,
        *,
        call_id: CallId,
        caller: Party,
        headers: tuple[tuple[str, str], ...],
        post: Door,
        replaces: Replaces | None = None,
    ) -> Leg: ...

    def runner_of(self, call_id: CallId) -> CallRunner | None: ...

    def runner_of_verto(self, session_id: SessionId, verto_call_id: VertoCallId) -> Found | None: ...

    def runner_of_sip(self, sip_call_id: SipCallId) -> Found | None: ...

    def take_over(self, runner: CallRunner, leg: Leg) -> None: ...

    def let_go(self, runner: CallRunner, leg: Leg) -> None: ...

    def seat(self, runner: CallRunner, name: LegName, leg: Leg) -> None: ...


class TransferDesk:
    """See `runner.Desk`."""

    def __init__(self, calls: Calls, router: TransferRoutes, *, refer: str, domain: str) -> None:
        """
        Args:
            refer: `[calls] refer`.
            domain: host of the URI by which a transferring client is named (Referred-By).
        """
        self._calls, self._router, self._refer, self._domain = calls, router, refer, domain

    async def find_target(self, transferor: Leg, destination: str) -> Route:
        """A client may transfer to whatever it may call, a trunk's far end to what `[calls] refer` says."""
        if isinstance(transferor, VertoLeg):
            return await self._router.from_client(transferor.session.identity, destination)
        if self._refer == "refuse":
            return Refused(CALL_REJECTED)
        route = await self._router.from_refer(destination, may_dial_out=self._refer == "anywhere")
        if isinstance(route, ToClient | ToUser) and _foreign_replaces(transferor) is not None:
            return Refused(CALL_REJECTED, "the call to be replaced is not known here")
        return route

    def make_target(self, runner: CallRunner, route: Route, *, transferor: Leg, remaining: Leg) -> Leg:
        """It is shown who remains, and told who wanted it (RFC 3892)."""
        assert not isinstance(route, Refused)
        return self._calls.make_leg(
            transferor.name,
            route,
            call_id=runner.call_id,
            caller=remaining.party,
            headers=self._referred_by(transferor),
            post=runner.door(),
            replaces=_foreign_replaces(transferor),
        )

    def _referred_by(self, transferor: Leg) -> tuple[tuple[str, str], ...]:
        if isinstance(transferor, VertoLeg):
            return referred_by(f"sip:{transferor.session.identity.username}@{self._domain}")
        referred = transferor.referred if isinstance(transferor, SipLeg) else None
        return referred_by(None if referred is None else referred.referred_by)

    def find_call(self, asking: CallRunner, transferor: Leg, other: str) -> Found | None:
        """By `callID` within the client's session, or by Call-ID within the trunk; never the call that asks."""
        if isinstance(transferor, VertoLeg):
            found = self._calls.runner_of_verto(transferor.session.session_id, VertoCallId(other))
        elif self._refer == "refuse":
            return None
        else:
            found = self._calls.runner_of_sip(SipCallId(other))
        if found is None or found[0] is asking:
            return None
        return found if found[0].leg_at(found[1]).trunk_name == transferor.trunk_name else None

    def replace(self, call: IncomingCall, replaced: SipCallId, make_leg: Callable[[LegName, Door], CallerLeg]) -> bool:
        """Have an INVITE with Replaces take the place of that dialog; False if it is none of that trunk's here."""
        found = self._calls.runner_of_sip(replaced)
        if found is None:
            return False
        runner, name = found
        if runner.leg_at(name).trunk_name != call.trunk:
            return False
        runner.take_replacement(make_leg, name)
        return True

    def runner_of(self, call_id: CallId) -> CallRunner | None:
        """See `Desk`."""
        return self._calls.runner_of(call_id)

    def take_over(self, runner: CallRunner, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.take_over(runner, leg)

    def let_go(self, runner: CallRunner, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.let_go(runner, leg)

    def seat(self, runner: CallRunner, name: LegName, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.seat(runner, name, leg)


def _foreign_replaces(transferor: Leg) -> Replaces | None:
    """The dialog elsewhere that a REFER wants to be replaced. One of ours is joined, and never gets here."""
    referred = transferor.referred if isinstance(transferor, SipLeg) else None
    return None if referred is None else referred.target.replaces
