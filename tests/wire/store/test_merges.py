"""The test of SQLite, on PostgreSQL."""

from tests.wire.api.test_merges import *  # noqa: F403 -- every test of it
from tests.wire.store.test_rest import api  # noqa: F401 -- the fixture, on PostgreSQL
