"""Old traces go, a piece at a time, while the gateway runs."""

import asyncio
from datetime import datetime

from structlog.testing import capture_logs

from gateway.store.errors import StoreUnavailable
from gateway.store.traces import AT_ONCE, Traces
from gateway.traces.retention import TraceRetention
from gateway.traces.settings import TraceSettings
from tests.unit.traces.samples import NOON, at


class Table(Traces):
    """So many rows that are old."""

    def __init__(self, old: int) -> None:
        self.old, self.asked = old, list[tuple[datetime, int]]()
        self.failures = 0
        self.looked = asyncio.Event()

    async def forget(self, *, before: datetime, keep: int) -> int:
        self.asked.append((before, keep))
        self.looked.set()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("no disk")
        gone = min(self.old, AT_ONCE)
        self.old -= gone
        return gone


def retention(table: Table, **settings: float) -> TraceRetention:
    made = TraceSettings(keep=60.0, keep_messages=7, cleanup_interval=settings.get("interval", 300.0))
    return TraceRetention(made, table, clock=lambda: NOON)


async def test_all_that_is_old_goes_in_pieces() -> None:
    table = Table(2 * AT_ONCE + 1)

    gone = await retention(table).clean()

    assert gone == 2 * AT_ONCE + 1
    assert table.asked == [(at(-60), 7)] * 3


async def test_database_that_fails_is_asked_again_the_next_time() -> None:
    table = Table(1)
    table.failures = 1
    made = retention(table, interval=0.001)
    with capture_logs() as lines:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(made.run())
            while table.old:
                table.looked.clear()
                await table.looked.wait()
            made.stop()

    assert [line["event"] for line in lines] == ["traces_not_forgotten"]


async def test_stop_ends_it_in_the_middle_of_a_wait() -> None:
    table = Table(0)
    made = retention(table)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(made.run())
        await table.looked.wait()
        made.stop()

    assert len(table.asked) == 1


async def test_nothing_is_deleted_once_it_is_stopped() -> None:
    table = Table(10)
    made = retention(table)
    made.stop()

    assert await made.clean() == 0
