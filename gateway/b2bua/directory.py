"""Live calls by every name they have, and the door through which calls come in from both sides."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from gateway.b2bua.core.call import ATTACH_TIMEOUT, State
from gateway.b2bua.core.events import HangupRequested
from gateway.b2bua.headers import crossing_headers
from gateway.b2bua.legs.base import Leg, Party, Post
from gateway.b2bua.legs.fork import Fork
from gateway.b2bua.legs.sip import CallerLeg, FindReplaced, InviteFunction, TrunkLeg
from gateway.b2bua.legs.verto import TelnyxIds, VertoLeg
from gateway.b2bua.lobby import Lobby
from gateway.b2bua.routing import Refused, Route, ToClient, ToTrunks, ToUser
from gateway.b2bua.runner import CallRunner, Legs
from gateway.b2bua.seats import Door
from gateway.b2bua.settings import CallSettings
from gateway.b2bua.transfer_desk import TransferDesk, TransferRoutes
from gateway.domain.causes import (
    CALL_REJECTED,
    NORMAL_CIRCUIT_CONGESTION,
    NORMAL_CLEARING,
    SERVICE_NOT_IMPLEMENTED,
    SYSTEM_SHUTDOWN,
    Cause,
)
from gateway.domain.facts import CallInitiated, CallRouted, CallTransferred, Fact
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.domain.push import PushSender
from gateway.media.engine import LegStats, MediaEngine
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.sip.call import IncomingCall, Replaces
from gateway.vsp.control import ClientMessage, ClientSession, ClientText, Invite, SocketLost

NO_ASSISTANT: Final = "No assistant here"
"""What a visitor's application reads in `sipReason`: whatever it calls goes to an assistant (M-72)."""


Listener = Callable[[Fact], None]


class Routes(TransferRoutes, Protocol):
    """What the directory needs of `routing.Router`."""

    async def from_trunk(self, user: str, host: str) -> Route: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSnapshot:
    """A live call as the console and the API show it."""

    call_id: CallId
    direction: Direction
    caller: str
    callee: str
    state: str
    started_at: datetime
    answered_at: datetime | None
    codec_a: str
    codec_b: str
    is_held: bool
    connection_id: str | None
    session_id: SessionId | None
    verto_call_id: VertoCallId | None
    sip_call_id: SipCallId | None
    trunk: str | None
    stats: dict[str, LegStats]
    client_state: str | None = None
    transfers: tuple[CallTransferred, ...] = ()


