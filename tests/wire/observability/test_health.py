"""The operator's listener."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.observability import metrics
from gateway.observability.health import LagProbe, OperatorServer


class Readiness:
    is_ready = True


@pytest.fixture
async def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def url(readiness: Readiness) -> AsyncIterator[str]:
    server = OperatorServer("127.0.0.1", 0, is_ready=lambda: readiness.is_ready)
    yield await server.start()
    await server.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        return response.status, await response.text()


async def test_metrics_are_served_with_help_texts(url: str) -> None:
    status, text = await get(f"{url}/metrics")

    assert status == 200
    assert "# HELP gateway_calls_active Calls that live now" in text


async def test_alive_stays_true_while_ready_follows_the_gateway(url: str, readiness: Readiness) -> None:
    assert (await get(f"{url}/readyz"))[0] == 200
    readiness.is_ready = False

    assert (await get(f"{url}/readyz"))[0] == 503
    assert (await get(f"{url}/healthz"))[0] == 200


async def test_loop_lag_is_observed_by_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observability.health.LAG_INTERVAL", 0.001)
    observed, told = list[float](), asyncio.Queue[float]()

    class Recorder:
        def observe(self, lag: float) -> None:
            assert lag >= 0.0
            observed.append(lag)

    monkeypatch.setattr(metrics, "EVENT_LOOP_LAG_SECONDS", Recorder())
    probe = LagProbe(told.put_nowait)
    probe.start()
    async with asyncio.timeout(30):
        lags = [await told.get() for _ in range(3)]
    probe.stop()

    assert observed[:3] == lags


def test_every_metric_has_a_help_text_and_the_grammar_of_names() -> None:
    for family in metrics.REGISTRY.collect():
        assert family.documentation
        assert family.name.startswith("gateway_")


def test_label_outside_its_set_becomes_other() -> None:
    assert metrics.closed("INVITE", frozenset({"INVITE"})) == "INVITE"
    assert metrics.closed("<script>", frozenset({"INVITE"})) == "other"
