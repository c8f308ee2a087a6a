"""The tests of SQLite, on PostgreSQL."""

from tests.unit.store.test_devices import *  # noqa: F403 -- every test of it
