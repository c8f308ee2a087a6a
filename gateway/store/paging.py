"""Lists by pages: rows in a stable order, and how many there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select, func, select

from gateway.store.database import Database

RowT = TypeVar("RowT")

_ESCAPE: Final = "\\"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a list.

    Attributes:
        number: from 1.
        size: rows of a page.
    """

    number: int = 1
    size: int = 20

    @property
    def offset(self) -> int:
        """Rows before it."""
        return (self.number - 1) * self.size


@dataclass(frozen=True, slots=True)
class Paged(Generic[RowT]):
    """The rows of a page, and how many rows all pages have together."""

    rows: tuple[RowT, ...]
    total: int


async def fetch_page(
    database: Database,
    query: Select[tuple[object, ...]],
    *,
    where: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[object]],
    unique: ColumnElement[object],
    page: Page,
    make: Callable[[RowMapping], RowT],
) -> Paged[RowT]:
    """Count and fetch in one consistent view.

    Args:
        query: what to select, without conditions and order.
        order: most important first; `unique` is added as the last one, so that no row is on two pages or on none.
        make: a row as a value.
    """
    filtered = query.where(*where)
    rows = filtered.order_by(*order, unique).limit(page.size).offset(page.offset)
    count = select(func.count()).select_from(filtered.order_by(None).subquery())
    async with database.read() as sql:
        found = (await sql.execute(rows)).mappings().all()
        is_last = len(found) < page.size and (found or page.number == 1)
        total = page.offset + len(found) if is_last else (await sql.execute(count)).scalar_one()
    return Paged(tuple(make(row) for row in found), total)


def contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether the column holds that text, in whatever case."""
    return matches(column, text, "%{}%")


def matches(column: ColumnElement[str], text: str, pattern: str) -> ColumnElement[bool]:
    """Whether the column fits a LIKE pattern with that text in place of `{}`, in whatever case.

    `%` and `_` in the text mean themselves.
    """
    escaped = text.replace(_ESCAPE, _ESCAPE * 2).replace("%", _ESCAPE + "%").replace("_", _ESCAPE + "_")
    # The database lowers both sides: which letters have a small form differs between databases and Python.
    return func.lower(column).like(func.lower(pattern.replace("{}", escaped)), escape=_ESCAPE)
