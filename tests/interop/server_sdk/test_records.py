"""Checklist I of rest-v2, items 101 to 111: detail records and call reports. A test an item."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.interop.server_sdk.conftest import Backend, code_of, everything, refused
from tests.wire.whole.phone import phone

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

BUSY: Final = "+12025550102"
MEGABYTE: Final = 1024 * 1024
SUMMARY: Final = {"callId": "x", "durationSeconds": 12.5, "nested": {"a": [1, None, "ü"]}}


@dataclass(frozen=True)
class Called:
    """What was called before the tests: a busy number by alice, then robert by alice.

    Attributes:
        robert_leg_id: as robert's client saw it.
        report_id: alice's leave to upload.
    """

    backend: Backend
    robert_leg_id: str
    report_id: str

    async def records(self, *, sort: list[str] | None = None, **filters: Any) -> list[Any]:  # Any: the SDK's models
        """All records that fit, as the SDK gives them."""
        extra = {} if sort is None else {"sort": sort}
        return await everything(
            self.backend.sdk.detail_records.list(filter={"record_type": "webrtc", **filters}, **extra)
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def called(backend: Backend) -> AsyncIterator[Called]:
    async with phone(backend.gateway, "alice") as alice, phone(backend.gateway, "robert") as robert:
        busy = await alice.call(BUSY)
        await alice.until_over(busy)
        await alice.call("robert")
        await robert.verto.bye(await robert.until_rung(), cause="USER_BUSY", code=17)
        seen = (await robert.verto.wait_for("telnyx_rtc.invite"))["params"]
        state = await alice.verto.request("telnyx_rtc.gatewayState", {})
        made = Called(backend, seen["telnyx_leg_id"], state["params"]["call_report_id"])
        async with asyncio.timeout(30):
            while len((await backend.gateway.get("/v2/detail_records?filter[record_type]=webrtc"))["data"]) < 3:
                pass
        yield made


async def test_item_101_rows_are_webrtc_detail_records(called: Called) -> None:
    rows = await called.records()

    assert len(rows) == 3
    assert {row.record_type for row in rows} == {"webrtc_detail_record"}


async def test_item_102_without_a_record_type_there_is_no_list(called: Called) -> None:
    status, _, body = await called.backend.raw("GET", "/v2/detail_records")

    assert (status, code_of(json.loads(body))) == (400, ("10015", "filter[record_type]"))


@pytest.mark.parametrize(
    ("wanted", "parameter"), [({"colour": "red"}, "filter[colour]"), ({"sort": ["created_at"]}, "sort")]
)
async def test_item_103_unknown_field_is_refused(called: Called, wanted: dict[str, Any], parameter: str) -> None:
    status, kind, body = await refused(called.records(**wanted))

    assert (status, kind, code_of(body)) == (400, "BadRequestError", ("10015", parameter))


@pytest.mark.parametrize(("name", "count"), [("today", 3), ("yesterday", 0), ("last_7_days", 3)])
async def test_item_104_date_range_holds_the_calls_just_made_or_not(called: Called, name: str, count: int) -> None:
    assert len(await called.records(date_range=name)) == count


async def test_item_105_user_name_selects_calls_of_that_user_only(called: Called) -> None:
    rows = await called.records(auth_username="robert")

    assert [(row.auth_username, row.direction) for row in rows] == [("robert", "inbound")]
    assert len(await called.records(auth_username="alice")) == 2


async def test_item_106_minus_started_at_is_newest_first(called: Called) -> None:
    newest, oldest = await called.records(sort=["-started_at"]), await called.records(sort=["started_at"])

    assert [row.cld for row in newest] == ["robert", "robert", BUSY]
    assert [row.cld for row in oldest] == [BUSY, "robert", "robert"]


async def test_item_107_call_control_id_is_empty_for_a_plain_call(called: Called) -> None:
    """That of a parked call comes with Call Control: such a call is refused until then."""
    assert {row.telnyx_call_control_id for row in await called.records()} == {""}


async def test_item_108_leg_id_is_the_one_that_the_browser_saw(called: Called) -> None:
    (row,) = await called.records(auth_username="robert")

    assert row.telnyx_leg_id == row.id == called.robert_leg_id
    assert uuid.UUID(row.telnyx_leg_id).version == uuid.UUID(row.telnyx_session_id).version == 1


async def test_item_109_upload_needs_its_id_and_has_two_megabytes_at_most(called: Called) -> None:
    missing, _, text = await called.backend.raw("POST", "/call_report", data=b"{}")
    marks = {"x-call-report-id": called.report_id, "x-call-id": str(uuid.uuid4())}
    url, body = f"{called.backend.gateway.http}/call_report", BytesIO(b" " * (2 * MEGABYTE + 1))
    async with called.backend.http.post(url, headers=marks, data=body) as too_large:
        status = too_large.status

    assert (missing, text.strip()) == (401, b"missing call_report_id")
    assert status == 413


async def test_item_110_uploaded_report_is_found_with_its_summary_unchanged(called: Called) -> None:
    call_id = str(uuid.uuid4())
    marks = {"x-call-report-id": called.report_id, "x-call-id": call_id, "x-voice-sdk-id": "VSDK1x"}
    body = json.dumps({"summary": SUMMARY, "stats": []}).encode()
    assert (await called.backend.raw("POST", "/call_report", headers=marks, data=body))[0] == 200

    reports = await called.backend.sdk.voice_sdk_call_reports.retrieve(call_id)
    listed = await everything(called.backend.sdk.voice_sdk_call_reports.list())

    assert isinstance(reports, list)
    assert reports[0].to_dict()["summary"] == SUMMARY
    assert [one.call_id for one in listed] == [call_id]


async def test_item_111_preflight_allows_the_headers_of_an_upload(called: Called) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    status, headers, _ = await called.backend.raw("OPTIONS", "/call_report", headers=asked)

    allowed = {name.strip() for name in headers["Access-Control-Allow-Headers"].lower().split(",")}
    assert status == 204
    assert allowed >= {"x-call-report-id", "x-call-id", "x-voice-sdk-id"}
