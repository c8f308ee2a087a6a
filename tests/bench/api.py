"""The REST API under load: tokens at a steady rate, and a long list."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.bench.process import gateway_process

_MAKERS: Final = 8


@dataclass(frozen=True, slots=True)
class ApiFigures:
    """Milliseconds from request to whole answer, over one keep-alive connection a request in flight."""

    tokens: int
    token_rate: float
    token_median_ms: float
    token_p99_ms: float
    token_max_ms: float
    credentials: int
    page_size: int
    page_median_ms: float
    page_max_ms: float
    last_page_median_ms: float
    gateway_cpu_ms_per_token: float


async def measure(*, rate: float, seconds: float, credentials: int) -> ApiFigures:
    """Make credentials, then tokens at that rate, then read pages of the list of credentials."""
    async with (
        gateway_process("127.0.0.1:9", prefer="passthrough") as gateway,
        aiohttp.ClientSession(
            gateway.access["http_urls"][0], headers={"Authorization": f"Bearer {gateway.access['api_key']}"}
        ) as http,
    ):
        connection_id = (await _json(http, "GET", "/v2/credential_connections"))["data"][0]["id"]
        ids = await _make(http, connection_id, credentials)
        cpu = gateway.cpu_seconds
        tokens = sorted(await _tokens(http, ids, rate, seconds))
        spent = gateway.cpu_seconds - cpu
        pages = [await _timed(http, "/v2/telephony_credentials?page[size]=250") for _ in range(21)][1:]
        last = credentials // 250
        deep = [await _timed(http, f"/v2/telephony_credentials?page[size]=250&page[number]={last}") for _ in range(21)][
            1:
        ]
        return ApiFigures(
            tokens=len(tokens),
            token_rate=rate,
            token_median_ms=statistics.median(tokens),
            token_p99_ms=tokens[int(len(tokens) * 0.99)],
            token_max_ms=tokens[-1],
            credentials=credentials,
            page_size=250,
            page_median_ms=statistics.median(pages),
            page_max_ms=max(pages),
            last_page_median_ms=statistics.median(deep),
            gateway_cpu_ms_per_token=spent * 1000.0 / len(tokens),
        )


async def _make(http: aiohttp.ClientSession, connection_id: str, count: int) -> list[str]:
    """Credentials, several at once: each costs the gateway a password hash."""
    ids: list[str] = []

    async def make(share: int) -> None:
        for _ in range(share):
            made = await _json(http, "POST", "/v2/telephony_credentials", {"connection_id": connection_id})
            ids.append(made["data"]["id"])

    async with asyncio.TaskGroup() as group:
        for number in range(_MAKERS):
            group.create_task(make(count // _MAKERS + (number < count % _MAKERS)))
    return ids


async def _tokens(http: aiohttp.ClientSession, ids: list[str], rate: float, seconds: float) -> list[float]:
    """Requests at fixed times, whether those before are answered or not: a slow answer delays none."""
    loop, took = asyncio.get_running_loop(), list[float]()

    async def ask(credential_id: str) -> None:
        began = time.perf_counter()
        async with http.post(f"/v2/telephony_credentials/{credential_id}/token") as response:
            assert response.status == 201, await response.text()
            await response.read()
        took.append((time.perf_counter() - began) * 1000.0)

    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            reached = asyncio.Event()
            loop.call_at(start + number / rate, reached.set)
            await reached.wait()
            group.create_task(ask(ids[number % len(ids)]))
    return took


async def _timed(http: aiohttp.ClientSession, path: str) -> float:
    began = time.perf_counter()
    found = await _json(http, "GET", path)
    assert len(found["data"]) > 0
    return (time.perf_counter() - began) * 1000.0


async def _json(http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> Any:  # Any: JSON
    async with http.request(method, path, json=body) as response:
        assert response.status < 300, await response.text()
        return await response.json()
