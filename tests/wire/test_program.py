"""The program itself, as a user starts it: `rtc-gateway demo` and `serve`, on free ports."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.harness.program import DEADLINE, FREE_PORTS, started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_demo_says_where_it_answers_answers_there_and_stops_when_told(tmp_path: Path, number: int) -> None:
    async with started(tmp_path, "demo", "--json") as program, aiohttp.ClientSession() as web:
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
        async with started(tmp_path, "demo", "--json") as program:
            seen.append(json.loads(await program.line()))
            assert await program.stop(signal.SIGTERM) == 0

    first, second = ({name: ready[name] for name in ("sip_user", "sip_password", "api_key")} for ready in seen)
    assert first == second


async def test_throw_away_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    environ = FREE_PORTS | {"TMPDIR": str(tmp_path)}

    async with started(tmp_path, "demo", "--json", "--throw-away", environ=environ) as program:
        await program.line()
        while_running = _names(tmp_path)
        assert await program.stop(signal.SIGTERM) == 0

    assert [name.startswith("rtc-gateway-") for name in while_running] == [True]
    assert _names(tmp_path) == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_provisioning_reaches_the_store_of_a_running_gateway(tmp_path: Path) -> None:
    async with started(tmp_path, "serve") as gateway:
        while "ready" not in await gateway.line():
            pass
        async with started(tmp_path, "connection", "add", "--name=a", "--user=alice", "--password=s3cret") as added:
            connection_id = (await added.line()).strip()
            assert await asyncio.wait_for(added.process.wait(), DEADLINE) == 0
        async with started(tmp_path, "connection", "list", "--json") as listed:
            rows = json.loads(await listed.line())
        assert await gateway.stop(signal.SIGTERM) == 0

    assert [row["id"] for row in rows] == [connection_id]


async def test_port_that_is_taken_ends_the_start_with_exit_code_1(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    taken = FREE_PORTS | {"RTC_GATEWAY__METRICS__LISTEN": f"127.0.0.1:{port}"}

    async with started(tmp_path, "serve", environ=taken) as program:
        code = await asyncio.wait_for(program.process.wait(), DEADLINE)

    server.close()
    await server.wait_closed()
    assert code == 1
