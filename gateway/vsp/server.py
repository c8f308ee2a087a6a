"""Accepts WebSockets, has logins checked, keeps the registry and call control informed."""

import asyncio
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId, VertoCallId, VoiceSdkId
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.observability.metrics import VERTO_SOCKETS, VERTO_SOCKETS_REFUSED
from gateway.vsp.channels import Channels
from gateway.vsp.client import VertoClient
from gateway.vsp.control import CallControl
from gateway.vsp.core.calls import CallTable
from gateway.vsp.core.messages import AnonymousLogin, Login, LoginRequest
from gateway.vsp.core.platforms import is_mobile as is_mobile_sdk
from gateway.vsp.core.platforms import login_error
from gateway.vsp.core.push import PushOptions
from gateway.vsp.core.session import (
    GOING_AWAY,
    MESSAGE_TOO_BIG,
    CloseRequested,
    Event,
    PushDisableRequested,
    VertoSession,
)
from gateway.vsp.devices import DISABLED, DeviceDesk, DeviceStore
from gateway.vsp.endings import Endings
from gateway.vsp.login import BUSY, Authenticate, LoginAttempt
from gateway.vsp.observer import Observer, nobody
from gateway.vsp.receiving import Reason, Receiving
from gateway.vsp.registry import SessionRegistry
from gateway.vsp.reports import NoReports, ReportIntake
from gateway.vsp.settings import VspSettings
from gateway.vsp.visitors import admit
from gateway.vsp.websocket import VertoSocket

TRY_AGAIN_LATER: Final = 1013

MAX_CHECKS: Final = 3
"""How often a login is checked whose account keeps being changed meanwhile."""

_log = get_logger()


