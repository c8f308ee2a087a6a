"""The table of traces."""

from datetime import timedelta

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.store.database import Database
from gateway.store.traces import Traces
from tests.unit.store.samples import NOON

ONE, TWO = CallId("11111111-1111-1111-1111-111111111111"), CallId("22222222-2222-2222-2222-222222222222")


def entry(title: str, *, seconds: float = 0.0, body: bytes = b"") -> TraceEntry:
    return TraceEntry(
        at=NOON + timedelta(seconds=seconds),
        kind=TraceKind.SIP,
        way=Way.IN,
        channel="call-id",
        party="",
        transport="udp",
        local="192.0.2.1:5060",
        remote="[2001:db8::1]:5060",
        title=title,
        body=body,
    )


async def test_entries_come_back_as_they_were_octets_and_microseconds_included(database: Database) -> None:
    first, second = entry("INVITE", seconds=0.000001, body=b"\x00\xff\r\n"), entry("BYE")
    traces = Traces(database)
    await traces.add([(ONE, first), (TWO, entry("other")), (ONE, second)])

    assert [stored.entry for stored in await traces.of_call(ONE)] == [first, second]


async def test_only_what_is_new_is_read_by_whoever_follows(database: Database) -> None:
    traces = Traces(database)
    await traces.add([(ONE, entry("INVITE"))])
    [seen] = await traces.of_call(ONE)
    await traces.add([(ONE, entry("BYE"))])

    assert [stored.entry.title for stored in await traces.of_call(ONE, after=seen.sequence)] == ["BYE"]


async def test_text_that_strangers_chose_fits_its_column(database: Database) -> None:
    traces = Traces(database)
    await traces.add([(ONE, entry("\x00" + "x" * 1000))])

    [stored] = await traces.of_call(ONE)

    assert stored.entry.title == "\ufffd" + "x" * 255


async def test_old_entries_are_forgotten(database: Database) -> None:
    traces = Traces(database)
    await traces.add([(ONE, entry("old")), (ONE, entry("new", seconds=10))])

    gone = await traces.forget(before=NOON + timedelta(seconds=5), keep=100)

    assert gone == 1
    assert [stored.entry.title for stored in await traces.of_call(ONE)] == ["new"]


async def test_entries_beyond_the_newest_are_forgotten(database: Database) -> None:
    traces = Traces(database)
    await traces.add([(ONE, entry(str(number))) for number in range(5)])

    gone = await traces.forget(before=NOON, keep=2)

    assert gone == 3
    assert [stored.entry.title for stored in await traces.of_call(ONE)] == ["3", "4"]
