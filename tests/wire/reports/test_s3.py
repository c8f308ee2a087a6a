"""Reports in a bucket of a real S3 service on loopback."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.reports.objects import ObjectStore, ReportStoreDown
from gateway.reports.s3 import S3Store
from gateway.reports.settings import ReportSettings
from tests.harness.gateway import running
from tests.harness.s3 import bucket, make_bucket, s3_service
from tests.unit.reports.contract import ObjectStoreContract
from tests.wire.whole.test_reports import FOLDER, headers, logged_in, post, report_id_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[str]:
    """The address of a service that all tests of this module share."""
    async with s3_service() as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module")
async def place(service: str) -> tuple[str, str]:
    """The address, and a bucket of this test's own."""
    name = f"b{uuid.uuid4()}"
    await make_bucket(service, name)
    return service, name


def settings(address: str, name: str, **more: Any) -> dict[str, Any]:  # Any: settings by name
    return {
        "store": f"s3://{name}/reports/of/us",
        "s3_endpoint": address,
        "s3_access_key_id": "test",
        "s3_secret_access_key": "test",
        **more,
    }


class TestS3Store(ObjectStoreContract):
    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, place: tuple[str, str]) -> AsyncIterator[ObjectStore]:
        store = S3Store(ReportSettings(**settings(*place)))
        yield store
        await store.close()


async def test_objects_lie_under_the_prefix(place: tuple[str, str]) -> None:
    await S3Store(ReportSettings(**settings(*place))).put("call/0.json", b"{}")

    found = await bucket(*place).list().collect_async()

    assert [one["path"] for one in found] == ["reports/of/us/call/0.json"]


async def test_many_objects_are_listed_whole(place: tuple[str, str]) -> None:
    store = S3Store(ReportSettings(**settings(*place)))
    for start in range(0, 1100, 100):
        await asyncio.gather(*(store.put(f"call/{number}.json", b"x") for number in range(start, start + 100)))

    assert len(await store.entries("call")) == 1100


@pytest.mark.parametrize(
    "wrong",
    [
        {"store": "s3://no-such-bucket/x"},
        {"s3_endpoint": "http://127.0.0.1:1"},
    ],
)
async def test_a_wrong_address_is_a_store_that_is_down(place: tuple[str, str], wrong: dict[str, str]) -> None:
    store = S3Store(ReportSettings(**{**settings(*place), **wrong}))

    with pytest.raises(ReportStoreDown) as raised:
        await store.put("call/0.json", b"{}")

    assert "test" not in str(raised.value).replace(place[1], "")  # neither of the keys


async def test_a_service_that_hangs_is_a_store_that_is_down(place: tuple[str, str]) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    store = S3Store(ReportSettings(**settings(address, place[1], store_timeout=0.3)))

    async with server:
        with pytest.raises(ReportStoreDown):
            await store.put("call/0.json", b"{}")


async def test_a_whole_gateway_keeps_reports_and_debug_frames_in_a_bucket(
    place: tuple[str, str], tmp_path: Path
) -> None:
    plain = settings(*place)
    secret = tmp_path / "secret"
    secret.write_text(plain.pop("s3_secret_access_key") + "\n")
    plain["s3_secret_access_key_file"] = str(secret)
    async with running(tmp_path, {"reports": plain}) as gateway:
        async with logged_in(gateway) as (verto, report_id):
            assert report_id == await report_id_of(verto)
            await verto.debug_report("start", "d1", call_id=FOLDER)
            statuses = [(await post(gateway, {"segment": part}, headers(report_id)))[0] for part in (0, 1)]
        whole = await gateway.gateway.reports.archive.report(FOLDER)

    found = {one["path"].removeprefix("reports/of/us/"): one for one in await bucket(*place).list().collect_async()}
    assert statuses == [200, 200]
    assert sorted(found) == [
        f"{FOLDER}/call_report/0.json",
        f"{FOLDER}/call_report/1.json",
        f"{FOLDER}/rtc_stats_reports/0.json",
    ]
    assert whole is not None and len(whole["segments"]) == 2
    frames = await bucket(*place).get_async(f"reports/of/us/{FOLDER}/rtc_stats_reports/0.json")
    assert json.loads((await frames.bytes_async()).to_bytes())["frames"][0]["type"] == "debug_report_start"


async def test_a_bucket_that_is_away_gives_503_until_it_is_back(service: str, tmp_path: Path) -> None:
    name = f"b{uuid.uuid4()}"
    async with (
        running(tmp_path, {"reports": settings(service, name)}) as gateway,
        logged_in(gateway) as (_, report_id),
    ):
        before, _, _ = await post(gateway, {}, headers(report_id))
        await make_bucket(service, name)
        after, _, _ = await post(gateway, {}, headers(report_id))

    assert (before, after) == (503, 200)
