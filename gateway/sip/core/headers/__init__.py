"""Typed header values, a module a kind, each with `parse` and `str` as inverses."""
