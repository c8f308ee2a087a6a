"""Sends traces to a HEP collector over UDP. A collector that is not there costs packets, never a call."""

import asyncio
from typing import Final, cast

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry
from gateway.observability.logging import get_logger
from gateway.observability.metrics import HEP_PACKETS
from gateway.traces.core.hep import encode
from gateway.traces.settings import HepSettings

RESOLVE_TIMEOUT: Final = 5.0
"""Seconds for the collector's name."""

RETRY_AFTER: Final = 30.0
"""Seconds after which a name that could not be resolved is tried again."""

_log = get_logger()


class HepSender(asyncio.DatagramProtocol):
    """One socket to one collector."""

    def __init__(self, settings: HepSettings) -> None:
        self._settings = settings
        self._transport: asyncio.DatagramTransport | None = None
        self._retry_at = 0.0
        self._is_failing = self._is_congested = False

    async def open(self) -> None:
        """Have a socket, if there is a collector and it is not too soon to try again. Raises nothing."""
        address, loop = self._settings.address, asyncio.get_running_loop()
        if address is None or self._transport is not None or loop.time() < self._retry_at:
            return
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT):
                await loop.create_datagram_endpoint(lambda: self, remote_addr=address)
        except (OSError, TimeoutError) as error:
            self._retry_at = loop.time() + RETRY_AFTER
            self._fail(str(error) or "timeout")

    def send(self, call_id: CallId, entry: TraceEntry) -> None:
        """Send one entry, whose secrets are out, or drop it."""
        if self._settings.address is None:
            return
        transport = self._transport
        if transport is None or self._is_congested:
            HEP_PACKETS.labels("dropped").inc()
            return
        packet = encode(call_id, entry, capture_id=self._settings.capture_id, password=self._settings.password)
        if packet is not None:
            transport.sendto(packet)
            HEP_PACKETS.labels("sent").inc()

    def close(self) -> None:
        """Give the socket up; idempotent."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio types it as the base class

    def pause_writing(self) -> None:
        self._is_congested = True  # asyncio's buffer (64 KiB) is full: what comes now is dropped

    def resume_writing(self) -> None:
        self._is_congested = False

    def error_received(self, exc: Exception) -> None:
        # ICMP says that nobody listens there: the packets are lost until somebody does.
        self._fail(str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _fail(self, reason: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            _log.warning("hep_collector_unreachable", collector=self._settings.collector, detail=reason)
