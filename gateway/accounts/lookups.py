"""Connections, credentials and profiles as calls need them: found by name or id, from a memory of half a second."""

from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.numbers import Numbers
from gateway.store.profiles import Profile, Profiles
from gateway.store.recent import Recent


class Lookups:
    """One per process, so that all who ask about one call share what was read. Every method raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._connections, self._profiles, self._numbers = Connections(database), Profiles(database), Numbers(database)
        self._by_id: Recent[str, Connection | None] = Recent(database, self._read_by_id)
        self._by_name: Recent[str, Connection | None] = Recent(database, self._read_by_name)
        self._credentials: Recent[str, Credential | None] = Recent(database, Credentials(database).find_by_sip_username)
        self._profile: Recent[str, Profile] = Recent(database, self._profiles.get)

    async def connection(self, connection_id: str) -> Connection | None:
        """That connection; None when there is none."""
        return await self._by_id.get(connection_id)

    async def named(self, user_name: str) -> Connection | None:
        """The connection that logs in under that name."""
        return await self._by_name.get(user_name)

    async def credential(self, sip_username: str) -> Credential | None:
        """The credential with that user name."""
        return await self._credentials.get(sip_username)

    async def profile(self, profile_id: str) -> Profile:
        """That voice profile; raises NotFound."""
        return await self._profile.get(profile_id)

    async def owner(self, phone_number: str) -> str | None:
        """Id of the connection that has that number, `+` and digits. A call asks once: it is not remembered."""
        return await self._numbers.find_owner(phone_number)

    async def _read_by_id(self, connection_id: str) -> Connection | None:
        moment = self._by_name.moment()
        try:
            found = await self._connections.get(connection_id)
        except NotFound:
            return None
        self._by_name.know(found.user_name, found, as_of=moment)
        return found

    async def _read_by_name(self, user_name: str) -> Connection | None:
        moment = self._by_id.moment()
        found = await self._connections.find_by_user_name(user_name)
        if found is not None:
            self._by_id.know(found.connection_id, found, as_of=moment)
        return found
