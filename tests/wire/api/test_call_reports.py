"""`/voice_sdk_call_reports` on a real server."""

import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway.api.resources.voice_sdk_call_reports import CallReportView
from gateway.reports.documents import Origin, call_report
from gateway.reports.index import ReportIndex
from gateway.store.call_reports import CallReports
from tests.harness.rest import Api

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUMMARY = {"callId": "c1", "durationSeconds": 12.5, "sdkVersion": "2.27.1", "telnyxLegId": "l", "telnyxSessionId": "s"}


async def upload(api: Api, call_id: str, body: bytes, *, minute: int = 0) -> None:
    """As an SDK's upload is stored and indexed."""
    origin = Origin(
        call_id=call_id,
        report_id="secret",
        session_id="6a1f",
        connection_id="1500000000000000001",
        username="alice",
        user_agent="SDK",
        voice_sdk_id="VSDK1",
    )
    at = NOON + timedelta(minutes=minute)
    document = call_report(body, origin, at)
    key = await api.reports.add(origin, document)
    await ReportIndex(CallReports(api.database), api.reports).stored(origin, document, key, at)


def report(**keys: object) -> bytes:
    return json.dumps({"summary": SUMMARY, "stats": [{"n": 1}], **keys}).encode()


async def test_reports_of_a_call_are_a_bare_array_that_begins_with_the_posted_summary(api: Api) -> None:
    await upload(api, "c1", report(segment=1, logs=[], mine={"a": None}))
    await upload(api, "c1", report(segment=0, flushReason={"type": "manual"}))

    answer = await api.call("GET", "/v2/voice_sdk_call_reports/c1")

    assert answer.status == 200
    assert [one["segment"] for one in answer.body] == [0, 1]
    assert answer.body[0]["summary"] == SUMMARY
    assert answer.body[1]["mine"] == {"a": None}


async def test_report_has_every_key_of_the_service(api: Api) -> None:
    await upload(api, "c1", report(user_id="somebody else", call_id="another"))

    (shown,) = (await api.call("GET", "/v2/voice_sdk_call_reports/c1")).body

    assert set(shown) >= set(CallReportView.model_fields)
    assert (shown["call_id"], shown["user_agent"], shown["voice_sdk_id"]) == ("c1", "SDK", "VSDK1")
    assert (shown["voice_sdk_session_id"], shown["telnyx_leg_id"], shown["version"]) == ("6a1f", "l", "2.27.1")
    assert shown["user_id"] == shown["organization_id"] != "somebody else"
    assert shown["stored_at"] == shown["created_at"] == "2026-03-01T12:00:00.000Z"


async def test_call_is_found_however_its_id_is_written(api: Api) -> None:
    await upload(api, "ab-12", report())

    assert len((await api.call("GET", "/v2/voice_sdk_call_reports/AB-12")).body) == 1


@pytest.mark.parametrize("call_id", ["unknown", "..", "%2e%2e%2fx", "a%00b"])
async def test_call_without_reports_is_not_found(api: Api, call_id: str) -> None:
    await upload(api, "c1", report())

    answer = await api.call("GET", f"/v2/voice_sdk_call_reports/{call_id}")

    assert (answer.status, answer.refusals[0][0]) == (404, "10005")


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["c3", "c2", "c1"]),
        ("?sort=-created_at", ["c3", "c2", "c1"]),
        ("?sort=desc", ["c3", "c2", "c1"]),
        ("?sort=-asc", ["c3", "c2", "c1"]),
        ("?sort=created_at", ["c1", "c2", "c3"]),
        ("?sort=asc", ["c1", "c2", "c3"]),
    ],
)
async def test_list_is_newest_first_unless_it_is_turned_round(api: Api, sort: str, expected: list[str]) -> None:
    for minute, call_id in enumerate(("c1", "c2", "c3")):
        await upload(api, call_id, report(), minute=minute)

    answer = await api.call("GET", f"/v2/voice_sdk_call_reports{sort}")

    assert [one["call_id"] for one in answer.data] == expected
    assert answer.body["meta"] == {"page_number": 1, "page_size": 20, "total_pages": 1, "total_results": 3}


async def test_list_comes_in_pages_and_is_empty_behind_the_last(api: Api) -> None:
    for minute, call_id in enumerate(("c1", "c2", "c3")):
        await upload(api, call_id, report(), minute=minute)

    pages = [await api.call("GET", f"/v2/voice_sdk_call_reports?page[size]=2&page[number]={n}") for n in (1, 2, 3)]

    assert [[one["call_id"] for one in page.data] for page in pages] == [["c3", "c2"], ["c1"], []]
    assert {page.body["meta"]["total_results"] for page in pages} == {3}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("page[size]=101", "page[size]"), ("page[number]=0", "page[number]"), ("sort=call_id", "sort")],
)
async def test_page_or_order_that_the_list_has_not_is_refused(api: Api, query: str, parameter: str) -> None:
    answer = await api.call("GET", f"/v2/voice_sdk_call_reports?{query}")

    assert (answer.status, answer.refusals) == (400, [("10015", parameter)])


async def test_report_that_was_cleaned_away_is_left_out(api: Api) -> None:
    await upload(api, "c1", report(), minute=0)
    await upload(api, "c2", report(), minute=1)
    await upload(api, "c3", report(), minute=2)
    for gone in ("c3", "c1"):
        await api.objects.delete(f"{gone}/call_report/final.json")

    answer = await api.call("GET", "/v2/voice_sdk_call_reports")

    assert [one["call_id"] for one in answer.data] == ["c2"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"stats":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":"\\ud800"}',
        b"{}",
        b'{ "summary" : 1 }  ',
        b'{"summary":{"sdkVersion":{"x":1}}}',
    ],
)
async def test_report_of_odd_json_is_sent_as_it_was_posted(api: Api, body: bytes) -> None:
    await upload(api, "c1", body)

    (shown,) = (await api.call("GET", "/v2/voice_sdk_call_reports")).data

    posted = json.loads(body)
    assert {key: shown[key] for key in posted} == posted


async def test_report_that_is_no_text_is_left_out(api: Api) -> None:
    await upload(api, "c1", b'{"a":"\xed\xa0\x80"}')

    assert (await api.call("GET", "/v2/voice_sdk_call_reports")).data == []


@pytest.mark.parametrize("path", ["", "/c1"])
async def test_store_of_reports_that_is_down_is_an_error_to_try_again(api: Api, path: str) -> None:
    await upload(api, "c1", report())
    api.objects.is_down = True

    answer = await api.call("GET", f"/v2/voice_sdk_call_reports{path}")

    assert (answer.status, answer.refusals) == (503, [("10007", None)])


async def test_store_that_fails_in_the_middle_breaks_the_answer_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await upload(api, "c1", report(), minute=0)
    await upload(api, "c2", report(), minute=1)
    read = api.objects.get

    async def once(key: str) -> bytes:
        content = await read(key)
        api.objects.is_down = True
        return content

    monkeypatch.setattr(api.objects, "get", once)

    with pytest.raises(aiohttp.ClientError):
        await api.call("GET", "/v2/voice_sdk_call_reports")
