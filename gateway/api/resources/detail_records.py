"""`/detail_records` (rest-v2 D): what the legs of clients cost, as a list and as CSV."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.api.resources.detail_record_query import FIELDS, RULES, TABLE_RULES, WEBRTC, conditions, order
from gateway.api.resources.detail_record_table import send_table
from gateway.api.resources.detail_record_view import DetailRecordOptions, DetailRecordView, to_view
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.rest.listing import ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.store.detail_records import DetailRecords

_TAG: Final = "Detail records"


def detail_record_operations(records: DetailRecords, clock: Callable[[], datetime]) -> list[Operation]:
    """Every operation of the resource."""

    async def listed(call: Call[None]) -> Rows:
        where = conditions(call.listing, clock())
        if where is None:
            return Rows([], 0)
        found = await records.page(page_of(call.listing), where=where, sort=order(call.listing))
        return Rows([to_view(row) for row in found.rows], found.total)

    async def options(_call: Call[None]) -> Rows:
        return Rows([DetailRecordOptions(record_type=WEBRTC, fields=("record_type", *FIELDS))], 1)

    async def exported(call: Call[None]) -> web.StreamResponse:
        return await send_table(call.http, records, call.listing, now=clock())

    return [
        Operation(
            method="GET",
            path="/detail_records",
            name="list_detail_records",
            summary="List detail records",
            tag=_TAG,
            handler=listed,
            rules=RULES,
            answer=DetailRecordView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path="/detail_records/options",
            name="list_detail_record_options",
            summary="Say which types have records, and which fields they have",
            tag=_TAG,
            handler=options,
            rules=ListRules(is_paged=False),
            answer=DetailRecordOptions,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path="/detail_records.csv",
            name="export_detail_records",
            summary="All detail records that fit, as CSV",
            tag=_TAG,
            handler=exported,
            rules=TABLE_RULES,
            shape=Shape.RESPONSE,
            media_type="text/csv",
            errors=(400,),
        ),
    ]
