"""The same house as that of `auth`: what is provisioned is what logs in."""

from tests.unit.auth.conftest import clock, fresh_store, house, passwords

__all__ = ["clock", "fresh_store", "house", "passwords"]
