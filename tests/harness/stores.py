"""Waits for what the gateway stores of calls."""

import asyncio

from tests.harness.gateway import Running


class Stores:
    """Tells when something has been stored."""

    def __init__(self, gateway: Running) -> None:
        archive = gateway.gateway.reports.archive
        self.count, before = 0, archive.on_stored
        self._changed = asyncio.Event()

        def stored(size: int) -> None:
            before(size)
            self.count += 1
            self._changed.set()

        archive.on_stored = stored

    async def until(self, count: int) -> None:
        """Return once so many objects have been stored."""
        async with asyncio.timeout(30):
            while self.count < count:
                self._changed.clear()
                await self._changed.wait()
