"""Outbound voice profiles and who uses them."""

from dataclasses import replace

import pytest

from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import Duplicate, InUse, NotFound
from gateway.store.paging import Page
from gateway.store.profiles import Profiles, ProfileSort
from tests.unit.store.samples import NOON, connection, profile

ID = profile().profile_id


@pytest.fixture
async def profiles(database: Database) -> Profiles:
    kept = Profiles(database)
    await kept.add(profile())
    return kept


async def test_profile_comes_back_as_it_was_kept(profiles: Profiles) -> None:
    assert await profiles.get(ID) == profile()
    with pytest.raises(NotFound, match="no outbound voice profile 42"):
        await profiles.get("42")


async def test_taken_id_is_refused_and_named(profiles: Profiles) -> None:
    with pytest.raises(Duplicate) as refused:
        await profiles.add(profile())

    assert refused.value.field == "profile_id"


async def test_profile_counts_the_connections_that_use_it(profiles: Profiles, database: Database) -> None:
    for i in (1, 2, 3):
        used = ID if i < 3 else None
        await Connections(database).add(replace(connection(i), outbound_voice_profile_id=used))

    await Connections(database).remove(connection(2).connection_id, at=NOON)

    assert (await profiles.get(ID)).connections_count == 1
    assert await profiles.of_connection(connection(1).connection_id) == replace(profile(), connections_count=1)
    assert await profiles.of_connection(connection(3).connection_id) is None


async def test_changed_profile_is_returned_and_kept(profiles: Profiles) -> None:
    changed = await profiles.change(ID, lambda old: replace(old, name="new", settings={**old.settings, "b": 1}))

    assert changed == await profiles.get(ID) == replace(profile(), name="new", settings={"tags": ["a"], "b": 1})
    with pytest.raises(NotFound):
        await profiles.change("42", lambda old: old)


async def test_profile_in_use_cannot_be_removed_one_that_is_not_can(profiles: Profiles, database: Database) -> None:
    user = connection(1).connection_id
    await Connections(database).add(replace(connection(1), outbound_voice_profile_id=ID))

    with pytest.raises(InUse):
        await profiles.remove(ID)
    await Connections(database).change(user, lambda old: replace(old, outbound_voice_profile_id=None))

    assert await profiles.remove(ID) == profile()
    with pytest.raises(NotFound):
        await profiles.remove(ID)


@pytest.mark.parametrize(
    "field", ["enabled", "created_at", "name", "service_plan", "traffic_type", "usage_payment_method"]
)
async def test_page_of_profiles_is_sorted_up_and_down(profiles: Profiles, field: ProfileSort) -> None:
    await profiles.change(ID, lambda old: replace(old, is_enabled=False))
    await profiles.add(profile(2))

    up = await profiles.page(Page(), name_contains=None, sort=((field, False),))
    down = await profiles.page(Page(), name_contains="PROFILE", sort=((field, True),))

    assert [row.name for row in up.rows] == ["profile 1", "profile 2"]
    assert [row.name for row in down.rows] == ["profile 2", "profile 1"]
