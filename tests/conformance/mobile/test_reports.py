"""M-24, M-76 and M-77: call reports over HTTP, as each SDK uploads them."""

import io
import json
import ssl
from collections.abc import Mapping

import aiohttp
import pytest

from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ECHO, OFFER, Site
from tests.harness.mobile.client import MobileClient
from tests.harness.mobile.dialect import Message
from tests.harness.mobile.sdk import IOS, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGEST = 2 * 1024 * 1024
"""Bytes of a report, as Android splits them."""


async def upload(
    url: str, body: Message | bytes, headers: Mapping[str, str], *, trust: ssl.SSLContext | bool = True
) -> tuple[int, str]:
    """POST a report; status and text of the answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **headers}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/call_report", data=io.BytesIO(content), headers=given, ssl=trust) as answer,
    ):
        return answer.status, (await answer.text()).strip()


async def report_id_of(client: MobileClient) -> str:
    """The `call_report_id` of its session."""
    report_id: str = (await client.register())["params"]["call_report_id"]
    return report_id


async def called(client: MobileClient) -> str:
    """A call that is over."""
    call = await client.invite(ECHO, OFFER)
    await client.wait_for("telnyx_rtc.answer", call)
    await client.bye(call)
    return call


@platforms("iafr")
async def test_m024_the_gateway_state_carries_the_id_of_the_reports(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        first, second = await report_id_of(client), await report_id_of(client)

        assert first
        assert first == second


@platforms("iafr")
async def test_m076_reports_of_every_platform_are_taken_and_bad_ones_refused_in_known_words(
    site: Site, sdk: Sdk
) -> None:
    url = site.gateway.http
    async with site.client(sdk) as client:
        call = await called(client)
        assert client.rules.voice_sdk_id is not None
        headers = sdk.dialect.report_headers(await report_id_of(client), call, client.rules.voice_sdk_id)
        body = sdk.dialect.report_body(call)
        padding = "x" * (LARGEST - len(json.dumps({**body, "more": ""})))
        segments: list[Message] = [{"segment": 0}, {"segment": 1}, {"segment": 1}, {}]
        taken = [await upload(url, {**body, **segment, "unheard_of": [1]}, headers) for segment in segments]
        largest = await upload(url, {**body, "more": padding}, headers)
        refused = [
            await upload(url, b"x" * (LARGEST + 1), headers),
            await upload(url, body, _without(headers, "x-call-id")),
            await upload(url, body, _without(headers, "x-call-report-id")),
            await upload(url, body, {**headers, "x-call-report-id": "nobody's"}),
        ]

        assert (headers["x-call-id"] == call.upper()) == (sdk is IOS)
        assert {status // 100 for status, _ in [*taken, largest]} == {2}
        assert refused[0][0] == 413
        assert refused[1:] == [
            (400, "missing call_id"),
            (401, "missing call_report_id"),
            (401, "invalid call_report_id"),
        ]


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


@platforms("ar")
async def test_m077_reports_are_taken_at_every_listener_after_the_socket_has_gone(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        call = await called(client)
        assert client.rules.voice_sdk_id is not None
        headers = sdk.dialect.report_headers(await report_id_of(client), call, client.rules.voice_sdk_id)
    urls, trust = site.secured()

    assert client.is_closed.is_set()
    for index, url in enumerate(urls):
        body = {**sdk.dialect.report_body(call), "segment": index}
        assert (await upload(url.replace("ws", "http", 1), body, headers, trust=trust))[0] == 200
