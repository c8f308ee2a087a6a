"""Makes the legs of calls: those that call a client or a trunk, and those by which they call us."""

import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.b2bua.call_index import CallIndex
from gateway.b2bua.client_legs import ClientLegs
from gateway.b2bua.encryption import demand, serving
from gateway.b2bua.headers import Crossing
from gateway.b2bua.inbox import Door
from gateway.b2bua.legs.base import Leg, Party, Post, is_encrypted
from gateway.b2bua.legs.fork import Fork
from gateway.b2bua.legs.phone import PhoneLeg
from gateway.b2bua.legs.sip import CallerLeg, FindReplaced, InviteFunction, TrunkLeg
from gateway.b2bua.legs.verto import TelnyxIds, VertoLeg
from gateway.b2bua.lobby import Lobby
from gateway.b2bua.routing import Refused, Route, ToClient, ToPhones, ToTrunks, ToUser
from gateway.domain.causes import INCOMPATIBLE_DESTINATION, REJECTIONS
from gateway.domain.client_media import ClientMedia
from gateway.domain.ids import CallId, LegName, Sdp, SessionId, VertoCallId
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions
from gateway.sip.call import MAX_FORWARDS, IncomingCall, OnSipCallEvent, OutgoingCall, Replaces, Target
from gateway.trunks.core.identity import ANONYMOUS, Caller, uri_user
from gateway.trunks.core.rules import OutboundCall
from gateway.vsp.control import ClientSession, Invite

NO_CODEC: Final = "No Codec Of The Connection Is Spoken Here"
"""The reason phrase of a call to a client whose connection allows nothing that could be offered."""


MediaOf = Callable[[str], Awaitable[ClientMedia]]
"""Tells what the connection of a user name asks of its clients' media, now."""

FindSession = Callable[[SessionId], ClientSession | None]
"""Finds the handle of a session that is connected."""

CallerOptions = Callable[[IncomingCall], LegOptions]
"""Tells how the media of a call that comes to us may be encrypted, and takes digits."""


