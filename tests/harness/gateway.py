"""A whole gateway on free loopback ports, with users, inside the test's own process."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.app import Gateway
from gateway.config import load
from gateway.observability import logging as logs
from tests.fakes import database
from tests.harness.furnished import MEMORY_KIB, PASSWORD, TIME_COST, furnish, put_into
from tests.harness.ports import OWN_PORTS

__all__ = ["FAST", "PASSWORD", "Running", "merged", "running"]

FAST: Final[Mapping[str, Mapping[str, object]]] = {
    "http": {"listen": ["http://127.0.0.1:0", "https://127.0.0.1:0"]},
    "metrics": {"listen": "127.0.0.1:0"},
    "auth": {"password_time_cost": TIME_COST, "password_memory_kib": MEMORY_KIB},
    "sip": {"listen": ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]},
    "media": {"rtp_ports": OWN_PORTS},
    "lab": {"enabled": True},
    "calls": {"max_setup_delay": 0},
}
"""Ports of our own, cheap password hashes, the lab on; a machine that is busy with other tests refuses no calls."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that takes calls, and how to get in."""

    gateway: Gateway
    key: str
    connections: Mapping[str, str]
    """Connection ids by user name."""

    @property
    def http(self) -> str:
        """Its plain HTTP address."""
        return next(url for url in self.gateway.ready.http if url.startswith("http://"))

    @property
    def websocket(self) -> str:
        """The same for WebSockets."""
        return self.http.replace("http", "ws", 1)

    @property
    def wss(self) -> str:
        """The encrypted one, with a certificate of our own authority."""
        return next(url for url in self.gateway.ready.http if url.startswith("https://")).replace("http", "ws", 1)

    def sip(self, transport: str = "udp") -> str:
        """Host and port of a SIP listener."""
        return next(one for one in self.gateway.ready.sip if one.startswith(transport)).partition(":")[2]

    async def get(self, path: str) -> Any:  # Any: JSON of the API
        """GET with the key."""
        async with aiohttp.ClientSession() as client, client.get(self.http + path, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: Mapping[str, object]) -> Any:  # Any: JSON of the API
        """POST with the key."""
        async with (
            aiohttp.ClientSession() as client,
            client.post(self.http + path, json=body, headers=self._headers) as response,
        ):
            assert response.status in (200, 201), await response.text()
            return await response.json()

    async def configure(self, user: str, **settings: object) -> None:
        """PATCH the connection of that user with the key."""
        await self.patch(f"/v2/credential_connections/{self.connections[user]}", settings)

    async def patch(self, path: str, body: Mapping[str, object]) -> Any:  # Any: JSON of the API
        """PATCH with the key."""
        async with (
            aiohttp.ClientSession() as client,
            client.patch(self.http + path, json=body, headers=self._headers) as response,
        ):
            assert response.status == 200, await response.text()
            return await response.json()

    async def delete(self, path: str) -> Any:  # Any: JSON of the API
        """DELETE with the key."""
        async with (
            aiohttp.ClientSession() as client,
            client.delete(self.http + path, headers=self._headers) as response,
        ):
            assert response.status == 200, await response.text()
            return await response.json()

    async def metrics(self) -> str:
        """The metrics page."""
        url = f"{self.gateway.ready.metrics}/metrics"
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            return await response.text()

    async def media_story(self) -> str:
        """What came of packets, for somebody who looks for the reason of a failure."""
        calls = (await self.get("/v2/gateway/calls?state=live"))["data"]
        qualities = [str(await self.get(f"/v2/gateway/calls/{call['call_id']}/quality")) for call in calls]
        rejected = [line for line in (await self.metrics()).splitlines() if "rtp_packets_rejected_total{" in line]
        return "\n".join(["the gateway's media:", *qualities, *rejected])

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def merged(*presets: Mapping[str, object]) -> dict[str, object]:
    """Sections of settings laid over each other."""
    result: dict[str, object] = {}
    for preset in presets:
        for name, section in preset.items():
            known = result.get(name)
            is_both = isinstance(known, dict) and isinstance(section, Mapping)
            result[name] = {**known, **section} if is_both else section  # type: ignore[dict-item] # is_both says so
    return result


def _chosen() -> dict[str, str]:
    """The one setting that the suite takes from outside: `RTC_GATEWAY__MEDIA__ENGINE=aiortc make test`."""
    return {name: value for name, value in os.environ.items() if name == "RTC_GATEWAY__MEDIA__ENGINE"}


@asynccontextmanager
async def running(
    folder: Path, settings: Mapping[str, object] | None = None, *, users: tuple[str, ...] = ("alice", "robert")
) -> AsyncIterator[Running]:
    """A gateway with `users` (connections of that user name, all with `PASSWORD`) and a key with every scope."""
    logs.configure(level="warning", format="json")
    own = settings or {}
    config = load(None, environ=_chosen(), preset=merged(FAST, {"data_dir": str(folder)}, own))
    access = None
    if not {"auth", "store"} & own.keys():
        access = await asyncio.to_thread(put_into, config, users)
    if access is None and "store" not in own:
        await asyncio.to_thread(database.put_into, folder)
    async with Gateway(config) as gateway:
        access = access or await furnish(gateway.provisioning, users)
        yield Running(gateway, access.key, access.connections)