@dataclass(slots=True)
class _Entry:
    """One live call with what it is found by."""

    runner: CallRunner
    caller: str
    callee: str
    connection_id: str | None
    session_id: SessionId | None
    verto_call_id: VertoCallId | None
    verto_legs: dict[tuple[SessionId, VertoCallId], VertoLeg]
    client_state: str | None = None
    """What the calling client's application wants to hear again with every event of the call; never read here."""


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
        find_replaced: FindReplaced = lambda replaces: None,
        attach_timeout: float = ATTACH_TIMEOUT,
        pushes: PushSender | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        """
        Args:
            invite: `sip.ua.UserAgent.invite`.
            domain: host of the From URI towards trunks.
            trunk_codecs: the allowed codecs of a trunk by name.
            find_replaced: `sip.ua.UserAgent.find_replaced`.
            attach_timeout: see `[verto] attach_timeout`.
            pushes: delivers pushes; without it no call waits for a device.
        """
        self._lobby = Lobby(sender=pushes, push_wait=settings.push_wait)
        self._settings, self._engine, self._router, self._invite = settings, engine, router, invite
        self._domain, self._trunk_codecs, self._attach_timeout = domain, trunk_codecs, attach_timeout
        self._find_replaced = find_replaced
        self._desk = TransferDesk(self, router, refer=settings.refer, domain=domain)
        self._listeners: list[Listener] = list(listeners)
        self._calls: dict[CallId, _Entry] = {}
        self._by_verto: dict[tuple[SessionId, VertoCallId], tuple[CallId, VertoLeg]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._is_draining = False
        self._empty = asyncio.Event()
        self._empty.set()
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
        return [_snapshot(call_id, entry) for call_id, entry in self._calls.items()]

    def find(self, call_id: CallId) -> CallSnapshot | None:
        """One live call."""
        entry = self._calls.get(call_id)
        return None if entry is None else _snapshot(call_id, entry)

    def hangup(self, call_id: CallId, cause: Cause = NORMAL_CLEARING) -> bool:
        """End a call from outside; False when there is none of that id."""
        entry = self._calls.get(call_id)
        if entry is None:
            return False
        entry.runner.post(HangupRequested(cause))
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
                await self._empty.wait()
        except TimeoutError:
            self._log.info("calls_ended_by_stop", count=len(self._calls))
        for call_id in list(self._calls):
            self.hangup(call_id, SYSTEM_SHUTDOWN)
        await self._empty.wait()

    # ---- CallControl: from the Verto side

    def has_call(self, session_id: SessionId, verto_call_id: VertoCallId) -> bool:
        """Whether that call lives and belongs to that session."""
        return (session_id, verto_call_id) in self._by_verto

    def call_requested(self, session: ClientSession, invite: Invite) -> None:
        """A client calls."""
        is_visitor = session.identity.is_visitor
        refusal = SERVICE_NOT_IMPLEMENTED if is_visitor else self._refusal(session.session_id)
        if refusal is not None:
            reason = NO_ASSISTANT if is_visitor else refusal.sip_reason
            session.send_bye(invite.verto_call_id, cause=refusal, sip_code=refusal.sip_status, sip_reason=reason)
            self._log.warning("call_refused", cause=refusal.name, session_id=session.session_id)
            return
        identity = session.identity
        runner = self._new_runner(Direction.OUTBOUND)
        number = invite.caller_number or identity.caller_number or identity.username
        caller = Party(name=invite.caller_name or number, number=number)
        callee = Party(name="Outbound Call", number=invite.destination)
        key = (session.session_id, invite.verto_call_id)
        leg_a = VertoLeg(
            LegName.A,
            session,
            invite.verto_call_id,
            offer=invite.sdp,
            codecs=self._settings.browser_codecs,
            caller=caller,
            callee=callee,
            ids=_new_ids(runner.call_id),
            headers=(),
            post=runner.door(),
            keeps_media=invite.keeps_media,
        )
        headers = crossing_headers(invite.custom_headers)
        entry = _Entry(
            runner, number, invite.destination, identity.connection_id, *key, {key: leg_a}, invite.client_state
        )  # fmt: skip
        self._begin(
            entry,
            Legs(
                leg_a,
                lambda: self._router.from_client(identity, invite.destination),
                lambda route: self._leg_b(route, entry, caller=caller, headers=headers),
                self._desk,
            ),
        )

    def client_message(self, session_id: SessionId, verto_call_id: VertoCallId, message: ClientMessage) -> None:
        """Something for a live call."""
        found = self._by_verto.get((session_id, verto_call_id))
        if found is not None and isinstance(message, ClientText):
            self._pass_on(message, *found)
        elif found is not None:
            found[1].receive(message)

    def _pass_on(self, text: ClientText, call_id: CallId, sender: VertoLeg) -> None:
        """A text for the other client of a call. It changes nothing about the call, and a trunk takes none."""
        for leg in self._calls[call_id].verto_legs.values():
            if leg is not sender:
                leg.session.send_text(leg.verto_call_id, text)

    def client_arrived(self, session: ClientSession, *, is_mobile: bool, is_late: bool) -> None:
        """Ring it with what waits for its user."""
        self._lobby.arrived(session, is_mobile=is_mobile, is_late=is_late)

    def push_declined(self, session: ClientSession) -> None:
        """Its user declined the pushed call."""
        self._lobby.declined(session.identity.username)

    def has_called(self, session_id: SessionId) -> bool:
        """Whether a call that we made to that session is alive."""
        return any(owner == session_id and leg.was_called for (owner, _), (_, leg) in self._by_verto.items())

    def session_lost(self, session_id: SessionId) -> None:
        """End what that client has left behind."""
        for (owner, _), (_, leg) in list(self._by_verto.items()):
            if owner == session_id:
                leg.receive(SocketLost())

    def session_detached(self, session_id: SessionId) -> None:
        """That client's calls wait for it."""
        for (owner, _), (_, leg) in self._by_verto.items():
            if owner == session_id:
                leg.detach()

    def session_replaced(self, session: ClientSession) -> tuple[VertoCallId, ...]:
        """Calls of that session speak to this handle from now on; see `CallControl`."""
        kept = []
        for key, (call_id, leg) in list(self._by_verto.items()):
            if key[0] != session.session_id:
                continue
            if leg.come_back(session, VertoCallId(str(uuid.uuid4()))):
                kept.append(leg.verto_call_id)
            elif leg.verto_call_id != key[1]:
                self._rename(call_id, key, leg)
        return tuple(kept)

    def _rename(self, call_id: CallId, old: tuple[SessionId, VertoCallId], leg: VertoLeg) -> None:
        """A call that rings again goes by another id."""
        new = (old[0], leg.verto_call_id)
        entry = self._calls[call_id]
        del entry.verto_legs[old], self._by_verto[old]
        entry.verto_legs[new], self._by_verto[new] = leg, (call_id, leg)
        if entry.verto_call_id == old[1]:
            entry.verto_call_id = new[1]

    # ---- from the SIP side

    def incoming(self, call: IncomingCall) -> None:
        """A trunk calls."""
        refusal = self._refusal(None)
        if refusal is not None:
            call.reject(refusal.sip_status, refusal.sip_reason)
            self._log.warning("call_refused", cause=refusal.name, trunk=call.trunk)
            return
        if call.replaces is not None:
            self._replace(call, call.replaces)
            return
        runner = self._new_runner(Direction.INBOUND)
        leg_a = self._caller_leg(call, LegName.A, runner.door())
        caller = leg_a.party
        headers = crossing_headers(call.headers)
        entry = _Entry(runner, call.caller_number, call.request_user, None, None, None, {})
        self._begin(
            entry,
            Legs(
                leg_a,
                lambda: self._router.from_trunk(call.request_user, call.request_host),
                lambda route: self._leg_b(route, entry, caller=caller, headers=headers),
                self._desk,
            ),
        )

    def _replace(self, call: IncomingCall, replaced: SipCallId) -> None:
        """A trunk calls in order to take the place of a call that it has with us (RFC 3891)."""
        if not self._desk.replace(call, replaced, lambda name, door: self._caller_leg(call, name, door)):
            call.reject(CALL_REJECTED.sip_status, CALL_REJECTED.sip_reason)
            self._log.warning("call_refused", cause=CALL_REJECTED.name, trunk=call.trunk)

    def _caller_leg(self, call: IncomingCall, name: LegName, door: Door) -> CallerLeg:
        codecs = self._trunk_codecs(call.trunk)
        return CallerLeg(name, call, codecs=codecs, post=door, find_replaced=self._find_replaced)

    # ---- inside

    def _refusal(self, session_id: SessionId | None) -> Cause | None:
        if self._is_draining or self._group is None:
            return SYSTEM_SHUTDOWN
        if len(self._calls) >= self._settings.max_calls:
            return NORMAL_CIRCUIT_CONGESTION
        if session_id is not None:
            own = sum(owner == session_id for owner, _ in self._by_verto)
            if own >= self._settings.max_calls_per_session:
                return NORMAL_CIRCUIT_CONGESTION
        return None

    def _new_runner(self, direction: Direction) -> CallRunner:
        return CallRunner(
            CallId(str(uuid.uuid4())),
            direction,
            ring_timeout=self._settings.ring_timeout,
            hold=self._settings.hold,
            attach_timeout=self._attach_timeout,
            max_transfers=self._settings.max_transfers,
            engine=self._engine,
            emit=self._tell,
        )

    def _begin(self, entry: _Entry, legs: Legs) -> None:
        runner = entry.runner
        self._calls[runner.call_id] = entry
        self._empty.clear()
        for key, leg in entry.verto_legs.items():
            self._by_verto[key] = (runner.call_id, leg)
        self._tell(
            CallInitiated(
                call_id=runner.call_id,
                at=runner.started_at,
                direction=runner.direction,
                caller=entry.caller,
                callee=entry.callee,
                connection_id=entry.connection_id,
                session_id=entry.session_id,
                verto_call_id=entry.verto_call_id,
            )
        )
        assert self._group is not None
        self._group.create_task(self._live_call(entry, legs), name=f"call-{runner.call_id}")

    async def _live_call(self, entry: _Entry, legs: Legs) -> None:
        try:
            await entry.runner.run(legs)
        finally:
            self._calls.pop(entry.runner.call_id, None)
            for key in entry.verto_legs:
                self._by_verto.pop(key, None)
            if not self._calls:
                self._empty.set()

    def _leg_b(self, route: Route, entry: _Entry, *, caller: Party, headers: tuple[tuple[str, str], ...]) -> Leg:
        assert not isinstance(route, Refused)
        runner = entry.runner
        if isinstance(route, ToClient | ToUser) and runner.direction is Direction.OUTBOUND:
            runner.direction = Direction.INTERNAL
            self._tell(CallRouted(call_id=runner.call_id, at=utc_now()))
        leg = self.make_leg(
            LegName.B, route, call_id=runner.call_id, caller=caller, headers=headers, post=runner.door()
        )
        if isinstance(leg, VertoLeg):
            self._name(entry, leg)
        return leg

    # ---- for transfers (`transfer_desk.Calls`)

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
    ) -> Leg:
        """A leg that calls along that route, and shows `caller`."""
        if isinstance(route, ToTrunks):
            return TrunkLeg(
                name,
                route,
                invite=self._invite,
                from_uri=f"sip:{_uri_user(caller.number)}@{self._domain}",
                from_name=caller.name,
                headers=headers,
                post=post,
                find_replaced=self._find_replaced,
                replaces=replaces,
            )
        verto_call_id = VertoCallId(str(uuid.uuid4()))
        make = partial(self._client_leg, name, verto_call_id, call_id=call_id, caller=caller, headers=headers)
        if isinstance(route, ToUser):
            return self._lobby.fork(
                name,
                route,
                verto_call_id,
                caller=caller,
                codecs=self._settings.browser_codecs,
                make_branch=make,
                post=post,
                on_over=partial(self._settle, call_id),
            )
        return make(route.session, post)

    def _client_leg(
        self,
        name: LegName,
        verto_call_id: VertoCallId,
        session: ClientSession,
        post: Post,
        *,
        call_id: CallId,
        caller: Party,
        headers: tuple[tuple[str, str], ...],
    ) -> VertoLeg:
        """A leg that calls one client."""
        callee = session.identity.username
        leg = VertoLeg(
            name,
            session,
            verto_call_id,
            offer=None,
            codecs=self._settings.browser_codecs,
            caller=caller,
            callee=Party(name=callee, number=callee),
            ids=_new_ids(call_id),
            headers=headers,
            post=post,
        )
        self._index(call_id, leg)
        return leg

    def _settle(self, call_id: CallId, fork: Fork, winner: VertoLeg | None, losers: tuple[VertoLeg, ...]) -> None:
        """Of several clients that rang one has answered, or none."""
        entry = self._calls.get(call_id)
        if entry is None:
            return
        for loser in losers:
            self.let_go(entry.runner, loser)
        if winner is not None:
            entry.runner.swap(fork, winner)
            self._name(entry, winner)

    def _name(self, entry: _Entry, leg: VertoLeg) -> None:
        """A call that no client made is shown with the client that it came to."""
        if entry.session_id is None:
            entry.session_id, entry.verto_call_id = leg.session.session_id, leg.verto_call_id
            entry.connection_id = leg.session.identity.connection_id

    def _index(self, call_id: CallId, leg: VertoLeg) -> None:
        key = (leg.session.session_id, leg.verto_call_id)
        self._calls[call_id].verto_legs[key] = leg
        self._by_verto[key] = (call_id, leg)

    def runner_of(self, call_id: CallId) -> CallRunner | None:
        """A live call."""
        entry = self._calls.get(call_id)
        return None if entry is None else entry.runner

    def runner_of_verto(self, session_id: SessionId, verto_call_id: VertoCallId) -> tuple[CallRunner, LegName] | None:
        """The call of a client, and where it is in it."""
        found = self._by_verto.get((session_id, verto_call_id))
        if found is None or (runner := self.runner_of(found[0])) is None:
            return None
        name = runner.find_leg(lambda leg: leg is found[1])
        return None if name is None else (runner, name)

    def runner_of_sip(self, sip_call_id: SipCallId) -> tuple[CallRunner, LegName] | None:
        """The call with that dialog, and where it is in it."""
        for entry in self._calls.values():
            name = entry.runner.find_leg(lambda leg: leg.sip_call_id == sip_call_id)
            if name is not None:
                return entry.runner, name
        return None

    def take_over(self, runner: CallRunner, leg: Leg) -> None:
        """A leg of another call belongs to that one from now on."""
        if isinstance(leg, VertoLeg):
            for entry in self._calls.values():
                entry.verto_legs.pop((leg.session.session_id, leg.verto_call_id), None)
            self._index(runner.call_id, leg)

    def let_go(self, runner: CallRunner, leg: Leg) -> None:
        """A leg belongs to that call no longer."""
        entry = self._calls.get(runner.call_id)
        if isinstance(leg, VertoLeg) and entry is not None:
            key = (leg.session.session_id, leg.verto_call_id)
            entry.verto_legs.pop(key, None)
            self._by_verto.pop(key, None)

    def seat(self, runner: CallRunner, name: LegName, leg: Leg) -> None:
        """Somebody else is on that side of the call."""
        entry = self._calls[runner.call_id]
        if name is LegName.A:
            entry.caller = leg.party.number
        else:
            entry.callee = leg.party.number

    def _tell(self, fact: Fact) -> None:
        for listener in list(self._listeners):
            listener(fact)


