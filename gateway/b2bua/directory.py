"""The door through which calls come in from both sides, and the one hand that ends them all."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from gateway.b2bua.call_index import CallIndex, CallNames, CallQuality, CallSnapshot, LiveCall, NoNames
from gateway.b2bua.client_legs import ClientLegs
from gateway.b2bua.core.call import ATTACH_TIMEOUT, State
from gateway.b2bua.core.events import HangupRequested
from gateway.b2bua.headers import Crossing, crossing_headers
from gateway.b2bua.leg_maker import CallerOptions, FindSession, LegMaker, MediaOf, new_telnyx_id
from gateway.b2bua.legs.base import Leg, Party
from gateway.b2bua.legs.phone import PhoneLeg
from gateway.b2bua.legs.sip import CallerLeg, FindReplaced, InviteFunction, user_of
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.lobby import Lobby
from gateway.b2bua.overload import OverloadGuard
from gateway.b2bua.performer import Legs
from gateway.b2bua.routing import Refused, Route, ToClient, ToPhones, ToTrunks, ToUser, refusing_without_store
from gateway.b2bua.runner import CallRunner
from gateway.b2bua.settings import CallSettings
from gateway.b2bua.transfer_desk import TransferDesk, TransferRoutes
from gateway.domain.causes import (
    CALL_REJECTED,
    NORMAL_CIRCUIT_CONGESTION,
    NORMAL_CLEARING,
    REJECTIONS,
    SERVICE_NOT_IMPLEMENTED,
    SWITCH_CONGESTION,
    SYSTEM_SHUTDOWN,
    Cause,
)
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia
from gateway.domain.facts import CallAnswered, CallInitiated, CallTransferred, ClientLegFact, Fact
from gateway.domain.headers import is_reserved, sendable
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.domain.push import PushSender
from gateway.media.engine import DEFAULT_OPTIONS, MediaEngine
from gateway.observability.logging import get_logger
from gateway.observability.metrics import CALLS_REFUSED
from gateway.sip.call import MAX_FORWARDS, IncomingCall
from gateway.vsp.control import ClientMessage, ClientSession, ClientText, Invite, SocketLost

NO_ASSISTANT: Final = "No assistant here"
"""What a visitor's application reads in `sipReason`: whatever it calls goes to an assistant (M-72)."""

RESERVED_HEADER: Final = "D10"
"""Telnyx' rejection of a custom header that is the network's own (rest-v2 H.1)."""

Listener = Callable[[Fact], None]


async def _default_media(_username: str) -> ClientMedia:
    return DEFAULT_CLIENT_MEDIA


class Routes(TransferRoutes, Protocol):
    """What the directory needs of `routing.Router`."""

    async def from_trunk(self, call_id: CallId, user: str, host: str) -> Route: ...


