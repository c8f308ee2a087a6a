"""An endpoint with recorded callbacks, and bare sockets as its far ends."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

from gateway.sip.core.message import Request, Response, parse, serialize
from gateway.sip.core.transaction.matching import ClientKey, ServerKey
from gateway.sip.endpoint import ClientTransaction, Destination, Endpoint, ServerTransaction
from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Flow, Transport
from gateway.sip.transport.tls_contexts import TlsContexts

HOST = "127.0.0.1"
WAIT = 30.0
"""Seconds until a test gives up waiting for what must come at once."""

FAST = SipSettings(
    listen=(("udp", HOST, 0), ("tcp", HOST, 0)),
    t1=0.005,
    t2=0.02,
    t4=0.02,
    message_timeout=WAIT,
    idle_timeout=WAIT,
    connect_timeout=WAIT,
)
PATIENT = dataclasses.replace(FAST, t1=0.5, t2=4.0, t4=5.0)
"""With the timers of the RFC: nothing is repeated while a test looks."""

T = TypeVar("T")


async def soon(queue: "asyncio.Queue[T]") -> T:
    async with asyncio.timeout(WAIT):
        return await queue.get()


class WatchedEndpoint(Endpoint):
    """Tells when transactions and connections are gone."""

    def __init__(self, settings: SipSettings, security: SipSecuritySettings | None, tls: TlsContexts | None) -> None:
        super().__init__(settings, security=security, tls=tls)
        self._heard = 0
        self._changed = asyncio.Event()

    async def becomes_quiet(self) -> None:
        async with asyncio.timeout(WAIT):
            while self.transaction_count:
                self._changed.clear()
                await self._changed.wait()

    async def has_heard(self, count: int) -> None:
        """Wait until that many messages have come since the start, dropped ones as well."""
        async with asyncio.timeout(WAIT):
            while self._heard < count:
                self._changed.clear()
                await self._changed.wait()

    async def connections_are(self, count: int) -> None:
        async with asyncio.timeout(WAIT):
            while self.connection_count != count:
                self._changed.clear()
                await self._changed.wait()

    def _on_message(self, data: bytes, flow: Flow) -> None:
        super()._on_message(data, flow)
        self._heard += 1
        self._changed.set()

    def _on_flow_closed(self, flow: Flow) -> None:
        super()._on_flow_closed(flow)
        # The socket itself goes in a callback that is scheduled already.
        asyncio.get_running_loop().call_soon(self._changed.set)

    def client_over(self, key: ClientKey) -> None:
        super().client_over(key)
        self._changed.set()

    def server_over(self, key: ServerKey) -> None:
        super().server_over(key)
        self._changed.set()


class Site:
    """An endpoint whose callbacks fill queues."""

    def __init__(self, settings: SipSettings, security: SipSecuritySettings | None, tls: TlsContexts | None) -> None:
        self.endpoint = WatchedEndpoint(settings, security, tls)
        self.requests: asyncio.Queue[tuple[ServerTransaction, Request]] = asyncio.Queue()
        self.cancels: asyncio.Queue[tuple[ServerTransaction, Request]] = asyncio.Queue()
        self.acks: asyncio.Queue[Request] = asyncio.Queue()
        self.endpoint.on_request = lambda transaction, request: self.requests.put_nowait((transaction, request))
        self.endpoint.on_cancel = lambda transaction, cancel: self.cancels.put_nowait((transaction, cancel))
        self.endpoint.on_ack = lambda ack, _source: self.acks.put_nowait(ack)

    def at(self, transport: Transport) -> Destination:
        port = next(listener.port for listener in self.endpoint.listeners if listener.transport == transport)
        return Destination(transport, HOST, port)

    def send(self, request: Request, destination: Destination) -> "Sent":
        return Sent(self.endpoint, request, destination)


class Sent:
    """A request under way, and what came of it: responses, or the reason of a failure."""

    def __init__(self, endpoint: Endpoint, request: Request, destination: Destination) -> None:
        self.outcomes: asyncio.Queue[Response | str] = asyncio.Queue()
        self.has_returned = False
        self.transaction: ClientTransaction = endpoint.send_request(
            request, destination, on_response=self.outcomes.put_nowait, on_failure=self._fail
        )
        self.has_returned = True

    def _fail(self, reason: str) -> None:
        assert self.has_returned, "failed before send_request returned"
        self.outcomes.put_nowait(reason)

    async def final(self) -> int | str:
        while True:
            outcome = await soon(self.outcomes)
            if isinstance(outcome, str):
                return outcome
            if not outcome.is_provisional:
                return outcome.status


@contextlib.asynccontextmanager
async def site(
    settings: SipSettings = FAST,
    *,
    security: SipSecuritySettings | None = None,
    tls: TlsContexts | None = None,
    **changes: Any,  # Any: fields of many types
) -> AsyncIterator[Site]:
    made = Site(dataclasses.replace(settings, **changes), security, tls)
    await made.endpoint.start()
    try:
        yield made
    finally:
        await made.endpoint.stop()


class UdpPeer(asyncio.DatagramProtocol):
    """A bare UDP socket."""

    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The selector loop's class is no subclass of the one that it is documented to be.
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # Any: as asyncio types it
        self.datagrams.put_nowait(data)

    @property
    def address(self) -> Destination:
        assert self.transport is not None
        return Destination("udp", HOST, self.transport.get_extra_info("sockname")[1])

    def send(self, message: Request | Response | bytes, to: Destination) -> None:
        assert self.transport is not None
        data = message if isinstance(message, bytes) else serialize(message)
        self.transport.sendto(data, (to.host, to.port))

    async def receive(self) -> Request | Response:
        return parse(await soon(self.datagrams))

    async def response(self) -> Response:
        message = await self.receive()
        assert isinstance(message, Response)
        return message

    async def request(self) -> Request:
        message = await self.receive()
        assert isinstance(message, Request)
        return message


@contextlib.asynccontextmanager
async def udp_peer() -> AsyncIterator[UdpPeer]:
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(UdpPeer, local_addr=(HOST, 0))
    try:
        yield peer
    finally:
        transport.close()


class TcpPeer:
    """A bare TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, message: Request | Response | bytes) -> None:
        self.writer.write(message if isinstance(message, bytes) else serialize(message))

    async def receive(self) -> Request | Response:
        async with asyncio.timeout(WAIT):
            head = b""
            while not head.strip():  # pings between the messages
                head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            return parse(head + await self.reader.readexactly(length))

    async def response(self) -> Response:
        message = await self.receive()
        assert isinstance(message, Response)
        return message

    async def request(self) -> Request:
        message = await self.receive()
        assert isinstance(message, Request)
        return message

    async def rest(self) -> bytes:
        """Everything until the far end closes."""
        async with asyncio.timeout(WAIT):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def tcp_peer(to: Destination) -> AsyncIterator[TcpPeer]:
    peer = TcpPeer(*await asyncio.open_connection(to.host, to.port))
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def tcp_listener() -> AsyncIterator[tuple[Destination, "asyncio.Queue[TcpPeer]"]]:
    """A bare listener: its address, and the connections that it took."""
    taken: asyncio.Queue[TcpPeer] = asyncio.Queue()
    peers: list[TcpPeer] = []

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(TcpPeer(reader, writer))
        taken.put_nowait(peers[-1])

    server = await asyncio.start_server(take, HOST, 0)
    try:
        yield Destination("tcp", HOST, server.sockets[0].getsockname()[1]), taken
    finally:
        server.close()
        for peer in peers:
            await peer.close()
        await server.wait_closed()