def _new_ids(call_id: CallId) -> TelnyxIds:
    return TelnyxIds(session_id=str(call_id), leg_id=str(uuid.uuid4()))


def _uri_user(number: str) -> str:
    """A user part that needs no escape; anything else is anonymous (RFC 3261 section 25.1 `user`)."""
    return number if re.fullmatch(r"[A-Za-z0-9+_.!~*'()&=$,/-]{1,128}", number) else "anonymous"


def _snapshot(call_id: CallId, entry: _Entry) -> CallSnapshot:
    runner = entry.runner
    stats = runner.stats()
    codecs = {leg: stats[leg].codec if leg in stats else "" for leg in LegName}
    return CallSnapshot(
        call_id=call_id,
        direction=runner.direction,
        caller=entry.caller,
        callee=entry.callee,
        state="held" if runner.is_held and runner.state is State.ACTIVE else runner.state.value,
        started_at=runner.started_at,
        answered_at=runner.answered_at,
        codec_a=codecs[LegName.A],
        codec_b=codecs[LegName.B],
        is_held=runner.is_held,
        connection_id=entry.connection_id,
        session_id=entry.session_id,
        verto_call_id=entry.verto_call_id,
        sip_call_id=runner.sip_call_id,
        trunk=runner.trunk,
        stats={leg.value: figures for leg, figures in stats.items()},
        transfers=runner.transfers,
        client_state=entry.client_state,
    )


__all__ = ["CallDirectory", "CallSnapshot", "Listener", "Routes"]
