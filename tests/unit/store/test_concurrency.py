"""Many at once: no change is lost, and the loop goes on turning."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pytest_asyncio

from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from gateway.store.database import Database
from gateway.store.numbers import Number, Numbers
from gateway.store.orders import Order, Orders
from gateway.store.paging import Page
from gateway.store.profiles import Profile, Profiles
from gateway.store.settings import StoreSettings
from tests.unit.store.samples import connection, credential, number, order, profile

OWNER = connection().connection_id


@pytest_asyncio.fixture
async def database(fresh_store: StoreSettings) -> AsyncIterator[Database]:
    """With the patience that a busy machine asks for."""
    opened = await Database.open(replace(fresh_store, busy_timeout=30.0))
    yield opened
    await opened.close()


_RowT = TypeVar("_RowT", Connection, Profile, Number)


def _with(key: str, value: int) -> Callable[[_RowT], _RowT]:
    def change(row: _RowT) -> _RowT:
        return replace(row, settings={**row.settings, key: value})

    return change


async def test_of_fifty_merges_at_once_none_is_lost(database: Database) -> None:
    connections, profiles, numbers = Connections(database), Profiles(database), Numbers(database)
    await connections.add(connection())
    await profiles.add(replace(profile(), settings={}))
    await numbers.add(number(connection_id=OWNER))
    profile_id, number_id = profile().profile_id, number(connection_id=None).number_id

    async with asyncio.TaskGroup() as group:
        for i in range(50):
            group.create_task(connections.change(OWNER, _with(f"key {i}", i)))
            group.create_task(profiles.change(profile_id, _with(f"key {i}", i)))
            group.create_task(numbers.change(number_id, _with(f"key {i}", i)))

    expected = {f"key {i}": i for i in range(50)}
    assert (await connections.get(OWNER)).settings == expected
    assert (await profiles.get(profile_id)).settings == expected
    assert (await numbers.get(number_id)).settings == expected


def _named(i: int) -> Callable[[Credential], Credential]:
    return lambda row: replace(row, name=f"{row.name},{i}")


def _ordered(i: int) -> Callable[[Order], Order]:
    return lambda row: replace(row, phone_numbers=[*row.phone_numbers, {"i": i}])


async def test_of_fifty_changes_of_one_column_at_once_none_is_lost(database: Database) -> None:
    credentials, orders = Credentials(database), Orders(database)
    await Connections(database).add(connection())
    row = replace(credential(connection_id=OWNER), name="")
    await credentials.add(row)
    await orders.add(order(phone_numbers=0), [])

    async with asyncio.TaskGroup() as group:
        for i in range(50):
            group.create_task(credentials.change(row.credential_id, _named(i)))
            group.create_task(orders.change(order().order_id, _ordered(i)))

    names = (await credentials.get(row.credential_id)).name.split(",")
    assert sorted(map(int, names[1:])) == list(range(50))
    assert sorted(item["i"] for item in (await orders.get(order().order_id)).phone_numbers) == list(range(50))


@dataclass
class _Turns:
    """How long the loop was away from its timers: by the clock, and computing in its own thread."""

    late: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        loop = asyncio.get_running_loop()
        self.timer = loop.call_at(loop.time() + 0.001, self._fire, loop.time() + 0.001, time.thread_time())

    def _fire(self, due: float, before: float) -> None:
        self.late.append(asyncio.get_running_loop().time() - due)
        self.computed.append(time.thread_time() - before)
        self.arm()


async def test_loop_turns_while_two_hundred_read_and_write(database: Database) -> None:
    """The processor time of the longest turn does not depend on what else the machine does; the clock does."""
    connections, turns = Connections(database), _Turns()
    document = {f"key {i}": "x" * 100 for i in range(100)}
    for i in range(50):
        await connections.add(replace(connection(i), settings=document))

    def touch(row: Connection) -> Connection:
        return replace(row, settings={**row.settings, "touched": True})

    asyncio.get_running_loop().set_debug(False)  # it takes a stack of each callback, which is the longest part of all
    gc.collect()
    gc.freeze()  # what other tests of this worker have loaded is no part of a turn: one look through it takes 0.1 s
    async with asyncio.TaskGroup() as group:
        for i in range(100):
            group.create_task(connections.page(Page(size=50)))
            group.create_task(connections.change(connection(i % 50).connection_id, touch))
        # Behind the first steps of all: that they are taken in one turn is this test's doing.
        asyncio.get_running_loop().call_soon(turns.arm)
    assert turns.timer is not None
    turns.timer.cancel()
    gc.unfreeze()

    assert len(turns.late) > 50
    assert max(turns.computed) < 0.1
    assert max(turns.late) < 4.0
    assert all(row.settings["touched"] for row in (await connections.page(Page(size=50))).rows)
