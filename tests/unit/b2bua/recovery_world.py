"""A gateway without packets and without a clock, one user with a browser tab, and a trunk: to lose sockets in.

Real are the Verto server with its sessions and registry, call control with its calls; the WebSocket, the media and the
SIP side are fakes. The tab behaves as the JavaScript SDK does (verto-js 7.3, 7.4); it asserts what that one relies on.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType, web

from gateway.b2bua.call_index import CallSnapshot
from gateway.b2bua.directory import CallDirectory
from gateway.b2bua.routing import Router, Trunk
from gateway.b2bua.settings import CallSettings
from gateway.domain.facts import CallEnded, Fact
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId, LegName, Sdp, SessionId, VertoCallId
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions, MediaEvent, MediaNote, MediaReady, Profile, unnoted
from gateway.vsp.control import ClientSession
from gateway.vsp.login import LoginAttempt
from gateway.vsp.registry import SessionRegistry
from gateway.vsp.server import VertoServer
from gateway.vsp.settings import VspSettings
from tests.fakes.autojump import EPSILON, AutojumpLoop
from tests.fakes.clients import RecordingIncomingCall, RecordingOutgoingCall, RecordingUserAgent
from tests.fakes.media import FakeMediaEngine, FakeMediaSession

WINDOW: Final = 40.0
ATTACH_TIMEOUT: Final = 15.0
RING_TIMEOUT: Final = 30.0
SETTLE_TIMEOUT: Final = 15.0
IDLE_TIMEOUT: Final = 60.0
OFFER_TIME: Final = 3.5 * EPSILON
SLACK: Final = 20 * EPSILON

TrunkCall = RecordingOutgoingCall | RecordingIncomingCall
Message = dict[str, Any]  # Any: JSON, which only tests look into


class Wire(asyncio.Transport):
    """What of a TCP connection the server touches."""

    def __init__(self, cut: Callable[[], None]) -> None:
        super().__init__()
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self._cut = cut

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self._cut()


class Socket(web.WebSocketResponse):
    """A WebSocket between the server and a tab."""

    def __init__(self, hear: Callable[[Message], None], on_close: Callable[[], None]) -> None:
        super().__init__()
        self._hear, self._on_close = hear, on_close
        self._inbox: asyncio.Queue[WSMessage] = asyncio.Queue()
        self.is_open = True

    def say(self, message: Message) -> None:
        """From the client."""
        self._inbox.put_nowait(WSMessage(WSMsgType.TEXT, json.dumps({"jsonrpc": "2.0", **message}), None))

    def end(self) -> None:
        """The connection is gone, whoever ended it."""
        if self.is_open:
            self.is_open = False
            self._inbox.put_nowait(WSMessage(WSMsgType.CLOSED, None, None))
            self._on_close()

    async def receive(self, timeout: float | None = None) -> WSMessage:
        return await self._inbox.get()

    async def send_str(self, data: str, compress: int | None = None) -> None:
        if self.is_open:
            self._hear(json.loads(data))

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        self.end()
        return True


class Media(FakeMediaSession):
    """A browser leg comes up when its answer is `good`, or when the tab has got the answer to its offer."""

    def __init__(self, call_id: CallId, on_event: Callable[[MediaEvent], None]) -> None:
        super().__init__(call_id, on_event)
        self.browser: LegName | None = None
        self.is_page_gone = False
        """The page that made the last description is not there any more."""

    async def offer(self, leg: LegName) -> Sdp:
        """That of an attach takes longer than a step: the client may come back again meanwhile."""
        if leg is self.browser and (leg is LegName.A or self._count > 0):
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            loop.call_at(loop.time() + OFFER_TIME, done.set_result, None)
            await done
        return await super().offer(leg)

    async def accept(self, leg: LegName, answer: Sdp) -> None:
        await super().accept(leg, answer)
        self.is_page_gone = self.is_page_gone and leg is not self.browser
        self._come_up(leg, answer)

    def _come_up(self, leg: LegName, theirs: Sdp) -> None:
        if leg is self.browser and theirs == "good" and not self.is_page_gone:
            self.alive.add(leg)
            asyncio.get_running_loop().call_soon(self._on_event, MediaReady(leg))

    def describe_tab(self) -> None:
        """The tab has got the answer to its offer."""
        assert self.browser is not None
        self._come_up(self.browser, Sdp("good"))

    def break_down(self, reason: str) -> None:
        """The browser's leg loses its media."""
        if self.browser is not None and self.browser in self.alive:
            self.alive.discard(self.browser)
            self.fail(self.browser, reason)

    def lose_page(self) -> None:
        """Nobody is left who could bring the browser's leg up, or close it with a word."""
        self.is_page_gone = True
        self.break_down("dtls_closed")


