"""The store's fixtures: the index of reports is a table of it."""

from tests.unit.store.conftest import database, fresh_store

__all__ = ["database", "fresh_store"]
