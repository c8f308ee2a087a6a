"""The program itself, as a user starts it: `rtc-gateway demo` and `serve`, on free ports."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp

from tests.harness.program import FREE_PORTS, started
from tests.harness.verto_client import connected


async def test_demo_answers_where_it_says_stops_when_told_and_keeps_user_and_key_in_its_folder(tmp_path: Path) -> None:
    seen: list[dict[str, object]] = []
    async with aiohttp.ClientSession() as web:
        for number in (signal.SIGINT, signal.SIGTERM):
            async with started(tmp_path, "demo", "--json") as program:
                ready = json.loads(await program.line())
                async with web.get(f"{ready['metrics_url']}/readyz") as answer:
                    assert await answer.json() == {"status": "ready"}
                async with web.get(f"{ready['http_urls'][0]}/") as answer:
                    assert answer.status == 200
                assert await program.stop(number) == 0
                seen.append({name: ready[name] for name in ("sip_user", "sip_password", "api_key")})

    first, second = seen
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


async def test_user_that_a_command_adds_logs_in_to_the_gateway_that_runs(tmp_path: Path) -> None:
    async with started(tmp_path, "serve") as gateway:
        address = await gateway.http_address()
        async with started(tmp_path, "connection", "add", "--name=a", "--user=alice", "--password=s3cret") as added:
            assert (await added.line()).strip().isdigit()
            assert await added.ended() == 0
        async with connected(address.replace("http", "ws", 1)) as verto:
            await verto.login("alice", "s3cret")
        assert await gateway.stop(signal.SIGTERM) == 0


async def test_port_that_is_taken_ends_the_start_with_exit_code_1(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    taken = FREE_PORTS | {"RTC_GATEWAY__METRICS__LISTEN": f"127.0.0.1:{port}"}

    async with started(tmp_path, "serve", environ=taken) as program:
        code = await program.ended()

    server.close()
    await server.wait_closed()
    assert code == 1
