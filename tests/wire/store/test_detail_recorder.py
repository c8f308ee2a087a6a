"""The tests of SQLite, on PostgreSQL."""

from tests.unit.accounts.test_detail_recorder import *  # noqa: F403 -- every test of it
