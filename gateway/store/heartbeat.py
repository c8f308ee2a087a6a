"""Notes every few seconds which calls live, so that the records of those that a crash ends are closed rightly."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy import update

from gateway.domain.facts import CallEnded, CallInitiated, ClientLegClosed, ClientLegFact, ClientLegOpened, Fact
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.store.database import Database
from gateway.store.errors import StoreError
from gateway.store.schema import calls, detail_records

_AT_ONCE: Final = 5000
"""Ids of one UPDATE; a database takes some 32,000 values in a statement."""

_log = get_logger()


class Heartbeat:
    """One UPDATE a table for everything that lives; nothing is written while nobody talks."""

    def __init__(self, database: Database, *, interval: float, clock: Callable[[], datetime] = utc_now) -> None:
        """
        Args:
            interval: see `[store] alive_interval`.
        """
        self._database, self._interval, self._clock = database, interval, clock
        self._calls: set[str] = set()
        self._legs: set[str] = set()
        self._is_failing = False
        self._stopped = asyncio.Event()

    def take(self, fact: Fact) -> None:
        """Hear how calls come and go."""
        if isinstance(fact, CallInitiated):
            self._calls.add(fact.call_id)
        elif isinstance(fact, CallEnded):
            self._calls.discard(fact.call_id)

    def take_leg(self, fact: ClientLegFact) -> None:
        """Hear how the legs of clients come and go."""
        if isinstance(fact, ClientLegOpened):
            self._legs.add(fact.leg_id)
        elif isinstance(fact, ClientLegClosed):
            self._legs.discard(fact.leg_id)

    async def run(self) -> None:
        """Beat until `stop`; run it in a task of your own."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._interval
        while not self._stopped.is_set():
            try:
                async with asyncio.timeout_at(due):
                    await self._stopped.wait()
            except TimeoutError:
                await self._beat_or_log()
                due = max(due + self._interval, loop.time())

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stopped.set()

    async def beat(self) -> None:
        """Note it now. A record that is closed already stays as it is.

        Raises:
            StoreError: it is not noted.
        """
        if not self._calls and not self._legs:
            return
        at = self._clock()
        async with self._database.write(is_record=True) as sql:
            for ids in _parts(sorted(self._calls)):
                live = calls.c.call_id.in_(ids) & calls.c.ended_at.is_(None)
                await sql.execute(update(calls).where(live).values(alive_at=at))
            for ids in _parts(sorted(self._legs)):
                open_ones = detail_records.c.leg_id.in_(ids) & detail_records.c.finished_at.is_(None)
                await sql.execute(update(detail_records).where(open_ones).values(alive_at=at))

    async def _beat_or_log(self) -> None:
        """A database that is down is told of once."""
        try:
            await self.beat()
        except StoreError as error:
            if not self._is_failing:
                _log.error("heartbeat_not_written", error_code=error.code, detail=str(error))
            self._is_failing = True
        else:
            self._is_failing = False


def _parts(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(ids)
    while part := list(islice(rest, _AT_ONCE)):
        yield part
