"""The REST API on PostgreSQL: the tests whose requests reach it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.store.database import Database
from tests.harness.rest import Api, serving
from tests.wire.api.test_rest import (  # noqa: F401 -- pytest finds them here
    test_connection_names_a_push_credential_that_exists_and_is_of_its_kind,
    test_delete_without_a_content_type_gives_the_row_and_then_nothing,
    test_empty_list_has_one_page_so_that_iterators_stop,
    test_filter_holds_its_text_in_whatever_case_and_takes_wildcards_as_letters,
    test_pages_have_their_four_numbers_and_every_row_once,
    test_patch_against_the_rules_names_the_nested_key_and_changes_nothing,
    test_patch_changes_what_is_named_and_keeps_the_rest,
)


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with serving(database) as served:
        yield served
