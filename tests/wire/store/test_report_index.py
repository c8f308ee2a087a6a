"""The tests of SQLite, on PostgreSQL."""

from tests.unit.reports.test_index import *  # noqa: F403 -- every test of it