class CallDirectory:
    """Makes calls, finds them, and ends them all. Implements `vsp.control.CallControl`."""

    def __init__(
        self,
        settings: CallSettings,
        *,
        engine: MediaEngine,
        router: Routes,
        invite: InviteFunction,
        domain: str,
        trunk_codecs: Callable[[str], tuple[str, ...]],
        phone_codecs: tuple[str, ...] = (),
        find_replaced: FindReplaced = lambda replaces: None,
        media_of: MediaOf = _default_media,
        find_session: FindSession = lambda session_id: None,
        caller_options: CallerOptions = lambda call: DEFAULT_OPTIONS,
        attach_timeout: float = ATTACH_TIMEOUT,
        pushes: PushSender | None = None,
        listeners: Iterable[Listener] = (),
        on_client_leg: Callable[[ClientLegFact], None] = lambda fact: None,
        names: CallNames | None = None,
        overload: OverloadGuard | None = None,
    ) -> None:
        """
        Args:
            invite: `sip.ua.UserAgent.invite`.
            domain: host of the From URI towards trunks.
            trunk_codecs: the allowed codecs of a trunk by name.
            phone_codecs: those of registered SIP phones.
            find_replaced: `sip.ua.UserAgent.find_replaced`.
            media_of: what the connection of a user name asks of its clients' media; read anew for each call.
            find_session: a connected session by its id (`vsp.registry.SessionRegistry.find`).
            caller_options: how the media of a call that comes to us may be encrypted, and takes digits.
            attach_timeout: see `[verto] attach_timeout`.
            pushes: delivers pushes; without it no call waits for a device.
            on_client_leg: told of the legs of clients, on the loop's thread; it must not block.
            names: told by which names the far ends know each call.
            overload: says when a client's call must be refused, and is told where calls stand. Calls of trunks and
                phones it has let in before they come here.
        """
        self._settings, self._engine, self._router = settings, engine, router
        self._overload = OverloadGuard(0.0) if overload is None else overload
        self._attach_timeout = attach_timeout
        self._calls = CallIndex(NoNames() if names is None else names)
        self._lobby = Lobby(sender=pushes, push_wait=settings.push_wait)
        self._client_legs = ClientLegs(on_client_leg)
        self._legs = LegMaker(
            self._calls,
            self._lobby,
            self._client_legs,
            invite=invite,
            find_replaced=find_replaced,
            domain=domain,
            browser_codecs=settings.browser_codecs,
            trunk_codecs=trunk_codecs,
            phone_codecs=phone_codecs,
            media_of=media_of,
            find_session=find_session,
            caller_options=caller_options,
        )
        self._desk = TransferDesk(self._calls, self._legs, router, refer=settings.refer, domain=domain)
        self._listeners: list[Listener] = list(listeners)
        self._group: asyncio.TaskGroup | None = None
        self._is_draining = False
        self._log = get_logger()

    async def __aenter__(self) -> "CallDirectory":
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        group, self._group = self._group, None
        assert group is not None
        await group.__aexit__(None, None, None)

    # ---- what others see

    def live(self) -> list[CallSnapshot]:
        """All live calls, oldest first."""
        return [call.snapshot() for call in self._calls]

    def find(self, call_id: CallId) -> CallSnapshot | None:
        """One live call."""
        call = self._calls.get(call_id)
        return None if call is None else call.snapshot()

    def quality(self, call_id: CallId, after: float) -> CallQuality | None:
        """How good a live call is, with the samples younger than so many seconds of it."""
        call = self._calls.get(call_id)
        return None if call is None else call.quality(after)

    def hangup(self, call_id: CallId, cause: Cause = NORMAL_CLEARING) -> bool:
        """End a call from outside; False when there is none of that id."""
        call = self._calls.get(call_id)
        if call is None:
            return False
        call.runner.post(HangupRequested(cause))
        return True

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every fact, on the loop's thread; returns what ends it. It must not block."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def refuse_new_calls(self) -> None:
        """From now on new calls are refused; the live ones go on."""
        self._is_draining = True

    async def drain(self) -> None:
        """Take no new calls; give the live ones `stop_grace` seconds, then end them; return when none is left."""
        self.refuse_new_calls()
        try:
            async with asyncio.timeout(self._settings.stop_grace):
                await self._calls.until_none()
        except TimeoutError:
            self._log.info("calls_ended_by_stop", count=len(self._calls))
        for call in self._calls:
            call.runner.post(HangupRequested(SYSTEM_SHUTDOWN))
        await self._calls.until_none()

    # ---- CallControl: from the Verto side

    def has_call(self, session_id: SessionId, verto_call_id: VertoCallId) -> bool:
        """Whether that call lives and belongs to that session."""
        return self._calls.of_client(session_id, verto_call_id) is not None

    def call_requested(self, session: ClientSession, invite: Invite) -> None:
        """A client calls."""
        refused = self._refusal_of(session, invite)
        if refused is not None:
            refusal, reason = refused
            session.send_bye(invite.verto_call_id, cause=refusal, sip_code=refusal.sip_status, sip_reason=reason)
            if refusal is not SWITCH_CONGESTION:  # of those there are many: the guard counts them
                self._note_refused(refusal, session_id=session.session_id)
            return
        identity = session.identity
        runner = self._new_runner(Direction.OUTBOUND)
        number = invite.caller_number or identity.caller_number or identity.username
        caller = Party(name=invite.caller_name or number, number=number)
        leg_a = self._legs.calling_client(session, invite, call_id=runner.call_id, caller=caller, post=runner.door())
        key = (session.session_id, invite.verto_call_id)
        call = LiveCall(
            runner, number, invite.destination, identity.connection_id, *key, {key: leg_a}, invite.client_state
        )  # fmt: skip
        headers = sendable(invite.custom_headers)
        self._begin(
            call,
            Legs(
                leg_a,
                lambda: self._route_of_client(leg_a, runner.call_id, invite.destination),
                lambda route: self._leg_b(route, call, caller=caller, headers=_for(route, headers)),
            ),
        )

    def client_message(self, session_id: SessionId, verto_call_id: VertoCallId, message: ClientMessage) -> None:
        """Something for a live call."""
        found = self._calls.of_client(session_id, verto_call_id)
        if found is None:
            return
        call, leg = found
        if isinstance(message, ClientText):
            _pass_on(message, call, leg)
        else:
            leg.receive(message)

    def client_arrived(self, session: ClientSession, *, is_mobile: bool, is_late: bool) -> None:
        """Ring it with what waits for its user."""
        self._lobby.arrived(session, is_mobile=is_mobile, is_late=is_late)

    def push_declined(self, session: ClientSession) -> None:
        """Its user declined the pushed call."""
        self._lobby.declined(session.identity.username)

    def has_called(self, session_id: SessionId) -> bool:
        """Whether a call that we made to that session is alive."""
        return any(leg.was_called for _, leg in self._calls.legs_of(session_id))

    def session_lost(self, session_id: SessionId) -> None:
        """End what that client has left behind."""
        for _, leg in self._calls.legs_of(session_id):
            leg.receive(SocketLost())

    def session_detached(self, session_id: SessionId) -> None:
        """That client's calls wait for it."""
        for _, leg in self._calls.legs_of(session_id):
            leg.detach()

    def session_replaced(self, session: ClientSession) -> tuple[VertoCallId, ...]:
        """Calls of that session speak to this handle from now on; see `CallControl`."""
        kept = []
        for name, leg in self._calls.legs_of(session.session_id):
            if leg.come_back(session, VertoCallId(str(uuid.uuid4()))):
                kept.append(leg.verto_call_id)
            elif leg.verto_call_id != name:
                self._calls.rename(name, leg)
        return tuple(kept)

    # ---- from the SIP side

    def incoming(self, incoming: IncomingCall) -> None:
        """A trunk calls, or a phone of ours."""
        identity = incoming.identity
        refusal = self._refusal(None) if identity is None else self._refusal_of_phone(identity)
        if refusal is not None:
            incoming.reject(refusal.sip_status, refusal.sip_reason)
            self._note_refused(refusal, trunk=incoming.trunk)
            return
        if incoming.replaces is not None:
            self._replace(incoming, incoming.replaces)
            return
        runner = self._new_runner(Direction.INBOUND if identity is None else Direction.OUTBOUND)
        self._calls.names.name_dialog(runner.call_id, incoming.sip_call_id)
        leg_a = self._legs.calling_trunk(incoming, LegName.A, runner.door())
        caller, headers = leg_a.party, sendable(incoming.headers)
        connection_id = None if identity is None else identity.connection_id
        call = LiveCall(runner, caller.number, incoming.request_user, connection_id, None, None, {})
        self._begin(
            call,
            Legs(
                leg_a,
                lambda: self._route_of_caller(leg_a, runner.call_id, incoming),
                lambda route: self._leg_b(
                    route, call, caller=caller, headers=headers, max_forwards=incoming.max_forwards - 1
                ),
            ),
        )

    def _replace(self, incoming: IncomingCall, replaced: SipCallId) -> None:
        """A trunk calls in order to take the place of a call that it has with us (RFC 3891)."""
        if not self._desk.replace(incoming, replaced):
            incoming.reject(CALL_REJECTED.sip_status, CALL_REJECTED.sip_reason)
            self._note_refused(CALL_REJECTED, trunk=incoming.trunk)

    # ---- inside

    def _refusal_of(self, session: ClientSession, invite: Invite) -> tuple[Cause, str] | None:
        """Why a client's call is not even begun, and what its application reads."""
        if session.identity.is_visitor:
            return SERVICE_NOT_IMPLEMENTED, NO_ASSISTANT
        if (name := next((name for name, _ in invite.custom_headers if is_reserved(name)), None)) is not None:
            cause = REJECTIONS[RESERVED_HEADER]
            return cause, f"{cause.sip_reason}: the header {name} is reserved"
        refusal = self._refusal(session.session_id)
        return None if refusal is None else (refusal, refusal.sip_reason)

    def _refusal(self, session_id: SessionId | None) -> Cause | None:
        if self._is_draining or self._group is None:
            return SYSTEM_SHUTDOWN
        if session_id is not None and self._overload.refuses():
            return SWITCH_CONGESTION
        if len(self._calls) >= self._settings.max_calls:
            return NORMAL_CIRCUIT_CONGESTION
        if session_id is not None and len(self._calls.legs_of(session_id)) >= self._settings.max_calls_per_session:
            return NORMAL_CIRCUIT_CONGESTION
        return None

    def _refusal_of_phone(self, identity: Identity) -> Cause | None:
        """As for a client: the limit of calls at once counts all phones of a user together."""
        count = sum(call.runner.find_leg(lambda leg: _is_of(leg, identity)) is not None for call in self._calls)
        return NORMAL_CIRCUIT_CONGESTION if count >= self._settings.max_calls_per_session else self._refusal(None)

    def _note_refused(self, cause: Cause, **who: str) -> None:
        CALLS_REFUSED.labels(cause.name.lower()).inc()
        self._log.warning("call_refused", cause=cause.name, **who)

    def _new_runner(self, direction: Direction) -> CallRunner:
        return CallRunner(
            CallId(new_telnyx_id()),
            direction,
            ring_timeout=self._settings.ring_timeout,
            hold=self._settings.hold,
            attach_timeout=self._attach_timeout,
            max_transfers=self._settings.max_transfers,
            engine=self._engine,
            desk=self._desk,
            emit=self._tell,
            on_state=self._overload.stands_at,
        )

    def _begin(self, call: LiveCall, legs: Legs) -> None:
        runner = call.runner
        self._calls.add(call)
        self._overload.stands_at(runner.call_id, State.ROUTING)
        self._tell(
            CallInitiated(
                call_id=runner.call_id,
                at=runner.journal.started_at,
                direction=runner.journal.direction,
                caller=call.caller,
                callee=call.callee,
                connection_id=call.connection_id,
                session_id=call.session_id,
                verto_call_id=call.verto_call_id,
            )
        )
        if isinstance(legs.a, VertoLeg):
            self._client_legs.opened(legs.a)
        assert self._group is not None
        self._group.create_task(self._live(call, legs), name=f"call-{runner.call_id}")

    async def _live(self, call: LiveCall, legs: Legs) -> None:
        try:
            await call.runner.run(legs)
        finally:
            self._calls.remove(call)
            self._overload.stands_at(call.runner.call_id, State.ENDED)

    @refusing_without_store
    async def _route_of_client(self, leg: VertoLeg, call_id: CallId, destination: str) -> Route:
        await self._legs.read_media(leg)
        identity, shown = leg.session.identity, leg.party.number
        route = await self._router.from_client(call_id, identity, destination, shown=shown)
        return await self._legs.settle(leg, route)

    @refusing_without_store
    async def _route_of_caller(self, leg: CallerLeg, call_id: CallId, incoming: IncomingCall) -> Route:
        user, host, identity = incoming.request_user, incoming.request_host, incoming.identity
        if identity is None:
            return await self._legs.settle(leg, await self._router.from_trunk(call_id, user, host), is_new=True)
        await self._legs.read_phone_media(leg, identity.username)
        # A phone names our address or our domain: the user part alone decides.
        route = await self._router.from_client(call_id, identity, user, shown=leg.party.number)
        return await self._legs.settle(leg, route, is_new=True)

    def _leg_b(
        self,
        route: Route,
        call: LiveCall,
        *,
        caller: Party,
        headers: Crossing,
        max_forwards: int = MAX_FORWARDS,
    ) -> Leg:
        assert not isinstance(route, Refused)
        runner = call.runner
        if isinstance(route, ToClient | ToUser | ToPhones):
            runner.journal.routed_to_client()
        leg = self._legs.along(
            route,
            LegName.B,
            call_id=runner.call_id,
            caller=caller,
            headers=headers,
            post=runner.door(),
            dialed=call.callee,
            max_forwards=max_forwards,
        )
        if isinstance(leg, VertoLeg):
            call.name_after(leg)
        elif isinstance(leg, PhoneLeg):
            call.connection_id = call.connection_id or leg.connection_id
        return leg

    def _tell(self, fact: Fact) -> None:
        for listener in list(self._listeners):
            listener(fact)
        if isinstance(fact, CallAnswered | CallTransferred):
            self._client_legs.connected(self._calls.client_legs_of(fact.call_id))


def _for(route: Route, headers: Crossing) -> Crossing:
    """A client's custom header fields: a trunk has a list of its own, a client gets what applications put there."""
    return headers if isinstance(route, ToTrunks) else crossing_headers(headers)


def _is_of(leg: Leg, identity: Identity) -> bool:
    user = user_of(leg)
    return user is not None and user.username == identity.username


def _pass_on(text: ClientText, call: LiveCall, sender: VertoLeg) -> None:
    """A text for the other client of a call. It changes nothing about the call, and a trunk takes none."""
    for leg in call.verto_legs.values():
        if leg is not sender:
            leg.session.send_text(leg.verto_call_id, text)


__all__ = ["CallDirectory", "Listener", "Routes"]
