"""The tests of SQLite, on PostgreSQL."""

from tests.unit.store.test_traces import *  # noqa: F403 -- every test of it
