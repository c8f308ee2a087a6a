"""Lists by pages."""

import asyncio

import pytest

from gateway.store.database import Database
from gateway.store.paging import Page
from gateway.store.profiles import Profiles
from tests.unit.store.samples import profile


@pytest.mark.parametrize("is_descending", [False, True])
async def test_rows_that_sort_alike_are_on_one_page_each(database: Database, is_descending: bool) -> None:
    profiles = Profiles(database)
    for i in (7, 3, 6, 1, 5, 2, 4):
        await profiles.add(profile(i, name="the same"))

    pages = [
        await profiles.page(Page(number=i, size=3), name_contains=None, sort=(("name", is_descending),))
        for i in (1, 2, 3, 4)
    ]

    assert [len(page.rows) for page in pages] == [3, 3, 1, 0]
    assert [page.total for page in pages] == [7, 7, 7, 7]
    assert [row.profile_id for page in pages for row in page.rows] == [profile(i).profile_id for i in range(1, 8)]


async def test_empty_list_and_page_beyond_the_end_have_no_rows(database: Database) -> None:
    empty = await Profiles(database).page(Page(), name_contains=None, sort=())
    beyond = await Profiles(database).page(Page(number=10**9, size=250), name_contains=None, sort=())

    assert (empty.rows, empty.total) == (beyond.rows, beyond.total) == ((), 0)


async def test_page_and_its_total_are_of_one_moment(database: Database) -> None:
    """Rows that come while a page is read are in neither or in both."""
    profiles = Profiles(database)

    async def add() -> None:
        for i in range(40):
            await profiles.add(profile(i))

    async with asyncio.TaskGroup() as group:
        adding = group.create_task(add())
        while not adding.done():
            full = await profiles.page(Page(size=250), name_contains=None, sort=())
            first = await profiles.page(Page(size=1), name_contains=None, sort=())
            assert full.total == len(full.rows)
            assert (first.total == 0) == (first.rows == ())
    assert (await profiles.page(Page(size=1), name_contains=None, sort=())).total == 40


async def test_reader_sees_the_moment_of_its_first_look_until_it_ends(database: Database) -> None:
    profiles, count = Profiles(database), "SELECT count(*) FROM outbound_voice_profiles"
    async with database.read() as sql:
        before = (await sql.exec_driver_sql(count)).scalar()

        await profiles.add(profile())

        assert (await sql.exec_driver_sql(count)).scalar() == before == 0
    async with database.read() as sql:
        assert (await sql.exec_driver_sql(count)).scalar() == 1
