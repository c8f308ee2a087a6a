"""The JavaScript SDK's side of a socket, with every frame held against the rules."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.conformance.rules import END, FrameRules, Message
from tests.harness.gateway import PASSWORD, Running
from tests.harness.verto_client import DEADLINE, VertoClient
from tests.wire.whole.phone import Phone


class CheckedSocket(aiohttp.ClientWebSocketResponse):
    """A WebSocket whose frames are held against `FrameRules`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: aiohttp's own arguments, handed through
        super().__init__(*args, **kwargs)
        self.rules = FrameRules()

    async def send_str(self, data: str, compress: int | None = None) -> None:
        self.rules.sent(data)
        await super().send_str(data, compress)

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:
        frame = await super().receive(timeout)
        self.rules.received(frame)
        return frame


class Client(VertoClient):
    """A Verto client that keeps every frame.

    Attributes:
        frames: everything the gateway sent as JSON, in order, answers and pings too.
        texts: what it sent that is no JSON.
        kinds: the types of its frames.
        is_silent: whether it neither acknowledges nor answers pings.
    """

    def __init__(self, socket: CheckedSocket) -> None:
        super().__init__(socket)
        self.rules = socket.rules
        self.frames: list[Message] = []
        self.texts: list[str] = []
        self.kinds: set[aiohttp.WSMsgType] = set()
        self.is_silent = False

    async def read(self) -> None:
        """Read until the socket closes; run it in a task."""
        while (frame := await self.socket.receive()).type not in END:
            self.kinds.add(frame.type)
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            if frame.data.startswith("#SP"):
                self.texts.append(frame.data)
            else:
                message = json.loads(frame.data)
                self.frames.append(message)
                await self._take(message)
            async with self._arrived:
                self._arrived.notify_all()
        await self._end()

    async def _send(self, message: Message) -> None:
        if not self.is_silent or "method" in message:
            await super()._send(message)

    async def say(self, text: str) -> None:
        """Send a text frame as it is."""
        await self.socket.send_str(text)

    async def ask(self, method: str, params: object = None, **envelope: object) -> Message:
        """Send a request; return the whole answer, be it a result or an error."""
        request_id = envelope.pop("id", str(uuid.uuid4()))
        body = {} if params is None else {"params": params}
        await self.say(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, **body, **envelope}))
        return await self.until(lambda message: "method" not in message and message.get("id") == request_id)

    async def ask_about(self, call_id: str, method: str, **params: object) -> Message:
        """The same about a call."""
        return await self.ask(method, {"sessid": self.session_id, "dialogParams": self._dialog(call_id), **params})

    async def until(self, is_it: Callable[[Message], bool], *, count: int = 1) -> Message:
        """The frame number `count` that is it."""

        def found() -> list[Message]:
            return [message for message in self.frames if is_it(message)]

        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(lambda: len(found()) >= count or self.is_closed.is_set())
        if len(found()) < count:
            raise ConnectionError("socket closed before that frame")
        return found()[count - 1]

    async def until_text(self, pattern: re.Pattern[str]) -> str:
        """The first frame that is no JSON and matches."""

        def found() -> str | None:
            return next((text for text in self.texts if pattern.fullmatch(text)), None)

        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(lambda: found() is not None or self.is_closed.is_set())
        text = found()
        if text is None:
            raise ConnectionError("socket closed before that frame")
        return text

    async def barrier(self) -> None:
        """Return when everything sent so far has been taken: a ping went round behind it."""
        await self.ask("telnyx_rtc.ping", {})

    def requests(self, method: str, call_id: str | None = None) -> list[Message]:
        """The params of the gateway's requests of that method (and call) so far."""
        return [
            message["params"]
            for message in self.frames
            if message.get("method") == method and call_id in (None, message["params"].get("callID"))
        ]

    def position(self, is_it: Callable[[Message], bool]) -> int:
        """Where in the order of the frames the first one stands that is it."""
        return next(index for index, message in enumerate(self.frames) if is_it(message))


async def fastest(measure: Callable[[], Awaitable[Message]], *, count: int = 3) -> tuple[float, Message]:
    """Seconds that the fastest of `count` requests took, and its answer: what a busy machine adds to all is little."""
    loop = asyncio.get_running_loop()
    found: list[tuple[float, Message]] = []
    for _ in range(count):
        began = loop.time()
        answer = await measure()
        found.append((loop.time() - began, answer))
    return min(found, key=lambda one: one[0])


@asynccontextmanager
async def client(gateway: Running, path: str = "/", **connect: Any) -> AsyncIterator[Client]:  # Any: of aiohttp
    """An open socket of nobody yet."""
    async with aiohttp.ClientSession(ws_response_class=CheckedSocket) as http:
        socket = await http.ws_connect(gateway.websocket + path, max_msg_size=0, **connect)
        assert isinstance(socket, CheckedSocket)
        one = Client(socket)
        async with asyncio.TaskGroup() as group:
            group.create_task(one.read())
            try:
                yield one
            finally:
                await socket.close()
    socket.rules.verify()


@asynccontextmanager
async def logged_in(gateway: Running, user: str = "alice", path: str = "/") -> AsyncIterator[Client]:
    """A client that is registered."""
    async with client(gateway, path) as one:
        await one.login(user, PASSWORD)
        yield one


class JsPhone(Phone):
    """A phone on a checked socket."""

    verto: Client


@asynccontextmanager
async def phone(gateway: Running, user: str = "alice", *, codecs: Sequence[str] = ("PCMU",)) -> AsyncIterator[JsPhone]:
    """A registered client with a browser's media."""
    async with logged_in(gateway, user) as verto:
        one = JsPhone(verto, codecs)
        try:
            yield one
        finally:
            await one.close()


@asynccontextmanager
async def back(gateway: Running, lost: JsPhone, user: str = "alice", **login: object) -> AsyncIterator[JsPhone]:
    """The same phone on another socket, logged in to the same session; its media is what it was."""
    path = f"/?voice_sdk_id={lost.verto.rules.voice_sdk_id}"
    async with client(gateway, path) as verto:
        await verto.login(user, PASSWORD, sessid=lost.verto.session_id, reconnection=True, **login)
        one = JsPhone(verto, lost.codecs)
        one.media = lost.media
        yield one
