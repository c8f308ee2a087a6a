"""All TCP connections: which are open, which may be, and reuse (RFC 3261 section 18.1.1, 18.2.2)."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_MESSAGES_REFUSED
from gateway.sip.core.framing import Broken
from gateway.sip.settings import SipSettings
from gateway.sip.tasks import TaskOwner
from gateway.sip.transport.flow import Destination, Flow
from gateway.sip.transport.tcp import ConnectionEvents, Role, TcpConnection

STRANGERS_SHARE: Final = 4
"""One of so many accepted connections may belong to sources that may not call us, so that trunks find room."""

_log = get_logger()


class TcpConnections:
    """Accepted and opened connections, found again by the far end's address.

    Args:
        accept: whether that source may call us.
        is_banned: whether a connection of that IP address is to be closed at once.
        on_closed: a flow on which nothing can be sent any more.
    """

    def __init__(
        self,
        settings: SipSettings,
        *,
        accept: Callable[[Destination], bool],
        is_banned: Callable[[str], bool],
        on_message: Callable[[bytes, Flow], None],
        on_broken: Callable[[Broken, Flow], None],
        on_closed: Callable[[Flow], None],
    ) -> None:
        self._settings, self._accept, self._on_closed = settings, accept, on_closed
        self._is_banned = is_banned
        self._events = ConnectionEvents(self._may_stay, on_message, on_broken, self._forget, self._release)
        self._by_remote: dict[Destination, TcpConnection] = {}
        self._held: set[TcpConnection] = set()
        self._strangers: set[TcpConnection] = set()
        self._tasks = TaskOwner()
        self._all_released = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def accepted(self) -> TcpConnection:
        """The protocol for a connection that a listener takes."""
        connection = TcpConnection(Role.ACCEPTED, self._settings, self._events, None)
        self._held.add(connection)
        return connection

    def get(self, remote: Destination) -> TcpConnection | None:
        """The open connection with that far end, whoever opened it."""
        return self._by_remote.get(remote)

    def open(self, remote: Destination, local_host: str | None) -> TcpConnection | None:
        """A connection to that address, open or being opened; None when there are too many.

        Args:
            local_host: the address to come from, None for the one that the route gives.
        """
        if (known := self._by_remote.get(remote)) is not None:
            return known
        if self._count(Role.OPENED) >= self._settings.max_connections:
            _log.warning("sip_connection_refused", peer=str(remote), reason="too many of our own")
            return None
        connection = TcpConnection(Role.OPENED, self._settings, self._events, remote)
        self._held.add(connection)
        self._by_remote[remote] = connection
        self._tasks.start(self._connect(connection, local_host))
        return connection

    async def close(self) -> None:
        """Cut every connection and wait until their sockets are gone."""
        await self._tasks.close()
        for connection in list(self._held):
            connection.abort()
        if self._held:
            self._all_released.clear()
            await self._all_released.wait()

    async def _connect(self, connection: TcpConnection, local_host: str | None) -> None:
        loop = asyncio.get_running_loop()
        remote = connection.remote
        local = None if local_host is None else (local_host, 0)
        is_connected = False
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await loop.create_connection(lambda: connection, remote.host, remote.port, local_addr=local)
                is_connected = True
        except (OSError, TimeoutError) as exc:
            _log.info("sip_connection_failed", peer=str(remote), error=str(exc) or type(exc).__name__)
        finally:
            if not is_connected:
                connection.abort()

    def _may_stay(self, connection: TcpConnection) -> bool:
        if connection.role is Role.OPENED:
            return True
        if self._is_banned(connection.remote.host):
            return False
        is_stranger = not self._accept(connection.remote)
        strangers = max(1, self._settings.max_connections // STRANGERS_SHARE)
        is_full = self._count(Role.ACCEPTED) > self._settings.max_connections
        if is_full or (is_stranger and len(self._strangers) >= strangers):
            SIP_MESSAGES_REFUSED.labels("flood").inc()
            return False
        if is_stranger:
            self._strangers.add(connection)
        self._by_remote[connection.remote] = connection
        return True

    def _forget(self, connection: TcpConnection) -> None:
        if self._by_remote.get(connection.remote) is connection:
            del self._by_remote[connection.remote]
        self._on_closed(connection)

    def _release(self, connection: TcpConnection) -> None:
        self._held.discard(connection)
        self._strangers.discard(connection)
        if not self._held:
            self._all_released.set()

    def _count(self, role: Role) -> int:
        return sum(connection.role is role for connection in self._held)
