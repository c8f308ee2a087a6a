"""Detail records as a table for spreadsheets: CSV, written as it is read, so that a million rows cost no memory."""

import asyncio
import contextlib
import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.api.errors import BadRequest
from gateway.api.resources.detail_record_query import conditions
from gateway.api.resources.detail_record_view import DetailRecordView, to_view
from gateway.api.rest.listing import Listing
from gateway.observability.logging import get_logger
from gateway.store.detail_records import Condition, DetailRecord, DetailRecords
from gateway.store.errors import StoreError

MAX_PAUSE: Final = 60.0
"""Seconds that a reader may take for a piece of the table."""

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""

_log = get_logger()


async def send_table(
    request: web.Request, records: DetailRecords, listing: Listing, *, now: datetime
) -> web.StreamResponse:
    """All records that fit, with a line of names first. A table that breaks off ends without its last chunk.

    Raises:
        BadRequest: a filter or an order that a table has not.
        StoreError: the database did not answer; nothing was sent.
    """
    where, sort = conditions(listing, now), listing.sort
    if len(sort) != 1:
        raise BadRequest("a table is in the order of started_at or of -started_at", parameter="sort")
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="detail_records.csv"'})
    response.content_type, response.charset = "text/csv", "utf-8"
    async with contextlib.aclosing(_found(records, where, newest_first=sort[0].is_descending)) as batches:
        first: Sequence[DetailRecord] = ()
        with contextlib.suppress(StopAsyncIteration):
            first = await anext(batches)
        try:
            await response.prepare(request)
            await _send(response, _csv([tuple(DetailRecordView.model_fields)]) + _csv(map(_cells, first)))
            async for batch in batches:
                await _send(response, _csv(map(_cells, batch)))
            await response.write_eof()
        except (StoreError, TimeoutError, ConnectionError) as error:
            _log.warning("export_broken_off", error=type(error).__name__, detail=str(error))
            if request.transport is not None:
                request.transport.abort()
    return response


async def _send(response: web.StreamResponse, octets: bytes) -> None:
    async with asyncio.timeout(MAX_PAUSE):
        await response.write(octets)


async def _found(
    records: DetailRecords, where: Sequence[Condition] | None, *, newest_first: bool
) -> AsyncGenerator[tuple[DetailRecord, ...], None]:
    if where is not None:
        async for batch in records.batches(where=where, newest_first=newest_first):
            yield batch


def _cells(row: DetailRecord) -> tuple[str, ...]:
    return tuple("" if value is None else _harmless(str(value)) for value in to_view(row).model_dump().values())


def _harmless(text: str) -> str:
    """Text that a spreadsheet shows and never computes: clients choose their own names and numbers.

    A number in E.164 keeps its `+`: of digits alone no formula can be made.
    """
    if not text.startswith(_FORMULAS) or (text[0] == "+" and text[1:].isascii() and text[1:].isdigit()):
        return text
    return "'" + text


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    """RFC 4180."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