class Engine(FakeMediaEngine):
    """Hands out `Media`."""

    def __init__(self) -> None:
        super().__init__()
        self.by_call: dict[CallId, Media] = {}

    async def open(
        self,
        *,
        call_id: CallId,
        a: Profile,
        b: Profile,
        codecs_a: Sequence[str],
        codecs_b: Sequence[str],
        on_event: Callable[[MediaEvent], None],
        options_a: LegOptions = DEFAULT_OPTIONS,
        options_b: LegOptions = DEFAULT_OPTIONS,
        on_note: Callable[[MediaNote], None] = unnoted,
    ) -> FakeMediaSession:
        media = self.by_call[call_id] = Media(call_id, on_event)
        media.browser = LegName.A if a is Profile.WEBRTC else LegName.B
        return media


class Directory(CallDirectory):
    """Call control that notes since when clients have been away."""

    away_since: dict[SessionId, float]

    def session_detached(self, session_id: SessionId) -> None:
        self.away_since[session_id] = asyncio.get_running_loop().time()
        super().session_detached(session_id)

    def session_replaced(self, session: ClientSession) -> tuple[VertoCallId, ...]:
        self.away_since.pop(session.session_id, None)
        return super().session_replaced(session)


class Tab:
    """A browser tab with the SDK in it. `calls` is what it believes: call id to whether it was described."""

    def __init__(self, world: "World", username: str = "alice", *, keeps_media: bool = False) -> None:
        self.world, self.username, self.keeps_media = world, username, keeps_media
        self.calls: dict[str, bool] = {}
        self.ringing: set[str] = set()
        self.attaching: set[str] = set()
        """Attaches that it has not answered yet."""
        self.session_id: str | None = None
        self.socket: Socket | None = None
        self.is_ready = False
        self.has_forgotten = False
        """Whether it was loaded anew, or hung up behind the server's back, since its calls began."""
        self.heard: list[Message] = []
        self._ids = itertools.count(1)

    # ---- sockets

    def connect(self) -> None:
        """Open a socket and log in with what it remembers."""
        if self.socket is not None:
            self.drop()

        def hear(message: Message) -> None:
            if self.socket is socket:
                self._hear(message)

        def on_close() -> None:
            if self.socket is socket:
                self.socket, self.is_ready = None, False
                self.attaching.clear()

        self.socket = socket = Socket(hear, on_close)
        self.is_ready = False
        self.world.attend(socket)
        presented = {} if self.session_id is None else {"sessid": self.session_id, "reconnection": True}
        socket.say({"id": "login", "method": "login", "params": {"login": self.username, "passwd": "p", **presented}})

    def drop(self) -> None:
        """Lose the socket."""
        if self.socket is not None:
            self.socket.end()

    def abandon(self) -> None:
        """Take the socket for dead; the server does not see that."""
        self.socket, self.is_ready = None, False
        self.attaching.clear()

    def reload(self) -> None:
        """Load the page anew: its calls and peer connections are gone, its session id is kept."""
        for media in self.world.media_of_live_calls():
            media.lose_page()
        self.drop()
        self.calls.clear()
        self.ringing.clear()
        self.has_forgotten = True

    # ---- what the server says

    def _hear(self, message: Message) -> None:
        self.heard.append(message)
        method = message.get("method")
        if method is None:
            self._take_answer(message)
            return
        assert self.session_id is not None or method in ("telnyx_rtc.ping",), "nothing precedes the login's result"
        handle = getattr(self, "_on_" + method.rpartition(".")[2], None)
        assert handle is not None, method
        is_acknowledged = (
            method in ("telnyx_rtc.invite", "telnyx_rtc.attach") or message["params"].get("callID") in self.calls
        )
        handle(message["params"])
        if is_acknowledged:
            self._say_raw({"id": message["id"], "result": {"method": method}})

    def _take_answer(self, message: Message) -> None:
        if message["id"] in ("login", "renew"):
            assert "result" in message, message
            self.session_id = message["result"]["sessid"]

    def _on_ping(self, params: Message) -> None:
        self._say("telnyx_rtc.ping", {})

    def _on_clientReady(self, params: Message) -> None:
        assert not self.is_ready, "one clientReady a socket (V-39)"
        ids = params["reattached_sessions"]
        if self.calls and not set(ids) & set(self.calls):
            lost = set(self.calls)
            self.calls.clear()
            self.ringing.clear()
            assert not lost & set(self.world.live_ids()), "the SDK has dropped calls that live (V-110)"
        self.is_ready = True

    def _on_invite(self, params: Message) -> None:
        call_id = params["callID"]
        assert call_id not in self.world.invited, "an id that was used is no new call (V-79, V-118)"
        self.world.invited.add(call_id)
        self.calls[call_id] = False
        self.ringing.add(call_id)

    def _on_attach(self, params: Message) -> None:
        call_id = params["callID"]
        assert call_id not in self.attaching, "one attach a socket: another one would void the client's answer"
        self.world.attach_sent[call_id] = self.world.loop.time()
        snapshot = self.world.find(call_id)
        assert snapshot is None or snapshot.state in ("active", "connecting", "held"), "attach of an unanswered call"
        if not self.calls or call_id in self.calls:
            self.calls[call_id] = True
            self.ringing.discard(call_id)
            self.attaching.add(call_id)

    def _on_ringing(self, params: Message) -> None:
        assert params["callID"]

    def _on_media(self, params: Message) -> None:
        if params["callID"] in self.calls:
            assert params["sdp"]
            self.calls[params["callID"]] = True
            self.world.describe_tab(params["callID"])

    def _on_answer(self, params: Message) -> None:
        call_id = params["callID"]
        if call_id in self.calls:
            assert "sdp" in params or self.calls[call_id], "an answer without a description kills the call (V-69)"
            self.calls[call_id] = True
            if "sdp" in params:
                self.world.describe_tab(call_id)

    def _on_bye(self, params: Message) -> None:
        assert params["cause"] and params["causeCode"]
        self.calls.pop(params["callID"], None)
        self.ringing.discard(params["callID"])
        self.attaching.discard(params["callID"])

    def _on_punt(self, params: Message) -> None:
        assert self.world.tab is not self, "only the tab that lost the session is punted"
        assert ("callID" in params) is (self.keeps_media and bool(params)), "V-107"
        for media in self.world.media_of_live_calls():
            media.lose_page()
        self.calls.clear()

    # ---- what the user does

    def dial(self) -> None:
        call_id = self.world.new_id()
        self.calls[call_id] = False
        dialog = {"callID": call_id, "destination_number": "+4930123456", **self._options()}
        self._say("telnyx_rtc.invite", {"sdp": "good", "dialogParams": dialog})

    def answer(self, call_id: str) -> None:
        if call_id in self.ringing:
            self.ringing.discard(call_id)
            self.calls[call_id] = True
            dialog = {"callID": call_id, **self._options()}
            self._say("telnyx_rtc.answer", {"sdp": "good", "dialogParams": dialog})

    def attach(self, call_id: str, sdp: str) -> bool:
        """Answer the server's attach."""
        if call_id not in self.attaching:
            return False
        self.attaching.discard(call_id)
        self.world.attach_sent.pop(call_id, None)
        dialog = {"callID": call_id, "attach": True, **self._options()}
        self._say("telnyx_rtc.attach", {"sdp": sdp, "dialogParams": dialog})
        return True

    def hang_up(self, call_id: str) -> None:
        """Without a socket nobody hears of it."""
        if self.calls.pop(call_id, None) is not None:
            self.ringing.discard(call_id)
            self.attaching.discard(call_id)
            if self.socket is None:
                self.has_forgotten = True
                self.world.lose_page(call_id)
            self._say("telnyx_rtc.bye", {"dialogParams": {"callID": call_id}, "cause": "USER_BUSY", "causeCode": 17})

    def hold(self, call_id: str) -> None:
        self._say("telnyx_rtc.modify", {"action": "toggleHold", "dialogParams": {"callID": call_id}})

    def renew(self) -> None:
        """A new token on the live socket."""
        params = {"login": self.username, "passwd": "p", "sessid": self.session_id, "reconnection": True}
        self._say_raw({"id": "renew", "method": "login", "params": params})

    def _options(self) -> Message:
        return {"keepConnectionAliveOnSocketClose": True} if self.keeps_media else {}

    def _say(self, method: str, params: Message) -> None:
        self._say_raw({"id": f"c{next(self._ids)}", "method": method, "params": params})

    def _say_raw(self, message: Message) -> None:
        if self.socket is not None:
            self.socket.say(message)


