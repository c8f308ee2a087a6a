"""A row's values by the columns of its table."""

from sqlalchemy import Table


def values_of(table: Table, row: object) -> dict[str, object]:
    """What an attribute of `row` holds for each column of its name; other attributes are left out."""
    return {name: getattr(row, name) for name in table.c.keys()}  # noqa: SIM118 - not a dict
