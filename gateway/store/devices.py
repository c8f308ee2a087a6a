"""Devices that registered for push notifications, by the user name that logged in on them."""

import hashlib
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, insert, select, update

from gateway.domain.identity import Identity
from gateway.domain.push import Device
from gateway.store.database import Database
from gateway.store.schema import push_devices

MAX_DEVICES: Final = 5
"""Devices of one user over both providers; one more drops the one that logged in longest ago (verto-mobile 4.1)."""

_OF_DEVICE: Final = ("username", "provider", "token", "environment", "user_agent")


class Devices:
    """The table of devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, device: Device, owner: Identity, *, at: datetime) -> None:
        """A user has logged in on that device: keep it, as the one used last.

        Args:
            owner: whose connection and credential it belongs to; it goes with them.

        Raises:
            MissingParent: the connection or credential is gone.
        """
        table = push_devices.c
        values = {name: getattr(device, name) for name in _OF_DEVICE}
        async with self._database.write() as sql:
            same = (table.username == device.username) & (table.token_hash == _hash(device.token))
            changed = await sql.execute(update(push_devices).where(same).values(**values, used_at=at))
            if changed.rowcount:
                return
            row = {"connection_id": owner.connection_id, "credential_id": owner.credential_id, "used_at": at}
            await sql.execute(insert(push_devices).values(**values, **row, token_hash=_hash(device.token)))
            newest = select(table.token_hash).where(table.username == device.username)
            kept = (await sql.execute(newest.order_by(table.used_at.desc()).limit(MAX_DEVICES))).scalars().all()
            beyond = (table.username == device.username) & table.token_hash.not_in(kept)
            await sql.execute(delete(push_devices).where(beyond))

    async def of_user(self, username: str) -> tuple[Device, ...]:
        """The devices of a user, the one used last first."""
        table = push_devices.c
        query = select(push_devices).where(table.username == username).order_by(table.used_at.desc())
        return tuple(_device(row) for row in await self._database.rows(query))

    async def of_connection(self, connection_id: str) -> tuple[Device, ...]:
        """The devices of a connection's own user name, whom its numbers ring."""
        table = push_devices.c
        of_user = (table.connection_id == connection_id) & table.credential_id.is_(None)
        query = select(push_devices).where(of_user).order_by(table.used_at.desc())
        return tuple(_device(row) for row in await self._database.rows(query))

    async def remove(self, username: str, token: str) -> bool:
        """Push that device no more; False when it was not known."""
        table = push_devices.c
        same = (table.username == username) & (table.token_hash == _hash(token))
        async with self._database.write() as sql:
            return (await sql.execute(delete(push_devices).where(same))).rowcount > 0


def _hash(token: str) -> str:
    """A key of fixed length: providers change the length of their tokens."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _device(row: RowMapping) -> Device:
    return Device(**{name: row[name] for name in _OF_DEVICE})
