"""A Verto client over a real WebSocket: it speaks as the JavaScript SDK does (verto-js 2 to 6), without a browser."""

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

DEADLINE: Final = 30.0
"""Seconds that any message may take to come."""

Message = dict[str, Any]  # Any: JSON as it came, which is what tests look at


class RequestFailed(Exception):
    """The server answered with an error."""

    def __init__(self, error: Message) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code: int | None = error.get("code")
        self.error = error


class VertoClient:
    """One socket. Requests of the server are acknowledged as the SDK does, and kept in the order they came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.session_id: str | None = None
        self.messages: list[Message] = []
        """Every request of the server, pings left out."""
        self.on_message: Callable[[Message], None] = lambda _message: None
        """Told of each of them."""
        self._pending: dict[str, asyncio.Future[Message]] = {}
        self._arrived = asyncio.Condition()
        self.is_closed = asyncio.Event()
        self.is_deaf = False
        """Whether nothing of the server comes through any more, and so nothing is answered."""

    async def read(self) -> None:
        """Read until the socket closes; run it in a task."""
        async for frame in self.socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message: Message = json.loads(frame.data)
            await self._take(message)
        await self._end()

    async def _end(self) -> None:
        """The socket has closed: nothing that is waited for will come."""
        self.is_closed.set()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("socket closed"))
        async with self._arrived:
            self._arrived.notify_all()

    async def _take(self, message: Message) -> None:
        if "method" not in message or "result" in message:
            future = self._pending.pop(str(message.get("id")), None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        if self.is_deaf:
            return
        if message["method"] == "telnyx_rtc.ping":
            await self._send({"id": str(uuid.uuid4()), "method": "telnyx_rtc.ping", "params": {}})
            return
        if message["method"] not in ("telnyx_rtc.clientReady", "telnyx_rtc.punt"):
            await self._send({"id": message["id"], "result": {"method": message["method"]}})
        async with self._arrived:
            self.messages.append(message)
            self.on_message(message)
            self._arrived.notify_all()

    async def _send(self, message: Message) -> None:
        if not self.socket.closed:
            await self.socket.send_str(json.dumps({"jsonrpc": "2.0", **message}))

    async def request(self, method: str, params: Message) -> Message:
        """Send a request and return its result; raises `RequestFailed`."""
        return await self._ask({"method": method, "params": params})

    async def debug_report(self, kind: str, report_id: str, **members: object) -> Message:
        """Send a debug frame (`start`, `data` or `stop`) and return its result (verto-js 9.1)."""
        frame = {"type": f"debug_report_{kind}", "debug_report_id": report_id, "debug_report_version": 1}
        return await self._ask({**frame, **members})

    async def _ask(self, message: Message) -> Message:
        request_id = str(uuid.uuid4())
        future = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        await self._send({"id": request_id, **message})
        async with asyncio.timeout(DEADLINE):
            answer: Message = await future
        if "error" in answer:
            raise RequestFailed(answer["error"])
        result: Message = answer["result"]
        return result

    async def wait_for(self, method: str, *, call_id: str | None = None, count: int = 1) -> Message:
        """The request number `count` of the server with that method (and call)."""

        def found() -> Message | None:
            matching = [
                message
                for message in self.messages
                if message["method"] == method and (call_id is None or message["params"].get("callID") == call_id)
            ]
            return matching[count - 1] if len(matching) >= count else None

        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(lambda: found() is not None or self.is_closed.is_set())
        message = found()
        if message is None:
            raise ConnectionError(f"socket closed before {method}")
        return message

    async def first_of(self, *methods: str, call_id: str) -> Message:
        """The first request of the server about that call with one of these methods."""

        def found() -> Message | None:
            about = (message for message in self.messages if message["params"].get("callID") == call_id)
            return next((message for message in about if message["method"] in methods), None)

        async with asyncio.timeout(DEADLINE), self._arrived:
            await self._arrived.wait_for(lambda: found() is not None or self.is_closed.is_set())
        message = found()
        if message is None:
            raise ConnectionError(f"socket closed before {' or '.join(methods)}")
        return message

    async def login(self, username: str | None = None, password: str | None = None, **more: object) -> Message:
        """Log in and wait until registered, as the SDK does: result, clientReady, gatewayState."""
        credentials = {"login": username, "passwd": password} if username is not None else {}
        result = await self.request(
            "login",
            {
                **credentials,
                "userVariables": {},
                "reconnection": False,
                "loginParams": {"early_sdp_answer": False},
                "User-Agent": {"sdkVersion": "2.27.10", "data": "test"},
                **more,
            },
        )
        self.session_id = result["sessid"]
        await self.wait_for("telnyx_rtc.clientReady")
        state = await self.request("telnyx_rtc.gatewayState", {})
        assert state["params"]["state"] == "REGED"
        return result

    async def invite(self, destination: str, sdp: str, *, call_id: str | None = None, **dialog: object) -> str:
        """Call; returns the call id once the server has created the call."""
        call_id = call_id or str(uuid.uuid4())
        await self.request(
            "telnyx_rtc.invite",
            {
                "sessid": self.session_id,
                "sdp": sdp,
                "dialogParams": {"destination_number": destination, **self._dialog(call_id), **dialog},
                "User-Agent": "Web-2.27.10",
            },
        )
        return call_id

    async def answer(self, call_id: str, sdp: str, **more: str) -> None:
        """Answer an inbound call."""
        await self._call_request("telnyx_rtc.answer", call_id, {"sdp": sdp, **more})

    async def attach(self, call_id: str, sdp: str) -> Message:
        """Answer the server's attach."""
        return await self._call_request("telnyx_rtc.attach", call_id, {"sdp": sdp})

    def drop(self) -> None:
        """Lose the connection, without a close frame."""
        transport = self.socket._writer.transport
        assert transport is not None
        transport.abort()

    async def bye(self, call_id: str, *, cause: str = "NORMAL_CLEARING", code: int = 16) -> None:
        """Hang up or reject."""
        await self._call_request("telnyx_rtc.bye", call_id, {"cause": cause, "causeCode": code})

    async def modify(self, call_id: str, action: str, **more: object) -> Message:
        """hold, unhold, toggleHold or updateMedia."""
        return await self._call_request("telnyx_rtc.modify", call_id, {"action": action, **more})

    async def dtmf(self, call_id: str, digits: str) -> None:
        """Send digits by signalling."""
        await self._call_request("telnyx_rtc.info", call_id, {"dtmf": digits})

    async def _call_request(self, method: str, call_id: str, params: Message) -> Message:
        return await self.request(method, {"sessid": self.session_id, "dialogParams": self._dialog(call_id), **params})

    def _dialog(self, call_id: str) -> Message:
        return {
            "callID": call_id,
            "caller_id_name": "",
            "caller_id_number": "",
            "remote_caller_id_name": "Outbound Call",
            "audio": True,
            "video": False,
            "attach": False,
        }


@asynccontextmanager
async def connected(
    url: str, *, context: ssl.SSLContext | None = None, peer: str | None = None
) -> AsyncIterator[VertoClient]:
    """An open socket, read in a task of its own and closed at the end.

    Args:
        peer: where a proxy says that the client is.
    """
    headers = {} if peer is None else {"X-Forwarded-For": peer}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(url, ssl=context if context is not None else True, max_msg_size=0) as socket,
    ):
        client = VertoClient(socket)
        async with asyncio.TaskGroup() as group:
            group.create_task(client.read())
            try:
                yield client
            finally:
                await socket.close()
