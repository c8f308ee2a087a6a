"""The program itself, as a user starts it: `rtc-gateway demo` and `serve`, on free ports."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

_DEADLINE = 30.0

_FREE_PORTS = {
    "RTC_GATEWAY__HTTP__LISTEN": "http://127.0.0.1:0",
    "RTC_GATEWAY__SIP__LISTEN": "udp:127.0.0.1:0,tcp:127.0.0.1:0",
    "RTC_GATEWAY__METRICS__LISTEN": "127.0.0.1:0",
}


@dataclass
class _Program:
    process: asyncio.subprocess.Process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(_DEADLINE):
            return (await self.process.stdout.readline()).decode()

    async def stop(self, number: int) -> int:
        self.process.send_signal(number)
        async with asyncio.timeout(_DEADLINE):
            return await self.process.wait()


@asynccontextmanager
async def _started(folder: Path, *arguments: str, environ: Mapping[str, str] = _FREE_PORTS) -> AsyncIterator[_Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield _Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_demo_says_where_it_answers_answers_there_and_stops_when_told(tmp_path: Path, number: int) -> None:
    async with _started(tmp_path, "demo", "--json") as program, aiohttp.ClientSession() as web:
        ready = json.loads(await program.line())
        async with web.get(f"{ready['metrics_url']}/readyz") as answer:
            state = await answer.json()
        async with web.get(f"{ready['http_urls'][0]}/") as answer:
            console = answer.status
        code = await program.stop(number)

    assert state == {"status": "ready"}
    assert console == 200
    assert code == 0


async def test_second_demo_in_a_folder_keeps_user_and_key(tmp_path: Path) -> None:
    seen: list[dict[str, object]] = []
    for _ in range(2):
        async with _started(tmp_path, "demo", "--json") as program:
            seen.append(json.loads(await program.line()))
            assert await program.stop(signal.SIGTERM) == 0

    first, second = ({name: ready[name] for name in ("sip_user", "sip_password", "api_key")} for ready in seen)
    assert first == second


async def test_throw_away_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    environ = _FREE_PORTS | {"TMPDIR": str(tmp_path)}

    async with _started(tmp_path, "demo", "--json", "--throw-away", environ=environ) as program:
        await program.line()
        while_running = _names(tmp_path)
        assert await program.stop(signal.SIGTERM) == 0

    assert [name.startswith("rtc-gateway-") for name in while_running] == [True]
    assert _names(tmp_path) == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_provisioning_reaches_the_store_of_a_running_gateway(tmp_path: Path) -> None:
    async with _started(tmp_path, "serve") as gateway:
        while "ready" not in await gateway.line():
            pass
        async with _started(tmp_path, "connection", "add", "--name=a", "--user=alice", "--password=s3cret") as added:
            connection_id = (await added.line()).strip()
            assert await asyncio.wait_for(added.process.wait(), _DEADLINE) == 0
        async with _started(tmp_path, "connection", "list", "--json") as listed:
            rows = json.loads(await listed.line())
        assert await gateway.stop(signal.SIGTERM) == 0

    assert [row["id"] for row in rows] == [connection_id]


async def test_port_that_is_taken_ends_the_start_with_exit_code_1(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    taken = _FREE_PORTS | {"RTC_GATEWAY__METRICS__LISTEN": f"127.0.0.1:{port}"}

    async with _started(tmp_path, "serve", environ=taken) as program:
        code = await asyncio.wait_for(program.process.wait(), _DEADLINE)

    server.close()
    await server.wait_closed()
    assert code == 1