class LegMaker:
    """One per process. The legs of clients that it calls are found among the live calls at once."""

    def __init__(
        self,
        calls: CallIndex,
        lobby: Lobby,
        client_legs: ClientLegs,
        *,
        invite: InviteFunction,
        find_replaced: FindReplaced,
        domain: str,
        browser_codecs: tuple[str, ...],
        trunk_codecs: Callable[[str], tuple[str, ...]],
        media_of: MediaOf,
        find_session: FindSession,
        caller_options: CallerOptions = lambda call: DEFAULT_OPTIONS,
        phone_codecs: tuple[str, ...] = (),
    ) -> None:
        """
        Args:
            invite, find_replaced, domain, trunk_codecs, phone_codecs, media_of, find_session, caller_options: see
                `CallDirectory`.
            browser_codecs: see `[calls] browser_codecs`.
        """
        self._calls, self._lobby, self._client_legs = calls, lobby, client_legs
        self._invite, self._find_replaced, self._domain = invite, find_replaced, domain
        self._browser_codecs, self._trunk_codecs, self._media_of = browser_codecs, trunk_codecs, media_of
        self._find_session = find_session
        self._caller_options = caller_options
        self._phone_codecs = phone_codecs

    def calling_client(
        self, session: ClientSession, invite: Invite, *, call_id: CallId, caller: Party, post: Door
    ) -> VertoLeg:
        """The leg of a client that calls."""
        return VertoLeg(
            LegName.A,
            session,
            invite.verto_call_id,
            offer=invite.sdp,
            codecs=self._browser_codecs,
            caller=caller,
            callee=Party(name="Outbound Call", number=invite.destination),
            ids=_new_ids(call_id),
            headers=(),
            post=post,
            watch=self._client_legs,
            keeps_media=invite.keeps_media,
        )

    def calling_trunk(self, call: IncomingCall, name: LegName, post: Door) -> CallerLeg:
        """The leg of a trunk that calls, or of a phone."""
        codecs = self._trunk_codecs(call.trunk) if call.identity is None else self._phone_codecs
        options = self._caller_options(call)
        return CallerLeg(name, call, codecs=codecs, post=post, find_replaced=self._find_replaced, options=options)

    async def read_media(self, leg: VertoLeg) -> None:
        """Have a client's leg do what its connection asks for: before its media is opened."""
        leg.media = await self._media_of(leg.session.identity.username)

    async def read_phone_media(self, leg: CallerLeg, username: str) -> None:
        """The same for a phone's leg."""
        leg.media = await self._media_of(username)
        if leg.media.requires_encryption:
            demand(leg)

    async def settle(self, near: Leg, route: Route, *, is_new: bool = False) -> Route:
        """The route with what the called client's connection asks for; refused if it cannot be joined with `near`.

        Args:
            is_new: whether the media of `near` has not been opened, so that more can be demanded of it.
        """
        match route:
            case ToClient(session):
                route = replace(route, media=await self._media_of(session.identity.username))
            case ToUser(username):
                route = replace(route, media=await self._media_of(username))
            case ToTrunks(trunks) if served := serving(trunks, is_demanded=near.media.requires_encryption):
                route = replace(route, trunks=served)
            case ToPhones(user):
                media = await self._media_of(user.username)
                is_demanded = media.requires_encryption or near.media.requires_encryption
                route = replace(route, media=replace(media, requires_encryption=is_demanded))
            case _:
                pass
        is_demanded = isinstance(route, ToClient | ToUser | ToPhones) and route.media.requires_encryption
        if is_new and is_demanded and isinstance(near, CallerLeg):
            demand(near)
        return self.refusal(near, route) or route

    def refusal(self, near: Leg, route: Route) -> Refused | None:
        """Why that leg cannot be joined with one along the route: encryption, or codecs. None when it can.

        Clients are always encrypted, trunks as their settings say, phones where their connection demands it. Whose
        connection demands it (rest-v2 H.1, B3) is in no call with a leg that need not be.
        """
        is_demanded = near.media.requires_encryption
        if not isinstance(route, ToTrunks | Refused):
            is_demanded = is_demanded or route.media.requires_encryption
        if is_demanded and not is_encrypted(near):
            return Refused(REJECTIONS["B3"])
        match route:
            case ToTrunks(trunks):
                if not serving(trunks, is_demanded=near.media.requires_encryption):
                    return Refused(REJECTIONS["B3"])
            case ToPhones():
                if not self._codecs_towards_phones(route.media):
                    return Refused(INCOMPATIBLE_DESTINATION, NO_CODEC)
            case ToClient() | ToUser():
                if not self._codecs_towards(route.media):
                    return Refused(INCOMPATIBLE_DESTINATION, NO_CODEC)
            case _:
                pass
        return None

    def _codecs_towards(self, media: ClientMedia) -> tuple[str, ...]:
        """What is offered to a client that we call."""
        if media.codecs is None:
            return self._browser_codecs
        return tuple(codec for codec in media.codecs if codec in self._browser_codecs)

    def _codecs_towards_phones(self, media: ClientMedia) -> tuple[str, ...]:
        if media.codecs is None:
            return self._phone_codecs
        return tuple(codec for codec in media.codecs if codec in self._phone_codecs)

    def along(
        self,
        route: ToClient | ToUser | ToPhones | ToTrunks,
        name: LegName,
        *,
        call_id: CallId,
        caller: Party,
        headers: Crossing,
        post: Door,
        dialed: str | None = None,
        replaces: Replaces | None = None,
        own_headers: Crossing = (),
        diverted_by: str | None = None,
        max_forwards: int = MAX_FORWARDS,
    ) -> Leg:
        """A leg that calls along that route, which has been settled, and shows `caller`.

        Args:
            headers: custom ones; a trunk gets those that its list has.
            dialed: what the caller has asked for.
            own_headers: of the gateway itself.
            diverted_by: who sent the call on, see `OutboundCall`.
            max_forwards: hops that it may take, see `Target`.
        """
        invite = partial(self._named_invite, call_id, max_forwards)
        if isinstance(route, ToTrunks):
            return TrunkLeg(
                name,
                route,
                invite=invite,
                call=OutboundCall(
                    called=route.user,
                    caller=_caller(caller, route.caller_number),
                    domain=self._domain,
                    custom=headers,
                    own=own_headers,
                    diverted_by=diverted_by,
                ),
                post=post,
                find_replaced=self._find_replaced,
                replaces=replaces,
            )
        if isinstance(route, ToPhones):
            return self._called_phones(route, name, invite=invite, caller=caller, headers=headers, post=post)
        verto_call_id = VertoCallId(str(uuid.uuid4()))
        make = partial(
            self._called_client,
            name,
            verto_call_id,
            call_id=call_id,
            caller=caller,
            headers=(*headers, *own_headers),
            media=route.media,
            dialed=dialed,
        )
        if isinstance(route, ToUser):
            return self._lobby.fork(
                name,
                route,
                verto_call_id,
                caller=caller,
                codecs=self._codecs_towards(route.media),
                make_branch=make,
                post=post,
                on_over=partial(self._settle, call_id),
            )
        return make(route.session, post)

    def _called_phones(
        self, route: ToPhones, name: LegName, *, invite: InviteFunction, caller: Party, headers: Crossing, post: Door
    ) -> PhoneLeg:
        """A leg that calls a user's phones."""
        return PhoneLeg(
            name,
            route.user,
            media=route.media,
            codecs=self._codecs_towards_phones(route.media),
            invite=invite,
            from_uri=f"sip:{uri_user(caller.number)}@{self._domain}",
            from_name=caller.name,
            to_uri=f"sip:{uri_user(route.user.username)}@{self._domain}",
            headers=headers,
            post=post,
            find_replaced=self._find_replaced,
        )

    def _named_invite(
        self, call_id: CallId, max_forwards: int, target: Target, sdp: Sdp, on_event: OnSipCallEvent
    ) -> OutgoingCall:
        """Call somebody, and have it known which call the dialog is of."""
        call = self._invite(replace(target, max_forwards=max_forwards), sdp, on_event)
        self._calls.names.name_dialog(call_id, call.sip_call_id)
        return call

    def _called_client(
        self,
        name: LegName,
        verto_call_id: VertoCallId,
        session: ClientSession,
        post: Post,
        *,
        call_id: CallId,
        caller: Party,
        headers: Crossing,
        media: ClientMedia,
        dialed: str | None,
    ) -> VertoLeg:
        """A leg that calls one client, by the socket that it is on now: it may have changed since it was found."""
        session = self._find_session(session.session_id) or session
        callee = session.identity.username
        leg = VertoLeg(
            name,
            session,
            verto_call_id,
            offer=None,
            codecs=self._codecs_towards(media),
            caller=caller,
            callee=Party(name=callee, number=callee),
            ids=_new_ids(call_id),
            headers=headers,
            post=post,
            media=media,
            watch=self._client_legs,
            dialed=dialed,
        )
        self._calls.index(call_id, leg)
        return leg

    def _settle(self, call_id: CallId, fork: Fork, winner: VertoLeg | None, losers: tuple[VertoLeg, ...]) -> None:
        """Of several clients that rang one has answered, or none."""
        call = self._calls.get(call_id)
        if call is None:
            return
        for loser in losers:
            self._calls.let_go(call_id, loser)
        if winner is not None:
            call.runner.swap(fork, winner)
            call.name_after(winner)


_NODE: Final = secrets.randbits(48) | 1 << 40
"""Instead of our network address, which is nobody's business: random, with the multicast bit (RFC 9562, 6.10)."""


def new_telnyx_id() -> str:
    """An id of a call or a leg: a UUID of version 1, as the service makes them (rest-v2 D)."""
    return str(uuid.uuid1(node=_NODE))


def _new_ids(call_id: CallId) -> TelnyxIds:
    return TelnyxIds(session_id=str(call_id), leg_id=new_telnyx_id())


def _caller(party: Party, number: str | None) -> Caller:
    """Who calls, for a trunk.

    Args:
        number: what admission shows instead of the party's own.
    """
    shown = number or party.number
    if Caller(number=party.number, name=party.name).is_hidden:
        return Caller(number=shown, name=ANONYMOUS)
    return Caller(number=shown, name=shown if party.name == party.number else party.name)


__all__ = ["FindSession", "LegMaker", "MediaOf", "new_telnyx_id"]
