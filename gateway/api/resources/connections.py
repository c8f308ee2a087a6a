"""`/connections`: connections of every kind, of which there is one here, and their live calls (rest-v2 A.2.3)."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel

from gateway.accounts.connections import MAX_CONNECTIONS, CredentialConnections, settings_of
from gateway.api.resources.credential_connections import RULES, find_connections
from gateway.api.resources.times import to_milliseconds
from gateway.api.rest.listing import ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.api.views import LiveCalls
from gateway.b2bua.call_index import CallSnapshot
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection
from gateway.store.paging import Page

_TAG: Final = "Connections"


class ConnectionRow(BaseModel):
    """What connections of every kind have in common."""

    id: str
    record_type: str = "credential_connection"
    active: bool
    anchorsite_override: str
    connection_name: str
    outbound_voice_profile_id: str | None
    tags: tuple[str, ...]
    webhook_event_url: str
    webhook_event_failover_url: str | None
    webhook_api_version: str
    webhook_timeout_secs: int | None
    created_at: str
    updated_at: str


class Counts(BaseModel):
    """Connections of each kind; a gateway has one kind."""

    call_control_applications: int = 0
    credential_connections: int
    external_connections: int = 0
    fax_connections: int = 0
    fqdn_connections: int = 0
    ip_connections: int = 0
    microsoft_teams_sbc_connections: int = 0
    mobile_voice_connections: int = 0
    operator_connect_connections: int = 0
    texml_applications: int = 0
    third_party_provider_connections: int = 0
    uac_connections: int = 0
    zoom_sbc_connections: int = 0


class Limits(BaseModel):
    """How many there may be."""

    global_limit: int = MAX_CONNECTIONS


class ConnectionCount(BaseModel):
    """How many connections there are, and may be."""

    record_type: str = "connections_count"
    counts: Counts
    limits: Limits = Limits()


class ActiveCall(BaseModel):
    """A live call of a connection. `call_control_id` is empty: no call control touches it."""

    record_type: str = "call"
    call_control_id: str = ""
    call_leg_id: str
    call_session_id: str
    call_duration: int
    client_state: str


def connections_operations(connections: CredentialConnections, calls: LiveCalls) -> list[Operation]:
    """Every operation of the resource."""

    async def listed(call: Call[None]) -> Rows:
        found = await find_connections(connections, call.listing)
        return Rows([_row(row) for row in found.rows], found.total)

    async def retrieve(call: Call[None]) -> ConnectionRow:
        return _row(await connections.rows.get(call.path["id"]))

    async def count(_call: Call[None]) -> ConnectionCount:
        total = (await connections.rows.page(Page(size=1))).total
        return ConnectionCount(counts=Counts(credential_connections=total))

    async def active_calls(call: Call[None]) -> Rows:
        connection = await connections.rows.get(call.path["id"])
        live = [one for one in calls.live() if connection.connection_id in one.connection_ids]
        start = (call.listing.number - 1) * call.listing.size
        page = live[start : start + call.listing.size]
        return Rows([_active_call(one, connection.connection_id, utc_now()) for one in page], len(live))

    return [
        Operation(
            method="GET",
            path="/connections",
            name="list_connections",
            summary="List connections of every kind",
            tag=_TAG,
            handler=listed,
            rules=RULES,
            answer=ConnectionRow,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path="/connections/count",
            name="count_connections",
            summary="Count the connections",
            tag=_TAG,
            handler=count,
            answer=ConnectionCount,
        ),
        Operation(
            method="GET",
            path="/connections/{id}",
            name="retrieve_connection",
            summary="Show what a connection has in common with those of every kind",
            tag=_TAG,
            handler=retrieve,
            answer=ConnectionRow,
            errors=(404,),
        ),
        Operation(
            method="GET",
            path="/connections/{id}/active_calls",
            name="list_active_calls",
            summary="List the live calls of a connection",
            tag=_TAG,
            handler=active_calls,
            rules=ListRules(),
            answer=ActiveCall,
            shape=Shape.PAGE,
            errors=(400, 404),
        ),
    ]


def _row(connection: Connection) -> ConnectionRow:
    settings = settings_of(connection)
    return ConnectionRow(
        id=connection.connection_id,
        active=connection.is_active,
        anchorsite_override=settings.anchorsite_override,
        connection_name=connection.name,
        outbound_voice_profile_id=connection.outbound_voice_profile_id,
        tags=settings.tags,
        webhook_event_url=settings.webhook_event_url,
        webhook_event_failover_url=settings.webhook_event_failover_url,
        webhook_api_version=settings.webhook_api_version,
        webhook_timeout_secs=settings.webhook_timeout_secs,
        created_at=to_milliseconds(connection.created_at),
        updated_at=to_milliseconds(connection.updated_at),
    )


def _active_call(call: CallSnapshot, connection_id: str, now: datetime) -> ActiveCall:
    leg_id = next((leg.leg_id for leg in call.client_legs if leg.connection_id == connection_id), str(call.call_id))
    return ActiveCall(
        call_leg_id=leg_id,
        call_session_id=str(call.call_id),
        call_duration=max(0, int((now - call.started_at).total_seconds())),
        client_state=call.client_state or "",
    )
