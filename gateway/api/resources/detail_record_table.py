"""Detail records as a table for spreadsheets: CSV, written as it is read, so that a million rows cost no memory."""

import csv
import io
from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.api.resources.detail_record_query import conditions
from gateway.api.resources.detail_record_view import DetailRecordView, to_view
from gateway.api.rest.listing import Listing
from gateway.api.rest.streaming import stream
from gateway.store.detail_records import DetailRecord, DetailRecords

_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


async def send_table(
    request: web.Request, records: DetailRecords, listing: Listing, *, now: datetime
) -> web.StreamResponse:
    """All records that fit, with a line of names first.

    Raises:
        StoreError: the database did not answer; nothing was sent.
    """
    where, newest_first = conditions(listing, now), listing.sort[0].is_descending

    async def pieces() -> AsyncGenerator[bytes, None]:
        text = _csv([tuple(DetailRecordView.model_fields)])
        if where is not None:
            async for batch in records.batches(where=where, newest_first=newest_first):
                yield text + _csv(map(_cells, batch))
                text = b""
        yield text

    headers = {"Content-Disposition": 'attachment; filename="detail_records.csv"'}
    return await stream(request, pieces(), content_type="text/csv", headers=headers)


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
