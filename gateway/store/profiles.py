"""Outbound voice profiles, and which connections use them (rest-v2 A.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, RowMapping, Select, delete, func, insert, select, update

from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import InUse, MissingParent, NotFound
from gateway.store.paging import Page, Paged, contains, fetch_page
from gateway.store.schema import outbound_voice_profiles as profiles
from gateway.store.schema import profile_connections

ProfileSort = Literal["enabled", "created_at", "name", "service_plan", "traffic_type", "usage_payment_method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An outbound voice profile.

    Attributes:
        profile_id: 19 decimal digits.
        is_enabled: False blocks the calls of its connections.
        settings: the rest of its model as a JSON document; `accounts` knows what is in it.
        connections_count: connections that use it.
    """

    profile_id: str
    name: str
    is_enabled: bool
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    connections_count: int = 0


class Profiles:
    """The table of profiles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, profile: Profile) -> None:
        """Keep a new one.

        Raises:
            Duplicate: its `profile_id` is taken.
        """
        async with self._database.write() as sql:
            await sql.execute(insert(profiles).values(**values_of(profiles, profile)))

    async def get(self, profile_id: str) -> Profile:
        """That profile.

        Raises:
            NotFound: there is none.
        """
        row = await self._database.row(_query().where(profiles.c.profile_id == profile_id))
        if row is None:
            raise NotFound("outbound voice profile", profile_id)
        return _profile(row)

    async def page(
        self, page: Page, *, name_contains: str | None, sort: tuple[tuple[ProfileSort, bool], ...]
    ) -> Paged[Profile]:
        """The profiles whose name holds that text.

        Args:
            sort: fields, each with whether it descends.
        """
        where = [] if name_contains is None else [contains(profiles.c.name, name_contains)]
        order = [_SORTS[name].desc() if is_descending else _SORTS[name] for name, is_descending in sort]
        return await fetch_page(
            self._database,
            _query(),
            where=where,
            order=order,
            unique=profiles.c.profile_id,
            page=page,
            make=_profile,
        )

    async def change(self, profile_id: str, change: Callable[[Profile], Profile]) -> Profile:
        """Read it, change it and write it back, with nobody in between; returns the new one.

        Args:
            change: makes the new one of the old one; what it raises leaves everything as it was.

        Raises:
            NotFound: there is none.
        """
        query = _query().where(profiles.c.profile_id == profile_id)
        async with self._database.write() as sql:
            # PostgreSQL's lock; on SQLite the whole transaction is one already.
            await sql.execute(
                select(profiles.c.profile_id).where(profiles.c.profile_id == profile_id).with_for_update()
            )
            row = (await sql.execute(query)).mappings().first()
            if row is None:
                raise NotFound("outbound voice profile", profile_id)
            changed = change(_profile(row))
            await sql.execute(
                update(profiles).where(profiles.c.profile_id == profile_id).values(**values_of(profiles, changed))
            )
        return changed

    async def remove(self, profile_id: str) -> Profile:
        """Delete it; returns what it was.

        Raises:
            NotFound: there is none.
            InUse: a connection uses it.
        """
        try:
            async with self._database.write() as sql:
                row = (await sql.execute(_query().where(profiles.c.profile_id == profile_id))).mappings().first()
                if row is None:
                    raise NotFound("outbound voice profile", profile_id)
                await sql.execute(delete(profiles).where(profiles.c.profile_id == profile_id))
        except MissingParent as error:
            raise InUse("outbound voice profile", profile_id) from error
        return _profile(row)

    async def of_connection(self, connection_id: str) -> Profile | None:
        """The profile that a connection uses."""
        query = _query().where(
            profiles.c.profile_id
            == select(profile_connections.c.profile_id)
            .where(profile_connections.c.connection_id == connection_id)
            .scalar_subquery()
        )
        row = await self._database.row(query)
        return None if row is None else _profile(row)


def _query() -> Select[Any]:  # Any: SQLAlchemy cannot type a whole table's columns
    count = (
        select(func.count())
        .where(profile_connections.c.profile_id == profiles.c.profile_id)
        .correlate(profiles)
        .scalar_subquery()
    )
    return select(profiles, count.label("connections_count"))


# The columns that all profiles share a value of sort by their name: the order stays a stable one.
_SORTS: Final[Mapping[ProfileSort, ColumnElement[Any]]] = {  # Any: columns of several types
    "enabled": profiles.c.is_enabled,
    "created_at": profiles.c.created_at,
    "name": profiles.c.name,
    "service_plan": profiles.c.name,
    "traffic_type": profiles.c.name,
    "usage_payment_method": profiles.c.name,
}


def _profile(row: RowMapping) -> Profile:
    return Profile(**row)
