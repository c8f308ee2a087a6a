"""The operator's listener: `/metrics` (Prometheus), `/healthz` (alive), `/readyz` (may take calls); loop lag."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.observability import metrics

LAG_INTERVAL: Final = 0.1
"""Seconds between two probes of the event loop."""


class OperatorServer:
    """Serves metrics and health on a listener of their own, apart from the public one."""

    def __init__(self, host: str, port: int, *, is_ready: Callable[[], bool]) -> None:
        self._host, self._port, self._is_ready = host, port, is_ready
        application = web.Application()
        application.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> str:
        """Listen; returns the URL, with the real port when 0 was asked for. Raises OSError."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        is_ready = self._is_ready()
        return web.json_response({"status": "ready" if is_ready else "not_ready"}, status=200 if is_ready else 503)


class LagProbe:
    """Measures ten times a second how late the loop's timers fire.

    Args:
        on_lag: told of each, in seconds.
    """

    def __init__(self, on_lag: Callable[[float], None]) -> None:
        self._on_lag = on_lag
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Arm the first probe."""
        self._arm()

    def stop(self) -> None:
        """Disarm."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._due = self._loop.time() + LAG_INTERVAL
        self._timer = self._loop.call_at(self._due, self._fire)

    def _fire(self) -> None:
        lag = max(0.0, self._loop.time() - self._due)
        metrics.EVENT_LOOP_LAG_SECONDS.observe(lag)
        self._arm()
        self._on_lag(lag)
