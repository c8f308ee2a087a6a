"""TCP connections, and what TLS puts on them (RFC 3261 section 18, RFC 5626 keep-alives)."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from gateway.observability.logging import get_logger
from gateway.sip.core.errors import TlsFailed
from gateway.sip.core.framing import Broken, Frame, MessageFrame, Ping, StreamFramer
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Destination, Flow
from gateway.sip.transport.pinger import PING, Pinger

MAX_UNSENT_BYTES: Final = 1024 * 1024
"""What may wait for a peer that does not read, and for a connection that is being opened; beyond, it is cut."""

_PONG: Final = b"\r\n"
_log = get_logger()


class Role(Enum):
    """Who opened a connection."""

    ACCEPTED = "accepted"
    """The far end did."""
    OPENED = "opened"
    """We did."""


class Waiting(Enum):
    """What the deadline of an open connection is for."""

    FIRST_MESSAGE = "no first message"
    """A far end that connects has something to say; pings do not count."""
    REST_OF_MESSAGE = "message not complete"
    IDLE = "idle"


class State(Enum):
    """The life of a connection."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ConnectionEvents:
    """Where a connection reports.

    Attributes:
        on_open: answers whether it may stay.
        on_closed: nothing can be sent this way any more; once.
        on_released: it holds no socket any more; may be told twice.
    """

    on_open: Callable[["TcpConnection"], bool]
    on_message: Callable[[bytes, Flow], None]
    on_broken: Callable[[Broken, Flow], None]
    on_closed: Callable[["TcpConnection"], None]
    on_released: Callable[["TcpConnection"], None]


class TcpConnection(asyncio.Protocol):
    """One connection, a flow to its far end.

    Messages sent while it is being opened wait in it. It closes itself when it is idle for too long, when a message
    that was begun does not end in time, and when the far end does not read.
    """

    def __init__(self, role: Role, settings: SipSettings, events: ConnectionEvents, remote: Destination | None) -> None:
        """`remote` is known beforehand for a connection that we open and for one with TLS, else None."""
        self.role, self.state = role, State.CONNECTING
        self._settings, self._events = settings, events
        self._remote = remote or Destination("tcp", "", 0)
        self._framer = StreamFramer(max_message_bytes=settings.max_message_bytes)
        self._transport: asyncio.Transport | None = None
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._waiting = Waiting.IDLE
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pinger = Pinger(settings, ping=self._ping, on_dead=self._die)

    @property
    def remote(self) -> Destination:
        return self._remote

    @property
    def is_reliable(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        """True while it is being opened, too: what is sent then waits for the connection."""
        return self.state is not State.CLOSED

    def send(self, data: bytes) -> bool:
        if self.state is State.CLOSED:
            return False
        if self._transport is None:
            self._unsent_bytes += len(data)
            if self._unsent_bytes > MAX_UNSENT_BYTES:
                return False
            self._unsent.append(data)
            return True
        if self._transport.get_write_buffer_size() + len(data) > MAX_UNSENT_BYTES:
            _log.warning("sip_connection_cut", peer=str(self._remote), reason="peer does not read")
            self.abort()
            return False
        self._transport.write(data)
        return True

    @property
    def peer_certificate(self) -> bytes | None:
        """What the far end showed in its TLS handshake, DER; None without TLS or certificate."""
        found = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        certificate: bytes | None = None if found is None else found.getpeercert(binary_form=True)
        return certificate

    def to_port(self, port: int) -> "TcpConnection":
        return self

    def keep_alive(self, *, is_wanted: bool) -> None:
        """Ping the far end from now on, or no longer."""
        if is_wanted and self.state is not State.CLOSED:
            self._pinger.start()
        else:
            self._pinger.stop()

    def close(self) -> None:
        """Close it when what was sent has left, at the latest with the message timeout; idempotent."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._disarm()
            self._timer = loop.call_later(self._settings.message_timeout, self._transport.abort)
        self._end()

    def abort(self) -> None:
        """Close it at once, or give up opening it; idempotent."""
        self._disarm()
        if self._transport is not None:
            self._transport.abort()
            self._end()
        else:
            self._end()
            self._events.on_released(self)

    def _end(self) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self._pinger.stop()
            self._unsent.clear()
            self._events.on_closed(self)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Typed as the base class by asyncio; a stream server or client always hands over a Transport.
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if self.state is State.CLOSED or peer is None:
            # Given up while it was being opened, or gone before it was accepted.
            self.abort()
            return
        if not self._remote.host:
            self._remote = Destination("tcp", peer[0], peer[1])
        self.state = State.OPEN
        if not self._events.on_open(self):
            self.abort()
            return
        self._wait_for(Waiting.FIRST_MESSAGE if self.role is Role.ACCEPTED else Waiting.IDLE)
        while self._unsent and self._transport is not None:
            self._transport.write(self._unsent.popleft())

    def data_received(self, data: bytes) -> None:
        if self.state is not State.OPEN:
            return
        self._pinger.heard(data)
        has_completed = False
        for frame in self._framer.receive(data):
            has_completed |= isinstance(frame, MessageFrame)
            try:
                self._take(frame)
            except Exception:
                # The last line of defence: one message that breaks something leaves those behind it alone.
                _log.exception("sip_message_crashed", peer=str(self._remote))
        if self.is_open:
            self._watch(has_completed=has_completed)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError) and self.role is Role.OPENED:
            # With TLS 1.3 a far end refuses our certificate when we have long taken the handshake for done.
            _log.warning("sip_tls_failed", peer=str(self._remote), error_code=TlsFailed.code, error=exc.reason)
        self._transport = None
        self._disarm()
        self._end()
        self._events.on_released(self)

    def _take(self, frame: Frame) -> None:
        match frame:
            case Ping():
                self.send(_PONG)
            case MessageFrame(data=message):
                self._events.on_message(message, self)
            case Broken():
                self._events.on_broken(frame, self)
                self.close()

    # Time

    def _ping(self) -> None:
        if self._transport is None:
            return  # being opened: its own deadline counts
        if (sock := self._transport.get_extra_info("socket")) is not None:
            # A dead way shows even if the far end never answers pings: the kernel gives up what is not acknowledged.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._settings.keepalive_timeout * 1000))
        self.send(PING)

    def _die(self) -> None:
        _log.info("sip_connection_dead", peer=str(self._remote))
        self.abort()

    def _watch(self, *, has_completed: bool) -> None:
        """Move the deadline. From the first byte of a message it stays until that message is complete."""
        is_idle = self._waiting is Waiting.IDLE
        if self._framer.is_mid_message:
            if has_completed or is_idle:
                self._wait_for(Waiting.REST_OF_MESSAGE)
        elif has_completed or is_idle:
            # Not reached by an accepted far end that has only pinged: it keeps its first deadline.
            self._wait_for(Waiting.IDLE)

    def _wait_for(self, waiting: Waiting) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = waiting
        is_idle = waiting is Waiting.IDLE
        self._deadline = loop.time() + (self._settings.idle_timeout if is_idle else self._settings.message_timeout)
        if self._timer is None or self._timer.when() > self._deadline:
            self._disarm()
            self._timer = loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            # Moved on since it was armed: a busy connection does not arm a timer for each message.
            self._timer = loop.call_at(self._deadline, self._on_timer)
            return
        if self._waiting is Waiting.IDLE and self._pinger.is_active:
            self._wait_for(Waiting.IDLE)  # somebody needs it, and the pings tell when it is dead
            return
        _log.debug("sip_connection_reaped", peer=str(self._remote), reason=self._waiting.value)
        self.abort()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
