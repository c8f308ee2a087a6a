"""A Verto server on loopback behind the real listeners, and a client that speaks over a real socket."""

import asyncio
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId, VertoCallId
from gateway.http.listeners import HttpServer
from gateway.http.settings import HttpSettings
from gateway.vsp.control import ClientMessage, ClientSession, Invite
from gateway.vsp.login import LoginAttempt
from gateway.vsp.registry import SessionRegistry
from gateway.vsp.server import VertoServer
from gateway.vsp.settings import VspSettings
from tests.unit.vsp.conversation import Message

PASSWORDS = {"alice": ("right", "1"), "bob": ("right", "1"), "eve": ("right", "2")}
"""Password and connection of each user."""


async def check(attempt: LoginAttempt) -> Identity | Refusal:
    """`alice` logs in with `right`, or with the token `jwt-alice`; likewise the others."""
    username = attempt.username or (attempt.token or "").removeprefix("jwt-")
    password, connection_id = PASSWORDS.get(username, (None, ""))
    if password is None or (attempt.username and attempt.password != password):
        return Refusal("bad_credentials", "wrong user name or password")
    return Identity(connection_id=connection_id, credential_id=None, username=username)


@dataclass
class RecordingControl:
    """Call control that only keeps what it is told."""

    calls: list[tuple[ClientSession, Invite]] = field(default_factory=list)
    messages: list[tuple[SessionId, VertoCallId, ClientMessage]] = field(default_factory=list)
    lost: list[SessionId] = field(default_factory=list)
    arrived: list[tuple[SessionId, bool, bool]] = field(default_factory=list)
    declined: list[SessionId] = field(default_factory=list)
    called: set[SessionId] = field(default_factory=set)
    detached: list[SessionId] = field(default_factory=list)
    replaced: list[ClientSession] = field(default_factory=list)
    kept: list[VertoCallId] = field(default_factory=list)
    on_call: Callable[[ClientSession, Invite], None] = lambda _session, _invite: None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def has_call(self, session_id: SessionId, verto_call_id: VertoCallId) -> bool:
        """None is left after its bye."""
        return False

    def call_requested(self, session: ClientSession, invite: Invite) -> None:
        """Keep it, then do what the test wants."""
        self.calls.append((session, invite))
        self.changed.set()
        self.on_call(session, invite)

    def client_message(self, session_id: SessionId, verto_call_id: VertoCallId, message: ClientMessage) -> None:
        """Keep it."""
        self.messages.append((session_id, verto_call_id, message))
        self.changed.set()

    def session_detached(self, session_id: SessionId) -> None:
        """Keep it."""
        self.detached.append(session_id)
        self.changed.set()

    def client_arrived(self, session: ClientSession, *, is_mobile: bool, is_late: bool) -> None:
        """Keep it."""
        self.arrived.append((session.session_id, is_mobile, is_late))

    def push_declined(self, session: ClientSession) -> None:
        """Keep it."""
        self.declined.append(session.session_id)

    def has_called(self, session_id: SessionId) -> bool:
        """As the test wants it."""
        return session_id in self.called

    def session_lost(self, session_id: SessionId) -> None:
        """Keep it."""
        self.lost.append(session_id)
        self.changed.set()

    def session_replaced(self, session: ClientSession) -> Sequence[VertoCallId]:
        """Keep it; the client keeps what the test says."""
        self.replaced.append(session)
        self.changed.set()
        return self.kept

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Return once it holds; looked at whenever something was told."""
        while not is_true():
            self.changed.clear()
            await self.changed.wait()


class Client:
    """One WebSocket of a client."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self._ids = itertools.count(1)

    async def say(self, method: str, params: object = None) -> str:
        """Send a request; returns its id."""
        request_id = f"c{next(self._ids)}"
        await self.say_text(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}))
        return request_id

    async def say_text(self, text: str) -> None:
        """Send any text."""
        await self.websocket.send_str(text)

    async def hear(self) -> Message:
        """The next message."""
        message: Message = json.loads(await self.websocket.receive_str(timeout=10))
        return message

    async def ask(self, method: str, params: object = None) -> Message:
        """Send a request and wait for its answer; what comes before it is dropped."""
        request_id = await self.say(method, params)
        while (message := await self.hear()).get("id") != request_id:
            pass
        return message

    async def log_in(self, username: str = "alice", password: str = "right", **members: object) -> Message:
        """Log in; returns the answer. After a good one clientReady is taken off as well."""
        answer = await self.ask("login", {"login": username, "passwd": password, **members})
        if "result" in answer:
            while (await self.hear()).get("method") != "telnyx_rtc.clientReady":
                pass
        return answer

    async def closed(self) -> int | None:
        """Read until the server closes; returns its code."""
        while (message := await self.websocket.receive(timeout=10)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
        return self.websocket.close_code


@dataclass
class Running:
    """A running server with everything around it."""

    urls: list[str]
    http: HttpServer
    verto: VertoServer
    registry: SessionRegistry
    control: RecordingControl
    web: aiohttp.ClientSession
    trust: ssl.SSLContext

    @asynccontextmanager
    async def connect(self, path: str = "/", *, url: int = 0, **options: Any) -> AsyncIterator[Client]:
        """A WebSocket to one of the listeners."""
        async with self.web.ws_connect(self.urls[url] + path, ssl=self.trust, max_msg_size=0, **options) as websocket:
            yield Client(websocket)


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    authenticate: Callable[[LoginAttempt], Any] = check,
    listen: tuple[str, ...] = ("http://127.0.0.1:0",),
    **settings: Any,
) -> AsyncIterator[Running]:
    """Start a server with these `VspSettings`; stop it cleanly. A lost socket ends its session, unless one says so."""
    settings = {"reattach_window": 0.0, **settings}
    control, registry = RecordingControl(), SessionRegistry()
    verto = VertoServer(VspSettings(**settings), authenticate=authenticate, control=control, registry=registry)
    http = HttpServer(HttpSettings(listen=listen, data_dir=data_dir), routes=[], websocket=verto.handle)
    urls = await http.start()
    trust = ssl.create_default_context(cafile=None if http.authority is None else str(http.authority))
    async with aiohttp.ClientSession() as web:
        try:
            yield Running(urls, http, verto, registry, control, web, trust)
        finally:
            await verto.stop()
            await http.stop()
