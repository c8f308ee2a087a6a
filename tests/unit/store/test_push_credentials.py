"""Push credentials."""

from dataclasses import replace

import pytest

from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.paging import Page
from gateway.store.push_credentials import PushCredentials
from tests.unit.store.samples import push_credential


async def test_push_credential_comes_back_as_it_was_kept_and_goes_when_removed(database: Database) -> None:
    rows = PushCredentials(database)
    await rows.add(push_credential())

    assert await rows.get(push_credential().push_credential_id) == push_credential()
    assert "sealed=" not in repr(push_credential())
    await rows.remove(push_credential().push_credential_id)

    for attempt in (rows.get(push_credential().push_credential_id), rows.remove(push_credential().push_credential_id)):
        with pytest.raises(NotFound, match="no push credential"):
            await attempt


async def test_taken_alias_is_refused_and_named(database: Database) -> None:
    rows = PushCredentials(database)
    await rows.add(push_credential(1))
    taken = push_credential(1).alias

    with pytest.raises(Duplicate) as refused:
        await rows.add(replace(push_credential(2), alias=taken))

    assert refused.value.field == "alias"


async def test_page_of_push_credentials_is_oldest_first_and_fits_every_filter(database: Database) -> None:
    rows = PushCredentials(database)
    for i in (3, 1, 2):
        await rows.add(push_credential(i, type="android" if i == 2 else "ios"))

    everything = await rows.page(Page())
    phones = await rows.page(Page(), type="ios")
    one = await rows.page(Page(), type="ios", alias=push_credential(3).alias)

    assert [row.alias[-1] for row in everything.rows] == ["1", "2", "3"]
    assert [row.alias[-1] for row in phones.rows] == ["1", "3"]
    assert [row.alias[-1] for row in one.rows] == ["3"]
