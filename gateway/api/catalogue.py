"""Every operation of the REST API: what is routed, guarded and documented."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.accounts.accounts import ACCOUNT_ID, Accounts
from gateway.api.reports import ReportArchive
from gateway.api.resources.available_phone_numbers import available_number_operations
from gateway.api.resources.balance import balance_operations
from gateway.api.resources.connections import connections_operations
from gateway.api.resources.credential_connections import connection_operations
from gateway.api.resources.detail_records import detail_record_operations
from gateway.api.resources.mobile_push_credentials import push_credential_operations
from gateway.api.resources.number_orders import number_order_operations
from gateway.api.resources.openapi import openapi_operations
from gateway.api.resources.outbound_voice_profiles import profile_operations
from gateway.api.resources.phone_numbers import phone_number_operations
from gateway.api.resources.telephony_credentials import credential_operations
from gateway.api.resources.voice_sdk_call_reports import call_report_operations
from gateway.api.rest.operation import Operation
from gateway.api.views import LiveCalls, LiveSessions
from gateway.observability.clock import utc_now
from gateway.store.call_reports import CallReports
from gateway.store.detail_records import DetailRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the operations need beside the accounts.

    Attributes:
        details: the detail records.
        report_table: what is in `reports`, the uploads of the SDKs.
        token_ttl: see `[auth] token_ttl`.
        version: of the gateway.
        server: the address under which clients reach us, once the listeners are bound.
    """

    sessions: LiveSessions
    calls: LiveCalls
    details: DetailRecords
    report_table: CallReports
    reports: ReportArchive
    token_ttl: int
    version: str
    server: Callable[[], str]
    clock: Callable[[], datetime] = utc_now


def operations(accounts: Accounts, around: Surroundings) -> list[Operation]:
    """In the order of the document."""
    found = [
        *credential_operations(accounts.credentials, user_id=ACCOUNT_ID, token_ttl=around.token_ttl),
        *connection_operations(accounts.connections, around.sessions),
        *connections_operations(accounts.connections, around.calls),
        *profile_operations(accounts.profiles),
        *available_number_operations(accounts.numbers),
        *number_order_operations(accounts.numbers),
        *phone_number_operations(accounts.numbers),
        *push_credential_operations(accounts.push),
        *detail_record_operations(around.details, around.clock),
        *call_report_operations(around.report_table, around.reports),
        *balance_operations(),
    ]
    return [*found, *openapi_operations(found, version=around.version, server=around.server)]
