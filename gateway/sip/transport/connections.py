"""All TCP and TLS connections: which are open, which may be, and reuse (RFC 3261 section 18.1.1, 18.2.2)."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_MESSAGES_REFUSED
from gateway.sip.core.errors import TlsFailed
from gateway.sip.core.framing import Broken
from gateway.sip.core.rate import TokenBucket
from gateway.sip.settings import SipSettings
from gateway.sip.tasks import TaskOwner
from gateway.sip.transport.flow import Destination, Flow
from gateway.sip.transport.tcp import ConnectionEvents, Role, TcpConnection
from gateway.sip.transport.tls import SHUTDOWN_TIMEOUT, TlsAcceptor, check_identity, explain
from gateway.sip.transport.tls_contexts import TlsContexts

STRANGERS_SHARE: Final = 4
"""One of so many accepted connections may belong to sources that may not call us, so that trunks find room."""

LINES_PER_SECOND: Final = 0.2
"""Log lines about handshakes that far ends began and that failed; the metric counts all of them."""

BURST: Final = 10
"""Such lines at once."""

_log = get_logger()


class TcpConnections:
    """Accepted and opened connections, found again by the far end's address.

    Args:
        accept: whether that source may call us.
        is_banned: whether a connection of that IP address is to be closed at once.
        on_closed: a flow on which nothing can be sent any more.
        tls: contexts for connections over TLS; None when there is no listener for them.
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
        tls: TlsContexts | None,
    ) -> None:
        self._settings, self._accept, self._on_closed = settings, accept, on_closed
        self._is_banned = is_banned
        self._events = ConnectionEvents(self._may_stay, on_message, on_broken, self._forget, self._release)
        self._by_remote: dict[Destination, TcpConnection] = {}
        self._held: set[TcpConnection] = set()
        self._holders: dict[Destination, list[Callable[[], None]]] = {}
        self._strangers: set[TcpConnection] = set()
        self._tls = tls
        self._failure_lines = TokenBucket(rate=LINES_PER_SECOND, burst=BURST)
        self._tasks = TaskOwner()
        self._all_released = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def accepted(self) -> TcpConnection:
        """The protocol for a connection that a TCP listener takes."""
        connection = TcpConnection(Role.ACCEPTED, self._settings, self._events, None)
        self._held.add(connection)
        return connection

    def accepted_tls(self) -> TlsAcceptor:
        """The protocol for a connection that a TLS listener takes: counted before its handshake, like any other."""
        assert self._tls is not None
        return TlsAcceptor(
            self._tls.server(),
            handshake_timeout=self._tls.handshake_timeout,
            tasks=self._tasks,
            admit=self._admit_tls,
            on_failed=self._on_handshake_failed,
        )

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
        self._keep_alive(remote)
        self._tasks.start(self._connect(connection, local_host))
        return connection

    def hold(self, remote: Destination, on_lost: Callable[[], None]) -> None:
        """Somebody needs the way to that address: keep a connection of ours alive while there is one.

        Args:
            on_lost: told each time when such a connection ends.
        """
        self._holders.setdefault(remote, []).append(on_lost)
        self._keep_alive(remote)

    def release(self, remote: Destination, on_lost: Callable[[], None]) -> None:
        """One `hold` less; a connection that nobody needs ends by its idle timeout."""
        self._holders[remote].remove(on_lost)
        if not self._holders[remote]:
            del self._holders[remote]
            self._keep_alive(remote)

    def _keep_alive(self, remote: Destination) -> None:
        connection = self._by_remote.get(remote)
        if connection is not None and connection.role is Role.OPENED:
            connection.keep_alive(is_wanted=remote in self._holders)

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
        secured: dict[str, Any] = {} if remote.transport == "tcp" else self._tls_options(remote)
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                await loop.create_connection(lambda: connection, remote.host, remote.port, local_addr=local, **secured)
                is_connected = True
        except ssl.SSLError as exc:
            self._tell_failure(remote, TlsFailed(explain(exc)))
        except (OSError, TimeoutError) as exc:
            _log.info("sip_connection_failed", peer=str(remote), error=str(exc) or type(exc).__name__)
        finally:
            if not is_connected:
                connection.abort()

    def _tls_options(self, remote: Destination) -> dict[str, Any]:  # Any: keyword arguments of create_connection
        assert self._tls is not None
        domain = remote.domain or remote.host
        return {
            "ssl": self._tls.client(domain),
            "server_hostname": domain,
            "ssl_handshake_timeout": self._tls.handshake_timeout,
            "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT,
        }

    def _may_stay(self, connection: TcpConnection) -> bool:
        if connection.role is Role.OPENED:
            return connection.remote.transport != "tls" or self._is_whom_we_called(connection)
        if self._by_remote.get(connection.remote) is connection:
            return True  # admitted before its handshake
        return self._admit(connection)

    def _is_whom_we_called(self, connection: TcpConnection) -> bool:
        try:
            check_identity(connection.peer_certificate, connection.remote.domain or connection.remote.host)
        except TlsFailed as error:
            self._tell_failure(connection.remote, error)
            return False
        return True

    def _tell_failure(self, remote: Destination, error: TlsFailed) -> None:
        _log.warning("sip_tls_failed", peer=str(remote), error_code=error.code, error=str(error))

    def _on_handshake_failed(self, remote: Destination, error: TlsFailed) -> None:
        SIP_MESSAGES_REFUSED.labels("tls").inc()
        if self._failure_lines.take(asyncio.get_running_loop().time()):
            held_back = self._failure_lines.held_back()
            _log.info("sip_handshake_failed", peer=str(remote), error=str(error), not_logged=held_back)

    def _admit_tls(self, remote: Destination) -> TcpConnection | None:
        connection = TcpConnection(Role.ACCEPTED, self._settings, self._events, remote)
        self._held.add(connection)
        if self._admit(connection):
            return connection
        self._held.discard(connection)
        return None

    def _admit(self, connection: TcpConnection) -> bool:
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
        if connection.role is Role.OPENED:
            for on_lost in tuple(self._holders.get(connection.remote, ())):
                on_lost()

    def _release(self, connection: TcpConnection) -> None:
        self._held.discard(connection)
        self._strangers.discard(connection)
        if not self._held:
            self._all_released.set()

    def _count(self, role: Role) -> int:
        return sum(connection.role is role for connection in self._held)
