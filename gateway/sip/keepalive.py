"""Datagrams that keep the way to a trunk open through a NAT, for trunks that ask for it."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from gateway.sip.core.errors import SipError
from gateway.sip.endpoint import Endpoint
from gateway.sip.tasks import TaskOwner
from gateway.sip.trunk_settings import TrunkSettings


class UdpKeepAlive:
    """Sends a CRLF CRLF to each trunk's first address at its interval; nothing over TCP and TLS."""

    def __init__(self, endpoint: Endpoint, trunks: Iterable[TrunkSettings]) -> None:
        self._endpoint = endpoint
        self._trunks = tuple(trunk for trunk in trunks if trunk.keepalive)
        self._tasks = TaskOwner()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Send the first ones at once."""
        for trunk in self._trunks:
            self._tasks.start(self._send(trunk))

    async def stop(self) -> None:
        """Send nothing more; idempotent."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await self._tasks.close()

    async def _send(self, trunk: TrunkSettings) -> None:
        with suppress(SipError):  # a call to it says so; the next round asks again
            self._endpoint.ping(await self._endpoint.resolve(trunk.uri))
        loop = asyncio.get_running_loop()
        self._timers[trunk.name] = loop.call_later(trunk.keepalive, lambda: self._tasks.start(self._send(trunk)))