class VertoServer:
    """The WebSocket endpoint. `handle` is an aiohttp handler for any path; the query is not looked at (V-1, V-9)."""

    def __init__(
        self,
        settings: VspSettings,
        *,
        authenticate: Authenticate,
        control: CallControl,
        registry: SessionRegistry,
        reports: ReportIntake | None = None,
        devices: DeviceStore | None = None,
        clock: Callable[[], datetime] = utc_now,
        new_session_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        observe: Observer = nobody,
    ) -> None:
        """
        Args:
            authenticate: checks a login; may take its time, may be cancelled when the socket goes.
            reports: takes call reports and debug frames; without it there are none.
            devices: keeps what pushes could wake up; without it nothing is kept.
            new_session_id: makes ids that cannot be guessed.
            observe: told of every frame of clients that are logged in.
        """
        self._settings, self._authenticate, self._control, self._registry = settings, authenticate, control, registry
        self._reports = reports if reports is not None else NoReports()
        self._clock, self._new_session_id, self._observe = clock, new_session_id, observe
        self._devices = None if devices is None else DeviceDesk(devices, authenticate, clock)
        self._sockets: dict[VertoSocket, None] = {}
        self._by_peer: Counter[str] = Counter()
        self.endings = Endings(
            registry,
            control,
            keeps_calls=settings.revoked_calls == "keep",
            end_lost=self._end_lost,
            clock=clock,
        )
        self._channels = Channels()
        self._receiving = Receiving(settings.max_bytes_receiving)
        self._open, self._logged_in = 0, 0
        self._lost: dict[SessionId, asyncio.TimerHandle] = {}
        self._is_stopping = False
        self._none_left = asyncio.Event()
        self._none_left.set()

    @property
    def sockets(self) -> int:
        """Open WebSockets, logged in or not."""
        return len(self._sockets)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket until it ends. No subprotocol is selected: a browser would fail the connection."""
        peer = request.remote or "unknown"
        refusal = self._refusal(peer)
        if refusal is not None:
            VERTO_SOCKETS_REFUSED.labels(reason=refusal).inc()
            _log.warning("socket_refused", peer=peer, error_code=refusal)
            return web.Response(status=503, text="no more connections at the moment\n", headers={"Retry-After": "10"})
        self._by_peer[peer] += 1
        self._open += 1
        self._none_left.clear()
        VERTO_SOCKETS.inc()
        try:
            return await self._serve(request, peer)
        finally:
            VERTO_SOCKETS.dec()
            self._open -= 1
            self._by_peer -= Counter({peer: 1})  # drops what has come to zero
            if self._open == 0:
                self._none_left.set()

    async def stop(self) -> None:
        """Take no new sockets, close the open ones with 1001, return when none is left. Calls must be over by now."""
        self._is_stopping = True
        for socket in list(self._sockets):
            socket.close(GOING_AWAY, "shutdown")
        try:
            async with asyncio.timeout(self._settings.close_timeout + 1.0):
                await self._none_left.wait()
        except TimeoutError:
            for socket in list(self._sockets):
                socket.abort("shutdown")
            await self._none_left.wait()
        for session_id in list(self._lost):
            self._expire(session_id)

    # ---- sockets

    def _refusal(self, peer: str) -> str | None:
        if self._is_stopping:
            return "stopping"
        if self._open >= self._settings.max_sockets:
            return "total"
        if self._by_peer[peer] >= self._settings.max_sockets_per_address:
            return "address"
        return "without_login" if self._open - self._logged_in >= self._settings.max_sockets_without_login else None

    async def _serve(self, request: web.Request, peer: str) -> web.StreamResponse:
        websocket = web.WebSocketResponse(
            timeout=self._settings.close_timeout,
            autoping=False,  # a ping counts against the rate, and as a sign of life
            compress=False,
            max_msg_size=self._settings.max_message_size + 1,  # aiohttp refuses a message of this size
        )
        await websocket.prepare(request)
        transport = request.transport
        if transport is None:
            return websocket
        await self.attend(websocket, transport, peer=peer, last_voice_sdk_id=request.query.get("voice_sdk_id", ""))
        return websocket

    async def attend(
        self, websocket: web.WebSocketResponse, transport: asyncio.Transport, *, peer: str, last_voice_sdk_id: str
    ) -> None:
        """Serve a WebSocket that has been accepted, until it ends; then keep its session or end it.

        Args:
            last_voice_sdk_id: what its client was given on an earlier socket, or says so.
        """
        socket = self._new_socket(websocket, transport, peer, last_voice_sdk_id)
        name = transport.get_extra_info("peername")
        socket.peer_port = name[1] if isinstance(name, tuple) else None
        name = transport.get_extra_info("sockname")
        socket.local = (name[0], name[1]) if isinstance(name, tuple) else ("", 0)
        self._sockets[socket] = None

        def on_excess(reason: Reason) -> None:
            socket.close(MESSAGE_TOO_BIG if reason == "too_large" else TRY_AGAIN_LATER, reason)

        try:
            with self._receiving.metered(transport, limit=lambda: socket.core.size_limit, on_excess=on_excess) as meter:
                socket.on_message = meter.message_taken
                if self._is_stopping:
                    socket.close(GOING_AWAY, "shutdown")
                await socket.run()
        finally:
            del self._sockets[socket]
            self._lose(socket)

    def _new_socket(
        self, websocket: web.WebSocketResponse, transport: asyncio.Transport, peer: str, last_voice_sdk_id: str
    ) -> VertoSocket:
        def has_call(verto_call_id: VertoCallId) -> bool:
            session_id = core.session_id
            return session_id is not None and self._control.has_call(session_id, verto_call_id)

        core = VertoSession(
            self._settings,
            voice_sdk_id=VoiceSdkId("VSDK1" + secrets.token_urlsafe(24)),
            now=asyncio.get_running_loop().time(),
            has_call=has_call,
        )
        return VertoSocket(
            websocket,
            transport,
            core,
            self._settings,
            peer=peer,
            last_voice_sdk_id=last_voice_sdk_id,
            control=self._control,
            reports=self._reports,
            channels=self._channels,
            check_login=self._check_login,
            disable_push=self._disable_push,
            observe=self._observe,
        )

    def _lose(self, socket: VertoSocket) -> None:
        """A socket has ended: keep its session for the reattach window, or end it now."""
        client = socket.client
        if client is None:
            _log.debug("socket_closed", peer=socket.peer, reason=socket.closed_by)
            return
        self._logged_in -= 1
        self._channels.forget(client)
        self.endings.forget(client)
        duration = (self._clock() - client.logged_in_at).total_seconds()
        _log.info(
            "session_closed",
            session_id=client.session_id,
            peer=socket.peer,
            reason=socket.closed_by,
            duration_s=round(duration, 3),
        )
        self._reports.socket_over(client.session_id)
        if self._settings.reattach_window <= 0 or self._is_stopping or client.is_ended:
            if self._registry.remove(client):
                self._control.session_lost(client.session_id)
                self._reports.session_over(client.session_id)
        elif self._registry.disconnect(client):
            self._keep(client.session_id)

    def _keep(self, session_id: SessionId) -> None:
        """A session without a socket waits for its client, but not for ever, and not in any number."""
        if len(self._lost) >= self._settings.max_detached_sessions:
            self._expire(next(iter(self._lost)))
        loop = asyncio.get_running_loop()
        expires = loop.time() + self._settings.reattach_window
        self._lost[session_id] = loop.call_at(expires, self._expire, session_id)
        self._control.session_detached(session_id)

    def _expire(self, session_id: SessionId) -> None:
        """A session's time without a socket is over."""
        self._lost.pop(session_id).cancel()
        self._registry.forget(session_id)
        self._control.session_lost(session_id)
        self._reports.session_over(session_id)

    def _end_lost(self, session_id: SessionId) -> bool:
        if session_id not in self._lost:
            return False
        self._expire(session_id)
        return True

    # ---- logins

    async def _check_login(self, socket: VertoSocket, login: LoginRequest) -> None:
        if isinstance(login, AnonymousLogin):
            outcome = admit(login, self._settings, visitors=self._registry.visitors, peer=socket.peer)
        else:
            outcome = await self._check_while_nothing_ends(socket, login)
        if isinstance(outcome, Identity):
            identity = outcome
            socket.step(lambda: self._accept(socket, login, identity))
        else:
            refusal = outcome
            socket.step(lambda: self._refuse(socket, login, refusal))

    async def _check_while_nothing_ends(self, socket: VertoSocket, login: Login) -> Identity | Refusal:
        """Check a login so that what it was checked against is still so when it is accepted, right behind this.

        A credential that goes while its password is being hashed would else leave a client that nobody ends.
        """
        for _ in range(MAX_CHECKS):
            with self.endings.noted() as endings:
                outcome = await self._check_credentials(socket, login)
                if isinstance(outcome, Identity) and self._devices is not None:
                    await self._devices.register(login, outcome)
            if isinstance(outcome, Refusal) or not any(one.concerns(outcome) for one in endings):
                return outcome
        return Refusal("busy", "the account is being changed")

    async def _check_credentials(self, socket: VertoSocket, login: Login) -> Identity | Refusal:
        attempt = LoginAttempt(username=login.username, password=login.password, token=login.token, peer=socket.peer)
        try:
            async with asyncio.timeout(self._settings.authentication_timeout):
                return await self._authenticate(attempt)
        except TimeoutError:
            _log.error("login_not_checked", peer=socket.peer, error_code="timeout")
            return Refusal("busy", "the login could not be checked in time")
        except Exception:
            # Our defect or the database's: this client is told to try again, the others go on.
            _log.exception("login_not_checked", peer=socket.peer, error_code="crash")
            return Refusal("busy", "the login could not be checked")

    async def _disable_push(self, socket: VertoSocket, client: VertoClient, event: PushDisableRequested) -> None:
        problem: str | None = "this gateway keeps no devices"
        if self._devices is not None:
            problem = await self._devices.disable(event.request, client.identity, peer=socket.peer)
        if problem is None:
            socket.core.answer(event.ref, {"message": DISABLED})
        else:
            socket.core.answer_error(event.ref, problem)
        socket.flush()

    def _refuse(self, socket: VertoSocket, login: LoginRequest, refusal: Refusal) -> list[Event]:
        is_token_refused = isinstance(login, Login) and not login.has_credentials and refusal.code != BUSY
        code = login_error(login.user_agent, is_token_refused=is_token_refused)
        events = socket.core.refuse_login(refusal.message, now=asyncio.get_running_loop().time(), code=code)
        if refusal.code == BUSY and socket.client is None:
            # The SDK takes the error for final, but when the socket closes it comes back and logs in again.
            return [CloseRequested(TRY_AGAIN_LATER, "busy")]
        return events

    def _accept(self, socket: VertoSocket, login: LoginRequest, identity: Identity) -> list[Event]:
        if not socket.core.is_open:
            return []
        now = asyncio.get_running_loop().time()
        lifetime = None
        if identity.token_expires_at is not None:
            lifetime = identity.token_expires_at - self._clock().timestamp()
        if socket.client is not None:
            return self._renew(socket, socket.client, login, identity, lifetime)
        old = self._registry.reclaimed(login, identity, socket.last_voice_sdk_id)
        if old is None and (problem := self._too_many(identity)) is not None:
            _log.warning("session_refused", username=identity.username, peer=socket.peer, error_code=problem.code)
            return socket.core.refuse_login(problem.message, now=now)
        session_id = SessionId(self._new_session_id()) if old is None else old.session_id
        socket.client = VertoClient(
            socket.core,
            session_id=session_id,
            identity=identity,
            peer=socket.peer,
            peer_port=socket.peer_port,
            user_agent=login.user_agent,
            logged_in_at=self._clock(),
            presented_id=login.session_id,
            user_variables=login.user_variables,
            push=login.push if isinstance(login, Login) else PushOptions(),
            flush=socket.flush,
            close=socket.close,
            ask=socket.ask,
        )
        lost, reattached = (None, ()) if old is None else self._take_over(old, socket.client)
        if old is not None:
            socket.core.registration.state = old.registration_state  # what the lab has set lasts until it sets REGED
        self._registry.add(socket.client)
        self._logged_in += 1
        _log.info(
            "session_opened" if old is None else "session_taken_over",
            session_id=session_id,
            username=identity.username,
            peer=socket.peer,
            user_agent=login.user_agent,
        )
        events = socket.core.accept_login(
            session_id,
            now=now,
            token_lifetime=lifetime,
            call_report_id=self._reports.issue(session_id, identity),
            lost=lost,
            reattached=reattached,
        )
        if isinstance(login, Login):
            self._announce(socket.client, login)
        return events

    def _too_many(self, identity: Identity) -> Refusal | None:
        """Why one more session of that user may not be. None of those that are there has to go for it."""
        if identity.is_visitor:
            return None  # counted by themselves
        of_user, of_connection = self._registry.count(identity)
        if of_user >= self._settings.max_sessions_per_user:
            return Refusal("too_many_sessions", "too many sessions of this user; end one first")
        if of_connection >= self._settings.max_sessions_per_connection:
            return Refusal("too_many_sessions", "too many sessions of this connection; end one first")
        return None

    def _announce(self, client: VertoClient, login: Login) -> None:
        """Have a new client rung with what waits for its user; its login has been answered."""
        if login.push.is_declined:
            self._control.push_declined(client)
        else:
            is_mobile = is_mobile_sdk(login.user_agent)
            self._control.client_arrived(client, is_mobile=is_mobile, is_late=login.push.is_late)

    def _renew(
        self,
        socket: VertoSocket,
        client: VertoClient,
        login: LoginRequest,
        identity: Identity,
        lifetime: float | None,
    ) -> list[Event]:
        """A login on a live socket, as after a token refresh: same session, calls untouched (V-44)."""
        now = asyncio.get_running_loop().time()
        if identity.connection_id != client.identity.connection_id:
            return socket.core.refuse_login("this socket is logged in to another connection; disconnect first", now=now)
        self._registry.renew(client, identity)
        client.come_back()
        if isinstance(login, Login):
            client.user_variables, client.push = login.user_variables, login.push
        _log.info("session_renewed", session_id=client.session_id, username=identity.username, peer=socket.peer)
        report_id = self._reports.issue(client.session_id, identity)
        return socket.core.accept_login(client.session_id, now=now, token_lifetime=lifetime, call_report_id=report_id)

    def _take_over(self, old: VertoClient, new: VertoClient) -> tuple[CallTable, Sequence[VertoCallId]]:
        """The user's new socket gets the session and its calls, also from one that looks open (V-117)."""
        if (timer := self._lost.pop(old.session_id, None)) is not None:
            timer.cancel()
        calls = old.replace()
        self._registry.remove(old)
        return calls, self._control.session_replaced(new)
