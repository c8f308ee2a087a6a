"""The gateway as a process of its own, and what it costs."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

PROGRAM: Final = Path(sys.executable).with_name("rtc-gateway")


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A running `rtc-gateway demo`."""

    process: psutil.Process
    access: Mapping[str, Any]  # Any: the JSON line of `demo --json`

    @property
    def websocket(self) -> str:
        """Where clients connect."""
        url: str = self.access["websocket_url"]
        return url

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory_bytes(self) -> int:
        """Resident memory now."""
        return int(self.process.memory_info().rss)

    async def get(self, path: str) -> Any:  # Any: JSON of the API
        """GET with the key."""
        headers = {"Authorization": f"Bearer {self.access['api_key']}"}
        url = self.access["http_urls"][0] + path
        async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as response:
            return await response.json()


@asynccontextmanager
async def gateway_process(
    trunk: str,
    *,
    prefer: str,
    codecs: Sequence[str] = ("PCMU",),
    more: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
    is_log_read: bool = True,
) -> AsyncIterator[GatewayProcess]:
    """Start the program on free ports with one trunk (host:port), stop it at the end.

    Args:
        codecs: of the trunk.
        more: further settings.
        launcher: a command that becomes the program (`nice`, `taskset`).
        is_log_read: whether its log goes where ours does, or nowhere.
    """
    settings = {
        "HTTP__LISTEN": '["http://127.0.0.1:0"]',
        "METRICS__LISTEN": "127.0.0.1:0",
        "SIP__LISTEN": '["udp:127.0.0.1:0"]',
        "LOG__LEVEL": "warning",
        "MEDIA__PREFER": prefer,
        "TRUNKS": json.dumps([{"name": "bench", "uri": f"sip:{trunk};transport=udp", "codecs": list(codecs)}]),
        **(more or {}),
    }
    environment = os.environ | {f"RTC_GATEWAY__{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        *(*launcher, str(PROGRAM), "demo", "--throw-away", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=None if is_log_read else asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield GatewayProcess(psutil.Process(process.pid), json.loads(line))
    finally:
        process.terminate()
        await process.wait()
