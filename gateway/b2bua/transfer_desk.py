"""Transfers, where they leave one call: routes and rights, the legs of targets, and the other call of a far end."""

from functools import partial
from typing import Protocol

from gateway.b2bua.call_index import CallIndex, Found
from gateway.b2bua.inbox import Door
from gateway.b2bua.leg_maker import LegMaker
from gateway.b2bua.legs.base import Leg
from gateway.b2bua.legs.sip import SipLeg, referred_by, user_of
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.routing import Refused, Route, ToClient, ToPhones, ToUser, parse_destination, refusing_without_store
from gateway.b2bua.runner import CallRunner
from gateway.domain.causes import CALL_REJECTED
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId, LegName, SipCallId, VertoCallId
from gateway.sip.call import IncomingCall, Replaces


class TransferRoutes(Protocol):
    """What is needed of `routing.Router`."""

    async def from_client(self, call_id: CallId, caller: Identity, text: str, *, shown: str) -> Route: ...

    async def from_refer(
        self, call_id: CallId, uri: str, *, may_dial_out: bool, payer: Identity | None, shown: str
    ) -> Route: ...


class TransferDesk:
    """See `transfer_performer.Desk`."""

    def __init__(self, calls: CallIndex, legs: LegMaker, router: TransferRoutes, *, refer: str, domain: str) -> None:
        """
        Args:
            refer: `[calls] refer`.
            domain: host of the URI by which a transferring client is named (Referred-By).
        """
        self._calls, self._legs, self._router = calls, legs, router
        self._refer, self._domain = refer, domain

    @refusing_without_store
    async def find_target(self, call_id: CallId, transferor: Leg, destination: str, *, remaining: Leg) -> Route:
        """A client may transfer to whatever it may call, a trunk's far end to what `[calls] refer` says."""
        route = await self._find_target(call_id, transferor, destination, remaining)
        return await self._legs.settle(remaining, route)

    async def _find_target(self, call_id: CallId, transferor: Leg, destination: str, remaining: Leg) -> Route:
        if isinstance(transferor, VertoLeg):
            identity, shown = transferor.session.identity, transferor.party.number
            return await self._router.from_client(call_id, identity, destination, shown=shown)
        if (user := user_of(transferor)) is not None:
            shown = user.caller_number or user.username
            return await self._router.from_client(call_id, user, _without_host(destination), shown=shown)
        if self._refer == "refuse":
            return Refused(CALL_REJECTED)
        payer = remaining.session.identity if isinstance(remaining, VertoLeg) else user_of(remaining)
        route = await self._router.from_refer(
            call_id,
            destination,
            may_dial_out=self._refer == "anywhere",
            payer=payer,
            shown=remaining.party.number,
        )
        if isinstance(route, ToClient | ToUser | ToPhones) and _foreign_replaces(transferor) is not None:
            return Refused(CALL_REJECTED, "the call to be replaced is not known here")
        return route

    def make_target(self, call_id: CallId, door: Door, route: Route, *, transferor: Leg, remaining: Leg) -> Leg:
        """It is shown who remains, and told who wanted it (RFC 3892)."""
        assert not isinstance(route, Refused)
        return self._legs.along(
            route,
            transferor.name,
            call_id=call_id,
            caller=remaining.party,
            headers=(),
            post=door,
            replaces=_foreign_replaces(transferor),
            own_headers=self._referred_by(transferor),
            diverted_by=transferor.party.number,
        )

    def _referred_by(self, transferor: Leg) -> tuple[tuple[str, str], ...]:
        if isinstance(transferor, VertoLeg):
            return referred_by(f"sip:{transferor.session.identity.username}@{self._domain}")
        referred = transferor.referred if isinstance(transferor, SipLeg) else None
        return referred_by(None if referred is None else referred.referred_by)

    def find_call(self, asking: CallId, transferor: Leg, other: str) -> Found | None:
        """By `callID` within the client's session, or by Call-ID within the trunk; never the call that asks."""
        if isinstance(transferor, VertoLeg):
            found = self._calls.runner_of_verto(transferor.session.session_id, VertoCallId(other))
        elif self._refer == "refuse" and user_of(transferor) is None:
            return None
        else:
            found = self._calls.runner_of_sip(SipCallId(other))
        if found is None or found[0].call_id == asking:
            return None
        return found if _is_same_side(found[0].leg_at(found[1]), transferor) else None

    def replace(self, incoming: IncomingCall, replaced: SipCallId) -> bool:
        """Have an INVITE with Replaces take the place of that dialog; False if it is none of that trunk's here."""
        found = self._calls.runner_of_sip(replaced)
        if found is None:
            return False
        runner, name = found
        there, caller = runner.leg_at(name), incoming.identity
        if (there.trunk_name or "", _name_of(there)) != (incoming.trunk, None if caller is None else caller.username):
            return False
        self._calls.names.name_dialog(runner.call_id, incoming.sip_call_id)
        runner.take_replacement(partial(self._legs.calling_trunk, incoming), name)
        return True

    def call(self, call_id: CallId) -> CallRunner | None:
        """See `Desk`."""
        return self._calls.runner_of(call_id)

    def take_over(self, call_id: CallId, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.take_over(call_id, leg)

    def let_go(self, call_id: CallId, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.let_go(call_id, leg)

    def seat(self, call_id: CallId, name: LegName, leg: Leg) -> None:
        """See `Desk`."""
        self._calls.seat(call_id, name, leg)


def _without_host(uri: str) -> str:
    """A phone writes our address or our domain behind whom it means; both are us."""
    found = parse_destination(uri)
    return uri if found is None else found.user


def _name_of(leg: Leg) -> str | None:
    """The user name of the phone at its far end."""
    user = user_of(leg)
    return None if user is None else user.username


def _is_same_side(one: Leg, other: Leg) -> bool:
    """Whether both are of the same trunk, or phones of the same user, or clients."""
    return (one.trunk_name, _name_of(one)) == (other.trunk_name, _name_of(other))


def _foreign_replaces(transferor: Leg) -> Replaces | None:
    """The dialog elsewhere that a REFER wants to be replaced. One of ours is joined, and never gets here."""
    referred = transferor.referred if isinstance(transferor, SipLeg) else None
    return None if referred is None else referred.target.replaces
