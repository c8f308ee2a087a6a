"""The same house as that of `auth`: what is provisioned is what logs in."""

from tests.unit.auth.conftest import clock, fresh_store, house, passwords
from tests.unit.store.conftest import database

__all__ = ["clock", "database", "fresh_store", "house", "passwords"]