class World:
    """Everything, on a loop whose time only `pass_time` moves."""

    def __init__(self, *, keeps_media: bool = False) -> None:
        self.loop = AutojumpLoop()
        self.tab = Tab(self, keeps_media=keeps_media)
        self.excuses: dict[CallId, set[str]] = {}
        self.ended: list[tuple[CallEnded, float]] = []
        self.invited: set[str] = set()
        self.attach_sent: dict[str, float] = {}
        """When the server sent the attach of a call that nobody has answered."""
        self.incoming: list[RecordingIncomingCall] = []
        self._ids = itertools.count(1)
        self._serving: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self.loop.run_until_complete(self._build())

    async def _build(self) -> None:
        self.registry, self.agent, self.engine = SessionRegistry(), RecordingUserAgent(), Engine()
        verto = VspSettings(reattach_window=WINDOW, attach_timeout=ATTACH_TIMEOUT, idle_timeout=IDLE_TIMEOUT)
        router = Router(
            domain="sip.telnyx.com",
            trunks=[Trunk(name="one", uri="sip:127.0.0.2:5060", codecs=("PCMU",))],
            find_client=self.registry.find_by_username,
            find_connection_of_number=_no_connection,
            find_client_of_connection=lambda _: None,
            is_magic_number=lambda _: False,
        )
        self.directory = Directory(
            CallSettings(ring_timeout=RING_TIMEOUT),
            engine=self.engine,
            router=router,
            invite=self.agent.invite,
            domain="sip.telnyx.com",
            trunk_codecs=lambda _: ("PCMU",),
            attach_timeout=ATTACH_TIMEOUT,
            listeners=[self._take_fact],
        )
        self.directory.away_since = {}
        self.server = VertoServer(verto, authenticate=_admit, control=self.directory, registry=self.registry)
        await self._stack.enter_async_context(self.directory)

    def attend(self, socket: Socket) -> None:
        """Have the server serve it."""
        wire = Wire(socket.end)
        work = self.server.attend(socket, wire, peer="192.0.2.1", last_voice_sdk_id="")
        task = self.loop.create_task(work)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def check_nothing_is_left(self) -> None:
        """Not a task but the one that a `TaskGroup` without members is."""
        assert asyncio.all_tasks(self.loop) == set()

    def close(self) -> None:
        """End it in whatever state it is."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.advance()
        self.loop.run_until_complete(self._stack.aclose())
        self.loop.close()

    def duplicate_tab(self) -> None:
        """The user duplicates the tab, and session storage with it: the copy takes the session."""
        copy = Tab(self, keeps_media=self.tab.keeps_media)
        copy.session_id, copy.has_forgotten = self.tab.session_id, True
        self.tab = copy
        copy.connect()

    def new_id(self) -> str:
        return f"call-{next(self._ids)}"

    def pass_time(self, seconds: float = EPSILON) -> None:
        self.loop.advance(seconds)
        for task in self._serving:
            assert not task.done() or task.exception() is None

    # ---- calls

    def live(self) -> list[CallSnapshot]:
        """Without those that are just being cleared away."""
        return [snapshot for snapshot in self.directory.live() if snapshot.state != "ended"]

    def live_ids(self) -> list[str]:
        """Ids that a client knows or should."""
        rung = [snapshot for snapshot in self.live() if snapshot.verto_call_id is not None]
        return [str(snapshot.verto_call_id) for snapshot in rung]

    def find(self, call_id: str) -> CallSnapshot | None:
        return next((snapshot for snapshot in self.live() if snapshot.verto_call_id == call_id), None)

    def trunk_calls(self) -> list[TrunkCall]:
        """The SIP side of every call that there was."""
        return [*self.agent.calls, *self.incoming]

    def trunk_of(self, snapshot: CallSnapshot) -> TrunkCall | None:
        """The SIP side of a call."""
        return next((call for call in self.trunk_calls() if call.sip_call_id == snapshot.sip_call_id), None)

    def ring_in(self) -> None:
        """The trunk calls the user."""
        call = RecordingIncomingCall("alice")
        call.sip_call_id = type(call.sip_call_id)(f"in-{len(self.incoming)}@test")
        self.incoming.append(call)
        self.loop.call_soon(self.directory.incoming, call)

    def media_of_live_calls(self) -> list[Media]:
        return [media for call_id, media in self.engine.by_call.items() if self.directory.find(call_id) is not None]

    def describe_tab(self, call_id: str) -> None:
        snapshot = self.find(call_id)
        if snapshot is not None:
            self.engine.by_call[snapshot.call_id].describe_tab()

    def lose_page(self, call_id: str) -> None:
        snapshot = self.find(call_id)
        media = None if snapshot is None else self.engine.by_call.get(snapshot.call_id)
        if media is not None:
            media.lose_page()

    def excuse(self, snapshot: CallSnapshot, reason: str) -> None:
        """Note why that call may end."""
        self.excuses.setdefault(snapshot.call_id, set()).add(reason)

    def _take_fact(self, fact: Fact) -> None:
        if isinstance(fact, CallEnded):
            self.ended.append((fact, self.loop.time()))

    @property
    def is_connected(self) -> bool:
        """Whether the server has the tab's session on a socket."""
        session_id = self.tab.session_id
        return session_id is not None and self.registry.find(SessionId(session_id)) is not None


async def _no_connection(_number: str) -> str | None:
    return None


async def _admit(attempt: LoginAttempt) -> Identity:
    assert attempt.username is not None
    return Identity(connection_id=attempt.username, credential_id=None, username=attempt.username)
