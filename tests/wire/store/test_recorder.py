"""The tests of SQLite, on PostgreSQL."""

from tests.unit.store.test_recorder import *  # noqa: F403 -- every test of it
