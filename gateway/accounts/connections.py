"""Makes and changes credential connections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.accounts.core.connection import ConnectionSettings, SipUriCalling
from gateway.accounts.core.merging import merged
from gateway.accounts.errors import TooManyConnections, UnknownReference, checked
from gateway.accounts.ids import decimal_id
from gateway.auth.errors import Unsealable
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.store.connections import Connection, Connections
from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.paging import Page
from gateway.store.push_credentials import PushCredentials

MASK: Final = "********"
"""What is shown of a password that cannot be read again."""

GENERATED: Final = "gencred"
"""How generated user names begin: no connection may be called so."""

MAX_CONNECTIONS: Final = 10_000
"""Connections of an account (rest-v2 A.2.1)."""

_PUSH: Final[Mapping[str, str]] = {"ios_push_credential_id": "ios", "android_push_credential_id": "android"}
"""Keys that name a push credential, and of which kind it has to be."""

_PROFILE: Final = "outbound/outbound_voice_profile_id"

_MOST_MODELS: Final = 1024
_models: Final[dict[int, tuple[Connection, ConnectionSettings]]] = {}
"""By the identity of a row, which never changes: rows hold a mapping, and so have no hash. A row that is in here lives,
and so nobody else has its identity."""

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChange:
    """What changes of a connection; None stays as it is.

    Attributes:
        given: keys of the model to lay over the kept ones, nested as in the API.
    """

    name: str | None = None
    user_name: str | None = None
    password: str | None = field(default=None, repr=False)
    is_active: bool | None = None
    given: Mapping[str, object] = field(default_factory=dict)


class CredentialConnections:
    """Every method is done when the store has it; all may raise `StoreError`."""

    def __init__(
        self, database: Database, *, passwords: Passwords, seal: Seal, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.rows, self._push_credentials = Connections(database), PushCredentials(database)
        self._passwords, self._seal, self._clock = passwords, seal, clock

    async def create(
        self,
        *,
        name: str,
        user_name: str,
        password: str,
        is_active: bool = True,
        settings: ConnectionSettings | None = None,
        is_local: bool = False,
    ) -> Connection:
        """A new connection.

        Args:
            is_local: made on the command line: its name need not be unique, its calls need no profile, and it can be
                called by SIP URI.

        Raises:
            Duplicate: the user name is taken, or the name where it has to be unique.
            UnknownReference: there is no such profile or push credential.
            TooManyConnections: the account is full.
            Busy: too many passwords are being hashed.
        """
        if (await self.rows.page(Page(size=1))).total >= MAX_CONNECTIONS:
            raise TooManyConnections(MAX_CONNECTIONS)
        if settings is not None:
            await self._check_push_credentials(settings.model_dump(include=set(_PUSH)))
        at, connection_id = self._clock(), decimal_id()
        profile_id, document = (None, {}) if settings is None else _apart(settings)
        connection = Connection(
            connection_id=connection_id,
            name=name,
            user_name=user_name,
            password_hash=await self._passwords.hash(password),
            password_sealed=self._seal.seal(password, owner=connection_id),
            is_active=is_active,
            is_local=is_local,
            outbound_voice_profile_id=profile_id,
            settings=document,
            created_at=at,
            updated_at=at,
        )
        try:
            await self.rows.add(connection, has_unique_name=not is_local)
        except MissingParent as error:
            raise UnknownReference(_PROFILE, "outbound voice profile", str(profile_id)) from error
        return connection

    async def change(self, connection_id: str, wanted: ConnectionChange) -> Connection:
        """Change it. Another user name, another password or `is_active` false end registrations.

        Raises:
            NotFound: there is none.
            InvalidDocument: what was given does not fit.
            Duplicate, UnknownReference, Busy: as in `create`.
        """
        await self._check_push_credentials(wanted.given)
        new_hash = new_seal = profile_id = None
        if wanted.password is not None and not await self._has_password(connection_id, wanted.password):
            new_hash = await self._passwords.hash(wanted.password)
            new_seal = self._seal.seal(wanted.password, owner=connection_id)

        def changed(connection: Connection) -> Connection:
            nonlocal profile_id
            settings = checked(ConnectionSettings, merged(to_document(connection), wanted.given))
            profile_id, document = _apart(settings)
            return replace(
                connection,
                name=connection.name if wanted.name is None else wanted.name,
                user_name=connection.user_name if wanted.user_name is None else wanted.user_name,
                password_hash=new_hash or connection.password_hash,
                password_sealed=new_seal or connection.password_sealed,
                is_active=connection.is_active if wanted.is_active is None else wanted.is_active,
                outbound_voice_profile_id=profile_id,
                settings=document,
                updated_at=self._clock(),
            )

        try:
            return await self.rows.change(connection_id, changed)
        except MissingParent as error:
            raise UnknownReference(_PROFILE, "outbound voice profile", str(profile_id)) from error

    async def remove(self, connection_id: str) -> Connection:
        """Delete it with its credentials; returns what it was. Its registrations end.

        Raises:
            NotFound: there is none.
        """
        return await self.rows.remove(connection_id, at=self._clock())

    async def is_password(self, connection: Connection, password: str) -> bool:
        """Whether that is the connection's password.

        Raises:
            Busy: too many passwords are being checked.
        """
        return (await self._passwords.verify(password, connection.password_hash)).is_right

    def password(self, connection: Connection) -> str:
        """Its password, `MASK` if it cannot be read."""
        return unsealed(self._seal, connection.password_sealed, connection.connection_id)

    async def _check_push_credentials(self, given: Mapping[str, object]) -> None:
        for name, kind in _PUSH.items():
            push_credential_id = given.get(name)
            if not push_credential_id:
                continue
            try:
                found = await self._push_credentials.get(str(push_credential_id))
            except NotFound as error:
                raise UnknownReference(name, "push credential", str(push_credential_id)) from error
            if found.type != kind:
                raise UnknownReference(name, f"{kind} push credential", str(push_credential_id))

    async def _has_password(self, connection_id: str, password: str) -> bool:
        """Whether it is the same as before: then nobody has to log in again."""
        return await self.is_password(await self.rows.get(connection_id), password)


def settings_of(connection: Connection) -> ConnectionSettings:
    """The connection's model, defaults filled in; not made again as long as `Lookups` remembers the same row."""
    known = _models.get(id(connection))
    if known is None:
        known = connection, ConnectionSettings.model_validate(to_document(connection))
        if len(_models) >= _MOST_MODELS:
            _models.clear()
        _models[id(connection)] = known
    return known[1]


