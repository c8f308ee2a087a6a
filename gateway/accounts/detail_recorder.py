"""Writes facts of clients' legs into the detail records, with what each leg costs. Nobody waits for the disk."""

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from gateway.accounts.connections import settings_of
from gateway.accounts.core.connection import ConnectionSettings
from gateway.accounts.core.numbering import look_up_party
from gateway.accounts.core.rating import CURRENCY, Tariff, charge, to_text
from gateway.accounts.lookups import Lookups
from gateway.domain.facts import ClientLegAnswered, ClientLegClosed, ClientLegFact, ClientLegOpened
from gateway.domain.ids import Direction
from gateway.observability.logging import get_logger
from gateway.observability.metrics import DETAIL_RECORDS
from gateway.store.detail_records import DetailRecords, FinishedLeg, NewLeg, OpenLeg
from gateway.store.errors import Duplicate, StoreError, StoreUnavailable
from gateway.store.pace import Pace

QUEUE_LIMIT: Final = 20_000
"""Facts that may wait. Full means that the database is far behind: further ones are dropped and counted."""

AT_ONCE: Final = 500
"""Facts that one transaction writes."""

RETRY_AFTER: Final = 1.0
"""Seconds until facts are tried again that the database did not take."""

FORGET_EVERY: Final = 1000
"""Completed records after which the oldest are looked for."""

_log = get_logger()


class DetailRecorder:
    """One writer task. A database that is down for a while costs no record, a full queue does."""

    def __init__(
        self,
        records: DetailRecords,
        lookups: Lookups,
        tariff: Tariff,
        *,
        keep: int,
        new_channel_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """
        Args:
            keep: records that are kept, see `[store] keep_detail_records`.
        """
        self._records, self._lookups, self._tariff, self._keep = records, lookups, tariff, keep
        self._new_channel_id = new_channel_id
        self._waiting: deque[ClientLegFact] = deque()
        self._live: dict[str, OpenLeg] = {}
        self._pace = Pace(enough=AT_ONCE)
        self._stopped = asyncio.Event()
        self._is_late = False
        self._dropped = self._finished = 0

    def record(self, fact: ClientLegFact) -> None:
        """Take a fact; returns at once."""
        if len(self._waiting) >= QUEUE_LIMIT:
            self._lose(1)
            return
        self._waiting.append(fact)
        self._pace.tell(len(self._waiting))

    async def close_orphans(self) -> int:
        """Complete the records of legs that were live when the gateway died, as of when they were last seen alive.

        Returns:
            how many.
        """
        legs = await self._records.open_legs()
        for start in range(0, len(legs), AT_ONCE):
            await self._records.write(finished=[self._charged(leg) for leg in legs[start : start + AT_ONCE]])
        return len(legs)

    async def run(self) -> None:
        """Write until `stop`, and then what is left, once; run it in a task of your own."""
        while self._waiting or not self._stopped.is_set():
            await self._pace.wait(len(self._waiting))
            facts = list(islice(self._waiting, AT_ONCE))
            try:
                await self._write(facts)
            except StoreUnavailable as error:
                if self._stopped.is_set():
                    self._lose(len(self._waiting))
                    return
                await self._be_late(error)
                continue
            for _ in facts:
                self._waiting.popleft()
            await self._after_writing()

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stopped.set()
        self._pace.end()

    # ---- inside

    async def _write(self, facts: Sequence[ClientLegFact]) -> None:
        live = dict(self._live)
        try:
            await self._put(facts, live)
        except Duplicate:
            # Some are written already, by a try that the database did and never confirmed: one by one.
            live = dict(self._live)
            for fact in facts:
                with contextlib.suppress(Duplicate):
                    await self._put([fact], live)
        self._live = live

    async def _put(self, facts: Sequence[ClientLegFact], live: dict[str, OpenLeg]) -> None:
        """Write them in one transaction; `live` is kept up with them."""
        opened: list[NewLeg] = []
        answered: list[ClientLegAnswered] = []
        finished: list[FinishedLeg] = []
        for fact in facts:
            match fact:
                case ClientLegOpened():
                    opened.append(new := await self._new(fact))
                    live[fact.leg_id] = _open_leg(new)
                case ClientLegAnswered() if (leg := live.get(fact.leg_id)) is not None:
                    answered.append(fact)
                    live[fact.leg_id] = replace(leg, answered_at=fact.at)
                case ClientLegClosed() if (leg := live.pop(fact.leg_id, None)) is not None:
                    finished.append(self._charged(leg, fact))
                case _:
                    pass  # of a leg whose beginning was lost, and counted then
        await self._records.write(opened, answered, finished)
        self._finished += len(finished)
        DETAIL_RECORDS.labels(result="written").inc(len(finished))

    async def _new(self, fact: ClientLegOpened) -> NewLeg:
        name, settings = None, ConnectionSettings()
        if fact.connection_id is not None:
            connection = await self._lookups.connection(fact.connection_id)
            if connection is not None:  # else it was removed while its client calls
                name, settings = connection.name, settings_of(connection)
        cli = look_up_party(fact.cli, settings.outbound.localization)
        cld = look_up_party(fact.cld, settings.outbound.localization)
        return NewLeg(
            opened=fact,
            channel_id=self._new_channel_id(),
            cli=cli.e164,
            cld=cld.e164,
            country_code=cld.country_code,
            source_country_code=cli.country_code,
            connection_name=name,
            tags=",".join(settings.tags),
        )

    def _charged(self, leg: OpenLeg, closed: ClientLegClosed | None = None) -> FinishedLeg:
        """A client that is called pays no destination: its minutes have the default price."""
        finished_at = leg.alive_at if closed is None else closed.at
        is_outbound = leg.direction is Direction.OUTBOUND
        rate = self._tariff.price_per_minute(leg.cld) if is_outbound else self._tariff.default
        made = charge(leg.answered_at, finished_at, rate)
        return FinishedLeg(
            leg_id=leg.leg_id,
            finished_at=finished_at,
            call_s=made.call_s,
            billed_s=made.billed_s,
            rate=to_text(made.rate),
            cost=to_text(made.cost),
            currency=CURRENCY,
            verto_call_id=None if closed is None else closed.verto_call_id,
        )

    async def _be_late(self, error: StoreUnavailable) -> None:
        if not self._is_late:
            self._is_late = True
            _log.error("detail_records_late", error_code=error.code, detail=str(error), count=len(self._waiting))
        try:
            async with asyncio.timeout(RETRY_AFTER):
                await self._stopped.wait()  # only a stop is a reason to try earlier
        except TimeoutError:
            return

    async def _after_writing(self) -> None:
        if self._is_late or self._dropped:
            _log.info("detail_records_caught_up", dropped=self._dropped)
            self._is_late, self._dropped = False, 0
        if self._finished >= FORGET_EVERY:
            self._finished = 0
            try:
                await self._records.forget_all_but(self._keep)
            except StoreError as error:
                _log.error("detail_records_not_forgotten", error_code=error.code, detail=str(error))

    def _lose(self, count: int) -> None:
        if not self._dropped:
            _log.error("detail_records_dropped", error_code="store_error", limit=QUEUE_LIMIT)
        self._dropped += count
        DETAIL_RECORDS.labels(result="lost").inc(count)


def _open_leg(leg: NewLeg) -> OpenLeg:
    fact = leg.opened
    return OpenLeg(leg_id=fact.leg_id, direction=fact.direction, cld=leg.cld, answered_at=None, alive_at=fact.at)
