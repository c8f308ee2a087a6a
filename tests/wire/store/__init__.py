"""The store on PostgreSQL: the tests of `tests/unit/store` once more, and what only a server can show."""