def to_document(connection: Connection) -> dict[str, object]:
    """The kept settings as one document with the profile in its place."""
    defaults = ConnectionSettings().model_dump(mode="json")
    if connection.is_local:
        defaults["sip_uri_calling_preference"] = SipUriCalling.UNRESTRICTED.value
    return merged(defaults, merged(connection.settings, {"outbound": _outbound(connection)}))


def unsealed(seal: Seal, sealed: str | None, owner: str) -> str:
    """A kept password, `MASK` if there is none or it was sealed under another key."""
    if sealed is None:
        return MASK
    try:
        return seal.open(sealed, owner=owner)
    except Unsealable as error:
        _log.warning("password_not_readable", error_code=error.code, owner=owner)
        return MASK


def _outbound(connection: Connection) -> dict[str, object]:
    kept = connection.settings.get("outbound")
    profile = {"outbound_voice_profile_id": connection.outbound_voice_profile_id}
    return {**(kept if isinstance(kept, Mapping) else {}), **profile}


def _apart(settings: ConnectionSettings) -> tuple[str | None, dict[str, object]]:
    """The profile, which is a column, and the rest, which is a document."""
    outbound = settings.outbound
    rest = settings.model_copy(update={"outbound": outbound.model_copy(update={"outbound_voice_profile_id": None})})
    return outbound.outbound_voice_profile_id, rest.model_dump(mode="json")
