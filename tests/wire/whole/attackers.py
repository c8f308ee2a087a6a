"""Peers that keep to no rules, and a trunk that does, all on bare sockets."""

import asyncio
import base64
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.transport.flow import Destination, Transport
from tests.harness.gateway import PASSWORD, Running
from tests.unit.sip.core.messages import request
from tests.wire.sip.wire import TcpPeer, UdpPeer, tcp_peer, udp_peer
from tests.wire.whole import bad_frames
from tests.wire.whole.bad_frames import CLOSED, SILENCE, Reply
from tests.wire.whole.phone import Phone

PATIENCE: Final = 30.0
"""Seconds that anything may take to come."""

_END: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class Attacker:
    """A WebSocket whose frames may be anything."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def log_in(self) -> None:
        """Become a client like any other."""
        await self._socket.send_str(bad_frames.message("login", {"login": "robert", "passwd": PASSWORD}))
        async with asyncio.timeout(PATIENCE):
            while (await self._socket.receive_json()).get("id") != "bad":
                pass

    async def say(self, data: str | bytes) -> Reply:
        """Send a frame and a ping behind it; what the gateway says to the frame before it answers the ping."""
        ping = str(uuid.uuid4())
        try:
            await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))
            await self._socket.send_str(json.dumps({"jsonrpc": "2.0", "id": ping, "method": "telnyx_rtc.ping"}))
        except ConnectionError:
            return CLOSED
        found: Reply = SILENCE
        async with asyncio.timeout(PATIENCE):
            while (frame := await self._socket.receive()).type not in _END:
                message = json.loads(frame.data)
                if message.get("id") == ping:
                    return found
                if "method" not in message:
                    found = message["error"]["code"] if "error" in message else None
        return CLOSED


@asynccontextmanager
async def attacker(gateway: Running) -> AsyncIterator[Attacker]:
    """One that is connected."""
    async with aiohttp.ClientSession() as http, http.ws_connect(gateway.websocket, max_msg_size=0) as socket:
        yield Attacker(socket)


@asynccontextmanager
async def bare_websocket(gateway: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection right behind a good handshake (RFC 6455 section 4.1)."""
    address = urlsplit(gateway.http)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        "GET / HTTP/1.1",
        f"Host: {address.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(PATIENCE):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield reader, writer
    finally:
        writer.close()


class TrunkCaller:
    """Calls a client over one bare socket, as a trunk does."""

    def __init__(
        self, transport: Transport, peer: UdpPeer | TcpPeer, send: Callable[[Request | Response], None], port: int
    ) -> None:
        self._transport, self._peer, self._send, self._port = transport, peer, send, port

    def invite(self, body: str) -> Request:
        """Call Alice with that offer; returns the INVITE."""
        mark = uuid.uuid4().hex
        via = f"SIP/2.0/{self._transport.upper()} 192.0.2.9:5070"
        contact = f"<sip:peer@127.0.0.1:{self._port};transport={self._transport}>"
        more = (("Contact", contact), ("Content-Type", "application/sdp"))
        plain = request("INVITE", branch=f"z9hG4bK{mark}", call_id=mark, via=via, body=body.encode(), more=more)
        invite = dataclasses.replace(plain, uri="sip:alice@127.0.0.1")
        self._send(invite)
        return invite

    async def until(self, status: int, method: str = "INVITE") -> Response:
        """The next response of that status to that method; others are dropped."""
        async with asyncio.timeout(PATIENCE):
            while True:
                response = await self._peer.response()
                if (response.status, response.cseq.method) == (status, method):
                    return response

    def follow(self, invite: Request, method: str, final: Response | None = None) -> None:
        """CANCEL that INVITE, or ACK the final response to it."""
        call_id, branch = invite.call_id, invite.top_via.branch or ""
        if final is not None and final.status < 300:
            branch = f"{branch}ack"
        to = (final.headers.get("To") if final is not None else invite.headers.get("To")) or ""
        via = f"SIP/2.0/{self._transport.upper()} 192.0.2.9:5070"
        plain = request(method, branch=branch, call_id=call_id, via=via, to=to)
        self._send(dataclasses.replace(plain, uri=invite.uri))

    async def answer_bye(self) -> None:
        """Take the gateway's BYE."""
        async with asyncio.timeout(PATIENCE):
            while not isinstance(bye := await self._peer.receive(), Request) or bye.method != "BYE":
                pass
        self._send(response_to(bye, 200))

    async def ring_and_give_up(self, alice: Phone, body: str) -> None:
        """A call that rings at Alice's and is cancelled: INVITE, 180, CANCEL, 487, and what she sees of it."""
        rung = sum(message["method"] == "telnyx_rtc.invite" for message in alice.verto.messages)
        invite = self.invite(body)
        await self.until(180)
        call = await alice.until_rung(rung + 1)
        self.follow(invite, "CANCEL")
        self.follow(invite, "ACK", await self.until(487))
        bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)
        assert bye["params"]["cause"] == "ORIGINATOR_CANCEL"


@asynccontextmanager
async def trunk_caller(gateway: Running, transport: Transport) -> AsyncIterator[TrunkCaller]:
    """One with a socket of its own."""
    to = destination(gateway, transport)
    if transport == "udp":
        async with udp_peer() as udp:
            yield TrunkCaller(transport, udp, lambda message: udp.send(message, to), udp.address.port)
    else:
        async with tcp_peer(to) as tcp:
            yield TrunkCaller(transport, tcp, tcp.send, tcp.writer.get_extra_info("sockname")[1])


def destination(gateway: Running, transport: Transport) -> Destination:
    """A SIP listener of the gateway."""
    host, _, port = gateway.sip(transport).rpartition(":")
    return Destination(transport, host, int(port))
