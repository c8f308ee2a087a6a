"""Alembic migrations; run by the program itself at start (`gateway.store.migrate`)."""

from typing import Final

HEAD: Final = "0006"
"""The revision that this program needs; a database that has it is opened without loading Alembic."""
