"""One WebSocket: a task that reads, a task that writes, one timer; between them the pure `VertoSession`."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final, Protocol

import structlog
from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from gateway.domain.ids import SessionId
from gateway.observability.logging import get_logger
from gateway.observability.metrics import (
    VERTO_FRAMES_REFUSED,
    VERTO_REQUESTS,
    VERTO_SOCKETS_CLOSED,
    closed,
)
from gateway.vsp import frame_log
from gateway.vsp.channels import Channels
from gateway.vsp.client import REVOKED, VertoClient
from gateway.vsp.control import CallControl, ClientTransfer
from gateway.vsp.core.calls import CallMessaged, CallRequested
from gateway.vsp.core.channels import BroadcastRequested, ChannelsSubscribed, ChannelsUnsubscribed
from gateway.vsp.core.errors import CALL_ERROR
from gateway.vsp.core.messages import METHODS, LoginRequest
from gateway.vsp.core.session import (
    INTERNAL_ERROR,
    CallsWanted,
    CloseRequested,
    DebugReported,
    DownloadRequested,
    Event,
    FrameRefused,
    LoginRequested,
    PushDisableRequested,
    VertoSession,
)
from gateway.vsp.core.speed_test import download
from gateway.vsp.observer import Observer, PassingFrame, nobody
from gateway.vsp.outbox import Close, Item, Outbox, Pong
from gateway.vsp.reports import ReportIntake
from gateway.vsp.settings import VspSettings

_METHOD_LABELS: Final = frozenset(METHODS) | {"debug_report"}

_END: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)

_log = get_logger()


class Transport(Protocol):
    """What of a TCP transport is needed: the way out when a client does not even read our close frame."""

    def abort(self) -> None: ...


class VertoSocket:
    """Pumps text between a WebSocket and its session, and acts on the session's events.

    `client` is None until the server has accepted a login.
    """

    def __init__(
        self,
        websocket: web.WebSocketResponse,
        transport: Transport,
        core: VertoSession,
        settings: VspSettings,
        *,
        peer: str,
        last_voice_sdk_id: str = "",
        control: CallControl,
        reports: ReportIntake,
        channels: Channels,
        check_login: Callable[["VertoSocket", LoginRequest], Coroutine[None, None, None]],
        disable_push: Callable[["VertoSocket", VertoClient, PushDisableRequested], Coroutine[None, None, None]],
        observe: Observer = nobody,
    ) -> None:
        """
        Args:
            observe: told of every frame once the client is logged in.
            last_voice_sdk_id: what the client was given on its last socket, or says so.
            check_login, disable_push: the server's; they may take their time.
        """
        self.core, self.peer, self.last_voice_sdk_id = core, peer, last_voice_sdk_id
        self.peer_port: int | None = None
        """Where the connection itself comes from; behind a proxy, the proxy's."""
        self.local: tuple[str, int] = ("", 0)
        """Our own end of it."""
        self.client: VertoClient | None = None
        self.closed_by = "client"
        self.on_message: Callable[[], None] = lambda: None
        """Told when a frame has left the buffers of the transport."""
        self._websocket, self._transport, self._settings = websocket, transport, settings
        self._control, self._reports, self._check_login = control, reports, check_login
        self._channels, self._disable_push, self._observe = channels, disable_push, observe
        self._outbox = Outbox(max_frames=settings.max_frames_queued, max_bytes=settings.max_bytes_queued)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._group: asyncio.TaskGroup | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._refused_frames = 0
        self._bound: SessionId | None = None

    async def run(self) -> None:
        """Serve the socket until it is closed, by whichever side. Raises nothing but cancellation."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._write(), name="verto-writer")
                self._arm()
                try:
                    await self._read()
                finally:
                    self._stop_working()
        finally:
            self._stop_working()
            if self._refused_frames > 1:
                _log.warning("frames_refused", count=self._refused_frames, peer=self.peer)
            VERTO_SOCKETS_CLOSED.labels(reason=self.closed_by).inc()

    def step(self, move: Callable[[], list[Event]]) -> None:
        """Feed the session by `move`, send what it has queued, act on its events.

        A defect of ours in there costs this client its socket, once with the traceback in the log; the others go on.
        """
        try:
            events = move()
            self.flush()
            for event in events:
                self._act_on(event)
            self._arm()
        except Exception:
            _log.exception("session_crashed", peer=self.peer)
            self.close(INTERNAL_ERROR, "error")

    def ask(self) -> None:
        """See whether the client is still there."""
        self.step(lambda: self.core.ask(self._loop.time()))

    def flush(self) -> None:
        """Put the session's frames on their way; a client that lets too many pile up is dropped."""
        for frame in self.core.frames_to_send():
            if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
                _log.debug("verto_frame_sent", peer=self.peer, frame=frame_log.masked_frame(frame))
            self._saw(frame, is_inbound=False)
            self._put(frame)
        for method, result in self.core.outcomes():
            VERTO_REQUESTS.labels(method=closed(method, _METHOD_LABELS), result=result).inc()

    def close(self, code: int, reason: str) -> None:
        """Close the socket once what is queued has been sent."""
        if self.closed_by == "client":
            self.closed_by = reason
        self.core.close()
        self._put(Close(code, reason))
        self._arm()

    def abort(self, reason: str) -> None:
        """Drop the connection without another word."""
        if self.closed_by == "client":
            self.closed_by = reason
        self.core.close()
        self._outbox.end()
        self._transport.abort()

    # ---- reading

    async def _read(self) -> None:
        while (message := await self._websocket.receive()).type not in _END:
            self.on_message()
            self._bind()
            self.step(partial(self._receive, message))
        if message.type is WSMsgType.ERROR and self.closed_by == "client":
            is_too_large = isinstance(message.data, WebSocketError) and message.data.code == WSCloseCode.MESSAGE_TOO_BIG
            self.closed_by = "too_large" if is_too_large else "protocol"
            self._note_refused(self.closed_by, str(message.data))

    def _receive(self, message: WSMessage) -> list[Event]:
        now = self._loop.time()
        match message.type:
            case WSMsgType.TEXT:
                if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
                    _log.debug("verto_frame_received", peer=self.peer, frame=frame_log.masked_frame(message.data))
                self._saw(message.data, is_inbound=True)
                return self.core.receive(message.data, now=now)
            case WSMsgType.PING:
                self._put(Pong(bytes(message.data)))
            case WSMsgType.BINARY:
                VERTO_FRAMES_REFUSED.labels(reason="binary").inc()
        return self.core.receive_other(now=now)

    def _saw(self, text: str, *, is_inbound: bool) -> None:
        if (client := self.client) is not None:
            remote = (self.peer, self.peer_port or 0)
            username = client.identity.username
            self._observe(PassingFrame(is_inbound, client.session_id, username, text, self.local, remote))

    def _bind(self) -> None:
        """From its login on, lines of this task and of the calls begun in it name the session."""
        if self.client is not None and self._bound is None:
            self._bound = self.client.session_id
            structlog.contextvars.bind_contextvars(session_id=self._bound)

    # ---- acting

    def _act_on(self, event: Event) -> None:
        match event:
            case LoginRequested(login):
                self._start(self._check_login(self, login), name="verto-login")
            case PushDisableRequested():
                self._start(self._disable_push(self, self._logged_in(), event), name="verto-push")
            case ChannelsSubscribed() | ChannelsUnsubscribed() | BroadcastRequested():
                self._channels.take(self._logged_in(), event)
            case CallRequested() | CallMessaged() | CallsWanted():
                self._tell_control(self._logged_in(), event)
            case DownloadRequested(size):
                self._start(self._download(size), name="verto-speed-test")
            case DebugReported(kind, report_id, call_id, text):
                session_id = self._logged_in().session_id
                self._reports.debug_frame(session_id, kind=kind, report_id=report_id, call_id=call_id, text=text)
            case FrameRefused(reason, message):
                self._note_refused(reason, message)
            case CloseRequested(code, reason):
                self.close(code, reason)

    def _tell_control(self, client: VertoClient, event: CallRequested | CallMessaged | CallsWanted) -> None:
        match event:
            case CallRequested(invite) if client.is_ended:
                client.send_bye(
                    invite.verto_call_id, cause=REVOKED, sip_code=REVOKED.sip_status, sip_reason=REVOKED.sip_reason
                )
            case CallRequested(invite):
                self._control.call_requested(client, invite)
            case CallMessaged(_, ClientTransfer(request_id)) if client.is_ended:
                client.reply_error(request_id, code=CALL_ERROR, message="not registered any more")
            case CallMessaged(verto_call_id, message):
                self._control.client_message(client.session_id, verto_call_id, message)
            case CallsWanted(ref):
                self.core.answer_calls_wanted(ref, is_there=self._control.has_called(client.session_id))
                self.flush()

    def _logged_in(self) -> VertoClient:
        assert self.client is not None, "only a session that is logged in has calls"
        return self.client

    def _note_refused(self, reason: str, message: str) -> None:
        """One line for the first refused frame of a socket, one with their number at its end."""
        VERTO_FRAMES_REFUSED.labels(reason=reason).inc()
        self._refused_frames += 1
        if self._refused_frames == 1:
            _log.warning("frame_refused", peer=self.peer, error_code=reason, detail=message)

    def _start(self, work: Coroutine[None, None, None], *, name: str) -> None:
        assert self._group is not None
        task = self._group.create_task(work, name=name)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _download(self, size: int) -> None:
        """The second half of a speed test, beside the messages, at the pace at which the client reads."""
        begin = self._loop.time()
        for frame in download(size):
            if not await self._send(frame):
                return
        self._put(f"#SPD {round((self._loop.time() - begin) * 1000)}")
        self.core.finish_speed_test()

    def _stop_working(self) -> None:
        """The end of the socket: nothing of it may stay behind."""
        self.core.close()
        self._outbox.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._jobs:
            task.cancel()

    # ---- the timer

    def _arm(self) -> None:
        """Have the timer go off at the session's deadline. One that is set too early stays: it is set again then."""
        deadline = self.core.next_deadline()
        if self._timer is not None and (deadline is None or self._timer.when() > deadline):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.step(lambda: self.core.handle_timeout(self._loop.time()))

    # ---- writing

    def _put(self, item: Item) -> None:
        if not self._outbox.put(item):
            _log.warning("client_too_slow", peer=self.peer)
            self.abort("slow")

    async def _write(self) -> None:
        while (item := await self._outbox.get()) is not None:
            if isinstance(item, Close):
                await self._websocket.close(code=item.code, message=item.reason.encode())
                return
            if not await self._send(item):
                return

    async def _send(self, item: str | Pong) -> bool:
        """Send one frame; False when the client is gone or does not read."""
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                if isinstance(item, str):
                    await self._websocket.send_str(item)
                else:
                    await self._websocket.pong(item.data)
        except TimeoutError:
            _log.warning("client_too_slow", peer=self.peer)
            self.abort("slow")
            return False
        except (ConnectionError, RuntimeError):  # RuntimeError: closed between our look and the write
            return False
        return True
