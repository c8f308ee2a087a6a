"""`/voice_sdk_call_reports` (rest-v2 E.2): the reports that the SDKs uploaded, as they uploaded them.

A report may have megabytes, so they are sent one after the other and never held together.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.accounts.accounts import ACCOUNT_ID
from gateway.api.errors import ResourceNotFound, Unavailable
from gateway.api.reports import ReportArchive
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.rest.listing import Listing, ListRules
from gateway.api.rest.operation import Call, Operation, Shape
from gateway.api.rest.streaming import stream
from gateway.reports.archive import REPORTS
from gateway.reports.documents import BadUpload, Json, normal_call_id, read_object
from gateway.reports.objects import NoSuchObject, ReportStoreDown
from gateway.store.call_reports import CallReports

_TAG: Final = "Voice SDK call reports"
_RULES: Final = ListRules(
    sorts=("created_at", "asc", "desc"), default_sort="-created_at", default_size=20, max_size=100
)

Uploaded = Any
"""Any: whatever a client has posted under that key, unchanged."""


class CallReportView(BaseModel):
    """One uploaded segment of a report. Keys that are not named here are kept as the client posted them.

    For the document: what is sent are the octets of the upload, see `_to_json`.
    """

    model_config = ConfigDict(extra="allow")

    call_id: str
    call_report_id: Uploaded = None
    user_id: str = ACCOUNT_ID
    organization_id: str = ACCOUNT_ID
    voice_sdk_id: Uploaded = None
    voice_sdk_session_id: Uploaded = None
    voice_sdk_id_decoded: None = None
    user_agent: Uploaded = None
    version: Uploaded = None
    telnyx_session_id: Uploaded = None
    telnyx_leg_id: Uploaded = None
    summary: Uploaded = None
    stats: Uploaded = None
    logs: Uploaded = None
    flushReason: Uploaded = None
    segment: Uploaded = None
    stored_at: Uploaded = None
    created_at: Uploaded = None


def call_report_operations(table: CallReports, archive: ReportArchive) -> list[Operation]:
    """Every operation of the resource."""

    async def listed(call: Call[None]) -> web.StreamResponse:
        found = await table.page(page_of(call.listing), newest_first=_is_newest_first(call.listing))
        meta = {
            "page_number": call.listing.number,
            "page_size": call.listing.size,
            "total_pages": call.listing.total_pages(found.total),
            "total_results": found.total,
        }
        names = [row.object_name for row in found.rows]
        tail = b'],"meta":' + json.dumps(meta, separators=(",", ":")).encode() + b"}"
        pieces = _joined(archive, names, head=b'{"data":[', tail=tail)
        return await stream(call.http, pieces, content_type="application/json")

    async def retrieve(call: Call[None]) -> web.StreamResponse:
        call_id = normal_call_id(call.path["call_id"])
        try:
            entries = [] if call_id is None else await archive.entries(call_id)
        except ReportStoreDown as error:
            raise _down() from error
        names = [f"{call_id}/{entry.key}" for entry in entries if entry.key.startswith(f"{REPORTS}/")]
        if not names:
            raise ResourceNotFound(f"no reports of the call {call.path['call_id']}")
        return await stream(call.http, _joined(archive, names, head=b"[", tail=b"]"), content_type="application/json")

    return [
        Operation(
            method="GET",
            path="/voice_sdk_call_reports",
            name="list_voice_sdk_call_reports",
            summary="List call reports, a row for each upload",
            tag=_TAG,
            handler=listed,
            rules=_RULES,
            answer=CallReportView,
            shape=Shape.RESPONSE,
            sent_as=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path="/voice_sdk_call_reports/{call_id}",
            name="retrieve_voice_sdk_call_reports",
            summary="Show all reports of a call, in the order of their segments",
            tag=_TAG,
            handler=retrieve,
            answer=CallReportView,
            shape=Shape.RESPONSE,
            sent_as=Shape.BARE,
            is_many=True,
            errors=(404,),
        ),
    ]


def _is_newest_first(listing: Listing) -> bool:
    """`desc`, `asc`, `created_at` or `-created_at`; a minus turns round whatever it stands before."""
    first = listing.sort[0]
    return (first.field == "desc") != first.is_descending


async def _joined(
    archive: ReportArchive, names: Sequence[str], *, head: bytes, tail: bytes
) -> AsyncGenerator[bytes, None]:
    """The reports of those names as members of a JSON array. One that was cleaned away meanwhile is left out.

    Raises:
        Unavailable: the store of reports does not answer.
    """
    before = head
    for name in names:
        call_id, _, key = name.partition("/")
        try:
            content = await archive.read(call_id, key)
        except NoSuchObject:
            continue
        except ReportStoreDown as error:
            raise _down() from error
        try:
            yield before + await asyncio.to_thread(_to_json, content, call_id)
        except BadUpload:
            continue  # not ours
        before = b","
    yield tail if before == b"," else head + tail


def _down() -> Unavailable:
    return Unavailable("the store of reports did not answer; try again")


def _to_json(content: bytes, call_id: str) -> bytes:
    """The octets that are kept, with the keys behind them that they lack, and those that are ours to say.

    Not parsed and written anew: a document may be nested deeper than any writer goes.

    Raises:
        BadUpload: no JSON object in UTF-8.
    """
    document = read_object(content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadUpload("not UTF-8") from error
    summary = document.get("summary")
    known: Json = summary if isinstance(summary, dict) else {}
    added: Json = {
        **dict.fromkeys(CallReportView.model_fields),
        "version": _text(known.get("sdkVersion")),
        "telnyx_session_id": _text(known.get("telnyxSessionId")),
        "telnyx_leg_id": _text(known.get("telnyxLegId")),
        "created_at": _text(document.get("stored_at")),
    }
    ours: Json = {
        "call_id": call_id,
        "user_id": ACCOUNT_ID,
        "organization_id": ACCOUNT_ID,
        "voice_sdk_id_decoded": None,
    }
    behind = {key: value for key, value in added.items() if key not in document} | ours
    head = content.rstrip()[:-1].rstrip()
    return head + (b"" if head.endswith(b"{") else b",") + json.dumps(behind)[1:].encode()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
