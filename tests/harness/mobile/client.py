"""A scripted mobile client on a real WebSocket: sends as its SDK does, fails on what its SDK would not survive."""

import asyncio
import socket
import ssl
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.harness.mobile.dialect import Headers, Login, Message
from tests.harness.mobile.rules import Sent, Violation
from tests.harness.mobile.sdk import Sdk

DEADLINE: Final = 30.0
"""Seconds that any message may take to come."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error: Message) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error
        self.code: int | None = error.get("code")


class MobileClient:
    """One socket of one SDK.

    Attributes:
        session_id: what it sends as the session: its own, or the server's once the SDK adopts that.
        messages: requests of the server, pings and all, in the order they came.
        username: who logged in, for whoever wants to call.
        acknowledges: whether it sends the results that its SDK sends; `acknowledged` are the methods that got one.
        answers: answers as they came, those nobody waited for as well.
    """

    def __init__(self, sdk: Sdk, socket: aiohttp.ClientWebSocketResponse, *, session_id: str | None = None) -> None:
        self.sdk, self.socket = sdk, socket
        self.dialect, self.rules = sdk.dialect, sdk.rules()
        own = None if sdk.name == "ReactNative" else str(uuid.uuid4())
        self.session_id = session_id if session_id is not None else own
        self.username = ""
        self.is_registered = False
        self.acknowledges = True
        self.acknowledged: list[str] = []
        self.messages: list[Message] = []
        self.answers: list[Message] = []
        self.texts: list[str] = []
        self.pongs = 0
        self.is_closed = asyncio.Event()
        self._pending: defaultdict[str, deque[tuple[Sent, asyncio.Future[Message]]]] = defaultdict(deque)
        self._sent: dict[str, Sent] = {}
        self._arrived = asyncio.Condition()
        self._broken: Violation | None = None

    # ---- reading

    async def read(self) -> None:
        """Read until the socket closes; run it in a task. The first violation ends every wait."""
        while (frame := await self.socket.receive()).type not in _END:
            try:
                await self._take(frame)
            except Violation as violation:
                self._broken = self._broken or violation
                self._give_up(violation)
            async with self._arrived:
                self._arrived.notify_all()
        self.is_closed.set()
        self._give_up(ConnectionError("socket closed"))
        async with self._arrived:
            self._arrived.notify_all()

    def check(self) -> None:
        """Raise the first violation that was seen."""
        if self._broken is not None:
            raise self._broken

    async def _take(self, frame: aiohttp.WSMessage) -> None:
        if frame.type is aiohttp.WSMsgType.PING:
            await self.socket.pong(frame.data)
        elif frame.type is aiohttp.WSMsgType.PONG:
            self.pongs += 1
        elif frame.type is aiohttp.WSMsgType.TEXT:
            self.texts.append(frame.data)
            message = self.rules.read(frame.data)
            if "result" in message or "error" in message:
                self._take_answer(message)
            else:
                await self._take_request(frame.data, message)

    def _take_answer(self, message: Message) -> None:
        self.answers.append(message)
        waiting = self._pending.get(str(message.get("id")))
        sent, future = waiting.popleft() if waiting else (self._sent.get(str(message.get("id"))), None)
        self.rules.take_answer(message, sent)
        result = message.get("result", {})
        if sent is not None and "sessid" in result and self.dialect.adopts_session_of(sent.method):
            self.session_id = result["sessid"]
        if sent is not None and sent.method == "telnyx_rtc.gatewayState":
            self.is_registered = result.get("params", {}).get("state") == "REGED"
        if future is not None and not future.done():
            future.set_result(message)

    async def _take_request(self, text: str, message: Message) -> None:
        self.messages.append(message)
        self.rules.take_request(message)
        if message["method"] == "telnyx_rtc.ping":
            reply = self.dialect.pong(
                text, message, session_id=self.session_id, is_registered=self.is_registered
            )  # fmt: skip
            if reply is not None:
                await self.send_text(reply)
        elif self.acknowledges and (acknowledgement := self.dialect.acknowledgement(message)) is not None:
            self.acknowledged.append(message["method"])
            await self.send(acknowledgement)

    def _give_up(self, reason: Exception) -> None:
        for waiting in self._pending.values():
            for _, future in waiting:
                if not future.done():
                    future.set_exception(reason)
                    future.exception()  # seen: nobody may be waiting any more

    # ---- sending

    async def send_text(self, text: str) -> None:
        """Send a frame as it is; one for a socket that is closing is lost, as in real life."""
        if not self.socket.closed:
            await self.socket.send_str(text)

    async def send(self, message: Message) -> None:
        """Send a message in the platform's spelling."""
        await self.send_text(self.dialect.encode(message))

    async def ask(self, method: str, params: Message | None, *, request_id: str | None = None) -> Message:
        """Send a request and return the whole answer, be it a result or an error."""
        self.check()
        request_id = request_id if request_id is not None else self.dialect.request_id(method)
        body = {} if params is None else {"params": params}
        future = self._expect(request_id, Sent(method, params or {}))
        await self.send({"id": request_id, "method": method, **body})
        async with asyncio.timeout(DEADLINE):
            return await future

    async def send_debug(self, kind: str, report_id: str) -> None:
        """Send a debug frame, whose answer nobody waits for."""
        frame = self.dialect.debug_report(kind, report_id)
        self._sent[frame["id"]] = Sent(kind, {})
        await self.send(frame)

    async def request(self, method: str, params: Message | None, *, request_id: str | None = None) -> Message:
        """Send a request and return its result; raises `Refused`."""
        answer = await self.ask(method, params, request_id=request_id)
        if "error" in answer:
            raise Refused(answer["error"])
        result: Message = answer["result"]
        return result

    async def barrier(self) -> None:
        """Return when everything that was sent before has been taken: a probe goes round behind it."""
        await self.request("telnyx_rtc.ping", {})

    def _expect(self, request_id: str, sent: Sent) -> "asyncio.Future[Message]":
        future = asyncio.get_running_loop().create_future()
        self._pending[request_id].append((sent, future))
        return future

    def drop(self) -> None:
        """Lose the network: the connection breaks without a close frame."""
        transport = self.socket._writer.transport
        assert transport is not None
        transport.abort()

    # ---- waiting

    def all_of(self, method: str, call_id: str | None = None) -> list[Message]:
        """Params of the requests with that method (and call) so far."""
        return [
            message.get("params", {})
            for message in self.messages
            if message["method"] == method and _is_about(message, call_id)
        ]

    async def wait_for(self, method: str, call_id: str | None = None, *, count: int = 1) -> Message:
        """Params of the server's request number `count` with that method (and call)."""
        await self.until(lambda: len(self.all_of(method, call_id)) >= count, f"{method} number {count}")
        return self.all_of(method, call_id)[count - 1]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when it holds; it is looked at after every frame."""
        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(
                lambda: condition() or self.is_closed.is_set() or self._broken is not None
            )  # fmt: skip
        self.check()
        if not condition():
            raise ConnectionError(f"{self.sdk.name}: socket closed before {what}")

    # ---- what the SDK does

    async def login(self, login: Login, *, is_anonymous_at: str | None = None) -> Message:
        """Log in and get registered: result, clientReady, gatewayState (2.2)."""
        if is_anonymous_at is None:
            result = await self.request("login", self.dialect.login_params(login, self.session_id))
        else:
            params = self.dialect.anonymous_login_params(is_anonymous_at, self.session_id)
            result = await self.request("anonymous_login", params)
        self.username = login.username or ""
        await self.wait_for("telnyx_rtc.clientReady")
        await self.register()
        return result

    async def register(self) -> Message:
        """`telnyx_rtc.gatewayState`; returns the result."""
        result = await self.request("telnyx_rtc.gatewayState", {})
        assert result["params"]["state"] == "REGED"
        return result

    async def invite(
        self,
        destination: str,
        sdp: str,
        *,
        call_id: str | None = None,
        is_trickle: bool = False,
        headers: Headers = (),
        **more: Any,  # Any: preferred_codecs
    ) -> str:
        """Call; returns the call id once the server has created the call."""
        call_id = call_id or str(uuid.uuid4())
        self.rules.placed(call_id)
        params = self.dialect.invite_params(
            self.session_id, call_id, destination, sdp, is_trickle=is_trickle, headers=headers, **more
        )
        await self.request("telnyx_rtc.invite", params)
        return call_id

    async def answer(
        self, call_id: str, sdp: str, *, headers: Headers = (), device_token: str | None = None
    ) -> Message:
        """Answer an inbound call."""
        params = self.dialect.answer_params(self.session_id, call_id, sdp, headers=headers, device_token=device_token)
        return await self.request("telnyx_rtc.answer", params)

    async def attach(self, call_id: str, sdp: str) -> Message:
        """Answer an attach of the server's."""
        return await self.request("telnyx_rtc.attach", self.dialect.attach_params(self.session_id, call_id, sdp))

    async def bye(self, call_id: str, *, is_active: bool = True) -> Message:
        """Hang up, with the cause that this SDK gives."""
        cause = self.dialect.hang_up_cause(is_active=is_active)
        return await self.request("telnyx_rtc.bye", self.dialect.bye_params(self.session_id, call_id, cause))

    async def modify(self, call_id: str, action: str, sdp: str | None = None) -> Message:
        """hold, unhold, toggleHold or updateMedia."""
        params = self.dialect.modify_params(self.session_id, call_id, action, sdp)
        return await self.request("telnyx_rtc.modify", params)

    async def dtmf(self, call_id: str, digits: str) -> Message:
        """Digits by signalling."""
        return await self.request("telnyx_rtc.info", self.dialect.info_params(self.session_id, call_id, digits))

    async def trickle(self, call_id: str, candidate: str | None) -> Message:
        """A candidate, or their end for None."""
        method = "telnyx_rtc.endOfCandidates" if candidate is None else "telnyx_rtc.candidate"
        return await self.request(method, self.dialect.candidate_params(self.session_id, call_id, candidate))


_END: Final = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
)


def _is_about(message: Message, call_id: str | None) -> bool:
    found = message.get("params", {}).get("callID")
    return call_id is None or str(found).lower() == call_id.lower()


class ToLoopback(AbstractResolver):
    """A hosts file that has every name at 127.0.0.1."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def dialed(
    sdk: Sdk,
    url: str,
    *,
    session_id: str | None = None,
    before: MobileClient | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[MobileClient]:
    """An open socket of that SDK, closed at the end; then any violation is raised. Every host name is this machine.

    Args:
        session_id: the session that an earlier login left.
        before: the client on its last socket, whose session and calls this one has.
    """
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=ToLoopback())) as http,
        http.ws_connect(url, ssl=context if context is not None else True, max_msg_size=0, autoping=False) as opened,
    ):
        client = MobileClient(sdk, opened, session_id=session_id if before is None else before.session_id)
        if before is not None:
            client.rules.calls = before.rules.calls
        async with asyncio.TaskGroup() as group:
            group.create_task(client.read())
            try:
                yield client
            finally:
                await opened.close()
        client.check()
