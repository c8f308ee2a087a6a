"""`/detail_records` on a real server."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.api.resources.detail_record_query import FIELDS
from gateway.store.database import Database
from gateway.store.detail_records import DetailRecord, DetailRecords
from gateway.store.errors import StoreUnavailable
from gateway.store.settings import StoreSettings
from tests.harness.rest import Api, serving
from tests.unit.store.samples import finished, leg_id, new_leg

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
async def api(fresh_store: StoreSettings) -> AsyncIterator[Api]:
    """It is Sunday noon."""
    database = await Database.open(fresh_store)
    async with serving(database, clock=lambda: NOW) as served:
        yield served
    await database.close()


async def fill(api: Api, *ages: timedelta, first: int = 1, **changes: object) -> None:
    """A record for each age, all of them of a minute."""
    records = DetailRecords(api.database)
    for number, age in enumerate(ages, first):
        at = NOW - age
        end = finished(number, at=at + timedelta(seconds=50), cost=f"0.00{number}")
        await records.write([new_leg(number, at=at, **changes)], (), [end])


async def listed(api: Api, **query: object) -> Any:  # Any: an `Answer`
    filters = {"filter[record_type]": "webrtc"}
    return await api.call("GET", "/v2/detail_records?" + urlencode(filters | query))


def numbers(answer: Any) -> list[int]:  # Any: an `Answer`
    return [int(row["id"][-12:]) for row in answer.data]


MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def test_record_has_every_key_of_the_service_in_its_form(api: Api) -> None:
    await fill(api, MINUTE)

    answer = await listed(api)

    assert answer.body == {
        "data": [
            {
                "record_type": "webrtc_detail_record",
                "id": leg_id(),
                "telnyx_leg_id": leg_id(),
                "telnyx_session_id": "7f1d0000-0000-11f0-8000-000000000001",
                "fs_channel_id": "f6856af8-3fde-48fa-b3ab-000000000001",
                "session_id": "6a1f",
                "call_id": "b1c2-1",
                "telnyx_call_control_id": "",
                "auth_username": "alice1",
                "connection_id": "1500000000000000001",
                "connection_name": "lab 1",
                "direction": "outbound",
                "cli": "+12025550198",
                "cld": "+12025550100",
                "caller_number": "+1202-555-0198",
                "caller_name": "Alice",
                "dest_number": "+1 202 555 0100",
                "started_at": "2026-03-01T11:59:00Z",
                "finished_at": "2026-03-01T11:59:50Z",
                "call_sec": 50,
                "billed_sec": 60,
                "rate": "0.002",
                "cost": "0.001",
                "currency": "USD",
                "payment_method": "rate-deck",
                "country_code": 1,
                "source_country_code": 1,
                "billing_group_id": None,
                "billing_group_name": "",
                "tags": "lab,desk",
            }
        ],
        "meta": {"page_number": 1, "page_size": 20, "total_pages": 1, "total_results": 1},
    }


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "filter[record_type]"),
        ("filter[record_type]=calls", "filter[record_type]"),
        ("filter[record_type]=webrtc&filter[date_range]=someday", "filter[date_range]"),
        ("filter[record_type]=webrtc&filter[date_range]=last_0_days", "filter[date_range]"),
        ("filter[record_type]=webrtc&filter[username]=alice", "filter[username]"),
        ("filter[record_type]=webrtc&filter[cost][gte]=1", "filter[cost][gte]"),
        ("filter[record_type]=webrtc&filter[cost]=cheap", "filter[cost]"),
        ("filter[record_type]=webrtc&filter[rate]=1e99", "filter[rate]"),
        ("filter[record_type]=webrtc&filter[rate]=Infinity", "filter[rate]"),
        ("filter[record_type]=webrtc&filter[call_sec]=4294967296", "filter[call_sec]"),
        ("filter[record_type]=webrtc&filter[direction]=sideways", "filter[direction]"),
        ("filter[record_type]=webrtc&filter[started_at]=noon", "filter[started_at]"),
        ("filter[record_type]=webrtc&sort=username", "sort"),
        ("filter[record_type]=webrtc&sort=-started_at,", "sort"),
        ("filter[record_type]=webrtc&page[size]=251", "page[size]"),
        ("filter[record_type]=webrtc&page[number]=0", "page[number]"),
        ("filter[record_type]=webrtc&page[number]=-1", "page[number]"),
    ],
)
async def test_query_that_no_list_has_is_refused_by_name(api: Api, query: str, parameter: str) -> None:
    answer = await api.call("GET", f"/v2/detail_records?{query}")

    assert answer.status == 400
    assert answer.refusals == [("10015", parameter)]


async def test_other_types_of_records_are_known_and_empty(api: Api) -> None:
    await fill(api, MINUTE)

    answer = await listed(api, **{"filter[record_type]": "messaging"})

    assert (answer.data, answer.body["meta"]["total_pages"]) == ([], 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("today", [1]),
        ("yesterday", [2]),
        ("tomorrow", []),
        ("this_week", [1, 2, 3]),
        ("last_week", [4]),
        ("last_month", [2, 3, 4]),
        ("last_3_days", [1, 2]),
        ("last_30_days", [1, 2, 3, 4]),
    ],
)
async def test_date_ranges_go_by_the_start_of_the_leg_in_utc(api: Api, name: str, expected: list[int]) -> None:
    await fill(api, MINUTE, DAY, 5 * DAY, 8 * DAY)

    answer = await listed(api, **{"filter[date_range]": name})

    assert (numbers(answer), answer.body["meta"]["total_results"]) == (expected, len(expected))


async def test_every_field_of_a_record_can_be_filtered_by_what_the_record_shows(api: Api) -> None:
    await fill(api, MINUTE)
    (shown,) = (await listed(api)).data

    for name in FIELDS:
        if shown[name] is None:
            continue
        same = await listed(api, **{f"filter[{name}]": shown[name]})

        assert numbers(same) == [1], name


async def test_filters_of_another_value_find_nothing_whatever_the_field(api: Api) -> None:
    await fill(api, MINUTE)
    others = {"started_at": "2020-01-01T00:00:00Z", "finished_at": "9999-12-31T23:59:59Z", "direction": "inbound"}

    for name in FIELDS:
        answer = await listed(api, **{f"filter[{name}]": others.get(name, "7")})

        assert numbers(answer) == [], name


async def test_bounds_of_time_are_whole_seconds_and_may_be_joined(api: Api) -> None:
    await fill(api, 3 * MINUTE, 2 * MINUTE, MINUTE)
    second = "2026-03-01T11:58:00Z"

    from_it = await listed(api, **{"filter[started_at][gte]": second})
    behind_it = await listed(api, **{"filter[started_at][gt]": second})
    only_it = await listed(api, **{"filter[started_at][gte]": second, "filter[started_at][lte]": second})
    before_it = await listed(api, **{"filter[finished_at][lt]": "2026-03-01T11:58:50Z"})

    assert [numbers(one) for one in (from_it, behind_it, only_it, before_it)] == [[3, 2], [3], [2], [1]]


async def test_amount_is_the_same_however_it_is_written(api: Api) -> None:
    await fill(api, MINUTE)

    assert numbers(await listed(api, **{"filter[rate]": "0.00200"})) == [1]
    assert numbers(await listed(api, **{"filter[rate]": "00.002"})) == [1]


async def test_list_is_sorted_by_several_fields_and_newest_first_by_itself(api: Api) -> None:
    await fill(api, 3 * MINUTE, 2 * MINUTE, MINUTE)

    assert numbers(await listed(api)) == [3, 2, 1]
    assert numbers(await listed(api, sort="started_at")) == [1, 2, 3]
    assert numbers(await listed(api, sort="payment_method,direction,-cost")) == [3, 2, 1]


async def test_page_behind_the_last_is_empty_and_says_how_many_there_are(api: Api) -> None:
    await fill(api, 3 * MINUTE, 2 * MINUTE, MINUTE)

    answer = await listed(api, **{"page[size]": 2, "page[number]": 1_000_000_000})

    assert answer.data == []
    assert answer.body["meta"] == {
        "page_number": 1_000_000_000,
        "page_size": 2,
        "total_pages": 2,
        "total_results": 3,
    }


async def test_options_name_every_field_that_a_record_has(api: Api) -> None:
    await fill(api, MINUTE)

    (options,) = (await api.call("GET", "/v2/detail_records/options")).data

    assert options["record_type"] == "webrtc"
    assert options["fields"] == list((await listed(api)).data[0])


# ---- CSV


async def export(api: Api, query: str = "filter[record_type]=webrtc") -> list[dict[str, str]]:
    answer = await api.call("GET", f"/v2/detail_records.csv?{query}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(str(answer.body), newline="")))


async def test_table_has_all_records_that_fit_with_the_names_and_values_of_the_list(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DetailRecords.batches, "__kwdefaults__", {"where": (), "newest_first": True, "size": 2})
    await fill(api, *[n * MINUTE for n in (5, 4, 3, 2, 1)], caller_number="+12025550198", dest_number="bob")
    rows = (await listed(api)).data

    found = await export(api)

    assert found == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


async def test_table_is_filtered_and_ordered_like_the_list(api: Api) -> None:
    await fill(api, 2 * DAY, 3 * MINUTE, MINUTE)

    found = await export(api, "filter[record_type]=webrtc&filter[date_range]=today&sort=started_at")
    none = await export(api, "filter[record_type]=fax")

    assert [row["call_id"] for row in found] == ["b1c2-2", "b1c2-3"]
    assert none == []


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1", "@SUM(A1)", "\t=1", "+ 12"])
async def test_name_that_a_spreadsheet_would_compute_is_exported_as_text(api: Api, text: str) -> None:
    await fill(api, MINUTE, caller_name=text)

    (row,) = await export(api)

    assert row["caller_name"] == "'" + text
    assert row["cld"] == "+12025550100"


async def test_name_with_quotes_and_line_breaks_stays_in_its_cell(api: Api) -> None:
    await fill(api, MINUTE, caller_name='A "lice",\nB')

    (row,) = await export(api)

    assert row["caller_name"] == 'A "lice",\nB'


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("", "filter[record_type]"), ("filter[record_type]=webrtc&sort=cost", "sort")],
)
async def test_table_that_cannot_be_made_is_refused_before_it_begins(api: Api, query: str, parameter: str) -> None:
    answer = await api.call("GET", f"/v2/detail_records.csv?{query}")

    assert (answer.status, answer.refusals) == (400, [("10015", parameter)])


async def test_table_breaks_off_visibly_when_the_database_fails_in_the_middle(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(api, MINUTE)

    async def failing(*_: object, **__: object) -> AsyncIterator[tuple[DetailRecord, ...]]:
        yield ()
        raise StoreUnavailable("gone")

    monkeypatch.setattr(DetailRecords, "batches", failing)

    with pytest.raises(Exception, match=r"payload|disconnected|closed|Reset"):  # no end of the chunks ever comes
        await api.call("GET", "/v2/detail_records.csv?filter[record_type]=webrtc")


async def test_table_of_a_database_that_is_down_is_an_error_that_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object, **__: object) -> AsyncIterator[tuple[DetailRecord, ...]]:
        for reason in ("gone",):
            raise StoreUnavailable(reason)
        yield ()

    monkeypatch.setattr(DetailRecords, "batches", failing)

    answer = await api.call("GET", "/v2/detail_records.csv?filter[record_type]=webrtc")

    assert (answer.status, answer.refusals) == (503, [("10007", None)])
