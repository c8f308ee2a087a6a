"""`/credential_connections` (rest-v2 A.2)."""

from collections.abc import Mapping
from typing import Final, cast

from pydantic import BaseModel, StrictBool

from gateway.accounts.connections import GENERATED, ConnectionChange, CredentialConnections, settings_of
from gateway.accounts.core.connection import ConnectionSettings, Name, Password, UserName
from gateway.api.errors import InvalidValue
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.resources.times import to_milliseconds
from gateway.api.rest.listing import FilterRule, Listing, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.api.views import LiveSessions
from gateway.store.connections import Connection, ConnectionSort
from gateway.store.paging import Paged

_TAG: Final = "Credential connections"
ROOT: Final = "/credential_connections"

RULES: Final = ListRules(
    filters={
        "connection_name][contains": FilterRule(
            about="Text that the name holds, in whatever case, three characters or more.", shortest=3
        ),
        "fqdn": FilterRule(about="A credential connection has none: gives nothing."),
        "outbound_voice_profile_id": FilterRule(about="Connections of that profile."),
        "outbound.outbound_voice_profile_id": FilterRule(about="The same, as older clients write it."),
    },
    sorts=("created_at", "connection_name", "active"),
    default_sort="created_at",
)


class ConnectionCreate(ConnectionSettings):
    """A new connection."""

    connection_name: Name
    user_name: UserName
    password: Password
    active: StrictBool = True


class ConnectionUpdate(ConnectionSettings):
    """What changes of a connection; nested keys that are not named stay."""

    connection_name: Name | None = None
    user_name: UserName | None = None
    password: Password | None = None
    active: StrictBool | None = None


class ConnectionView(ConnectionSettings):
    """A connection as the API shows it."""

    id: str
    record_type: str = "credential_connection"
    connection_name: str
    user_name: str
    password: str
    active: bool
    created_at: str
    updated_at: str


class RegistrationStatus(BaseModel):
    """Whether a client of the connection is registered, and from where (rest-v2 A.2.2)."""

    record_type: str = "registration_status"
    status: str
    sip_username: str
    ip_address: str | None = None
    transport: str | None = None
    port: int | None = None
    user_agent: str | None = None
    last_registration: str | None = None


_OWN: Final = {"connection_name", "user_name", "password", "active"}


def connection_operations(connections: CredentialConnections, sessions: LiveSessions) -> list[Operation]:
    """Every operation of the resource."""

    def view(connection: Connection) -> ConnectionView:
        return ConnectionView(
            **settings_of(connection).model_dump(),
            id=connection.connection_id,
            connection_name=connection.name,
            user_name=connection.user_name,
            password=connections.password(connection),
            active=connection.is_active,
            created_at=to_milliseconds(connection.created_at),
            updated_at=to_milliseconds(connection.updated_at),
        )

    async def create(call: Call[ConnectionCreate]) -> ConnectionView:
        body = call.body
        _refuse_generated(body.user_name)
        made = await connections.create(
            name=body.connection_name,
            user_name=body.user_name,
            password=body.password,
            is_active=body.active,
            settings=ConnectionSettings.model_validate(body.model_dump(exclude=_OWN)),
        )
        return view(made)

    async def retrieve(call: Call[None]) -> ConnectionView:
        return view(await connections.rows.get(call.path["id"]))

    async def change(call: Call[ConnectionUpdate]) -> ConnectionView:
        body = call.body
        _refuse_generated(body.user_name)
        wanted = ConnectionChange(
            name=body.connection_name,
            user_name=body.user_name,
            password=body.password,
            is_active=body.active,
            given=body.model_dump(mode="json", exclude_unset=True, exclude=_OWN),
        )
        return view(await connections.change(call.path["id"], wanted))

    async def remove(call: Call[None]) -> ConnectionView:
        return view(await connections.remove(call.path["id"]))

    async def listed(call: Call[None]) -> Rows:
        found = await find_connections(connections, call.listing)
        return Rows([view(row) for row in found.rows], found.total)

    async def registration(call: Call[None]) -> RegistrationStatus:
        return _registration(await connections.rows.get(call.path["id"]), sessions)

    async def must_exist(path: Mapping[str, str]) -> object:
        return await connections.rows.get(path["id"])

    one = ROOT + "/{id}"
    return [
        Operation(
            method="POST",
            path=ROOT,
            name="create_credential_connection",
            summary="Create a connection",
            tag=_TAG,
            handler=create,
            body=ConnectionCreate,
            answer=ConnectionView,
            status=201,
            errors=(422,),
        ),
        Operation(
            method="GET",
            path=ROOT,
            name="list_credential_connections",
            summary="List connections",
            tag=_TAG,
            handler=listed,
            rules=RULES,
            answer=ConnectionView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_credential_connection",
            summary="Show a connection",
            tag=_TAG,
            handler=retrieve,
            answer=ConnectionView,
            errors=(404,),
        ),
        Operation(
            method="PATCH",
            path=one,
            name="update_credential_connection",
            summary="Change a connection; another user name or password ends the registrations under the old one",
            tag=_TAG,
            handler=change,
            body=ConnectionUpdate,
            answer=ConnectionView,
            must_exist=must_exist,
            errors=(404, 422),
        ),
        Operation(
            method="DELETE",
            path=one,
            name="delete_credential_connection",
            summary="Delete a connection with its credentials",
            tag=_TAG,
            handler=remove,
            answer=ConnectionView,
            errors=(404,),
        ),
        Operation(
            method="POST",
            path=one + "/actions/check_registration_status",
            name="check_registration_status",
            summary="Say whether a client of the connection is registered",
            tag=_TAG,
            handler=registration,
            answer=RegistrationStatus,
            errors=(404,),
        ),
    ]


async def find_connections(connections: CredentialConnections, asked: Listing) -> Paged[Connection]:
    """A page of connections, as `RULES` have it."""
    if asked.text("fqdn") is not None:
        return Paged((), 0)
    return await connections.rows.page(
        page_of(asked),
        name_contains=asked.text("connection_name][contains"),
        profile_id=asked.text("outbound_voice_profile_id") or asked.text("outbound.outbound_voice_profile_id"),
        sort=tuple((cast(ConnectionSort, key.field), key.is_descending) for key in asked.sort),  # `RULES` knows them
    )


def _refuse_generated(user_name: str | None) -> None:
    if user_name is not None and user_name.startswith(GENERATED):
        raise InvalidValue(
            f"user_name must not begin with {GENERATED}: credentials are called so", pointer="/user_name"
        )


def _registration(connection: Connection, sessions: LiveSessions) -> RegistrationStatus:
    """The newest client or phone that logged in with the connection's own user name."""
    known = [one for one in sessions.sessions() if one.username == connection.user_name]
    own = [one for one in known if one.is_connected and one.is_registered]
    if not own:
        return RegistrationStatus(status="Not Registered", sip_username=connection.user_name)
    newest = max(own, key=lambda one: one.logged_in_at)
    return RegistrationStatus(
        status="Registered",
        sip_username=connection.user_name,
        ip_address=newest.peer,
        transport=newest.transport,
        port=newest.peer_port,
        user_agent=newest.user_agent,
        last_registration=to_milliseconds(newest.logged_in_at),
    )
