"""V-1 to V-16: sockets, frames and pings (verto-js 1)."""

import asyncio
import itertools
import json
import socket
import ssl
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.vsp.settings import VspSettings
from tests.conformance.client import client, fastest, logged_in, phone
from tests.conformance.conftest import QUICK
from tests.harness.gateway import PASSWORD, Running, merged, running
from tests.harness.lab import live_calls
from tests.wire.whole.attackers import bare_websocket

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO = "+12025550100"
QUERIES = {
    "voice_sdk_id": "VSDK1Cabc",
    "canary": "true",
    "rtc_ip": "192.0.2.1",
    "rtc_port": "5060",
    "skip_last_voice_sdk_id": "true",
    "skip_trailing": "true",
    "of_tomorrow": "1",
}
REGIONS = ("", "eu.", "us-central.", "us-east.", "us-west.", "ca-central.", "apac.", "south-asia.")
MEBIBYTE = 1024 * 1024


async def test_v001_accepts_every_combination_of_queries(gateway: Running) -> None:
    for size in range(len(QUERIES) + 1):
        for names in itertools.combinations(QUERIES, size):
            query = urlencode({name: QUERIES[name] for name in names})
            async with client(gateway, f"/?{query}" if query else "/") as nobody:
                await nobody.barrier()


@pytest.mark.parametrize("offered", [(), ("verto",), ("sip", "janus-protocol")])
async def test_v002_never_selects_a_subprotocol(gateway: Running, offered: tuple[str, ...]) -> None:
    async with client(gateway, protocols=offered) as nobody:
        await nobody.barrier()

        assert nobody.socket.protocol is None


class Loopback(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_v003_serves_every_region_by_its_host_name(tmp_path: Path, scheme: str) -> None:
    hosts = [f"{region}rtc.telnyx.com" for region in REGIONS]
    async with running(tmp_path, merged(QUICK, {"http": {"names": hosts}})) as gateway:
        port = urlsplit(gateway.websocket if scheme == "ws" else gateway.wss).port
        trusted = ssl.create_default_context(cafile=gateway.gateway.ready.certificate_authority)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Loopback())) as http:
            for host in hosts:
                async with http.ws_connect(f"{scheme}://{host}:{port}/", ssl=trusted) as ws:
                    login = {"login": "alice", "passwd": PASSWORD}
                    await ws.send_json({"jsonrpc": "2.0", "id": "a", "method": "login", "params": login})
                    assert (await ws.receive_json())["result"]["sessid"]


async def test_v004_sends_nothing_but_text_frames(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.verto.say("#SPU 2048")
        await alice.verto.say("#SPB " + "." * 1024)
        await alice.verto.say("#SPE")
        await alice.verto.socket.send_bytes(b"{}")
        await alice.hang_up(call)
        await alice.verto.barrier()

        assert alice.verto.kinds == {aiohttp.WSMsgType.TEXT}


async def test_v005_accepts_a_message_of_one_mebibyte(gateway: Running) -> None:
    frame = {"jsonrpc": "2.0", "id": "big", "method": "telnyx_rtc.gatewayState", "params": {"data": ""}}
    text = json.dumps(frame)
    text = text.replace('""', '"' + "x" * (MEBIBYTE - len(text)) + '"')
    assert len(text) == MEBIBYTE
    async with logged_in(gateway) as alice:
        await alice.say(text)
        answer = await alice.until(lambda message: message.get("id") == "big")

        assert isinstance(answer["result"], dict)


async def test_v006_survives_a_hundred_messages_in_a_second(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        for number in range(100):
            await alice.say(json.dumps({"jsonrpc": "2.0", "id": str(number), "method": "telnyx_rtc.gatewayState"}))
        await alice.until(lambda message: message.get("id") == "99")

        answered = [
            message["id"] for message in alice.frames if str(message.get("id")).isdecimal() and "result" in message
        ]
        assert answered == [str(number) for number in range(100)]


async def test_v007_completes_the_closing_handshake_of_a_client_without_a_code(gateway: Running) -> None:
    masked_close = b"\x88\x80\x00\x00\x00\x00"
    async with bare_websocket(gateway) as (reader, writer):
        writer.write(masked_close)
        async with asyncio.timeout(30):
            answer = await reader.readexactly(2)
            rest = await reader.read()

        assert answer[0] == 0x88
        assert len(rest) == answer[1]  # the code, if there is one, then the end of the connection


async def test_v008_a_client_that_skips_its_last_node_starts_afresh(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        path = f"/?voice_sdk_id={alice.rules.voice_sdk_id}&skip_last_voice_sdk_id=true"
        async with logged_in(gateway, "robert", path) as robert:
            assert robert.rules.voice_sdk_id != alice.rules.voice_sdk_id
            assert robert.session_id != alice.session_id
        await alice.barrier()


@pytest.mark.parametrize("value", ["VSDK1Cunknown", "", "%00%ff", "x" * 4000, "a&voice_sdk_id=b"])
async def test_v009_an_unknown_voice_sdk_id_makes_a_new_connection(gateway: Running, value: str) -> None:
    async with logged_in(gateway, path=f"/?voice_sdk_id={value}") as alice:
        ready = alice.requests("telnyx_rtc.clientReady")

        assert ready == [{"reattached_sessions": []}]
        assert alice.rules.voice_sdk_id not in ("", value)


async def test_v010_every_message_of_a_socket_carries_the_same_voice_sdk_id(gateway: Running) -> None:
    async with phone(gateway) as alice:
        await alice.until_over(await alice.call("+12025550102"))
        await alice.verto.ask("telnyx_rtc.nonsense")
        await alice.verto.say("[]")
        await alice.verto.barrier()

        assert len(alice.verto.frames) > 6
        ids = {message.get("voice_sdk_id") for message in alice.verto.frames}
        assert len(ids) == 1
        assert isinstance(ids.pop(), str)


async def test_v011_pings_an_idle_client_with_an_id(tmp_path: Path) -> None:
    assert 10.0 <= VspSettings().ping_interval < 20.0  # the SDK probes by itself after 20 s of silence
    async with (
        running(tmp_path, merged(QUICK, {"verto": {"ping_interval": 0.1}})) as gateway,
        logged_in(gateway) as alice,
    ):
        third = await alice.until(lambda message: message.get("method") == "telnyx_rtc.ping", count=3)

        assert type(third["id"]) is int
        assert isinstance(third["params"], dict)


async def test_v012_answers_a_ping_within_a_second_also_before_the_login(gateway: Running) -> None:
    async with client(gateway) as nobody:
        before, first = await fastest(lambda: nobody.ask("telnyx_rtc.ping", {}))
        await nobody.login("alice", PASSWORD)
        after, second = await fastest(lambda: nobody.ask("telnyx_rtc.ping", {}))

        assert isinstance(first["result"], dict)
        assert isinstance(second["result"], dict)
        assert max(before, after) < 1.0


@pytest.mark.parametrize("has_login", [False, True], ids=["before", "after"])
async def test_v013_answers_a_ping_neither_with_an_error_nor_with_a_ping(gateway: Running, has_login: bool) -> None:
    async with client(gateway) as one:
        if has_login:
            await one.login("alice", PASSWORD)
        pings: list[object] = [{}, None, {"serno": 1}, {"x": "y" * 1000}, [], "text", 7]
        answers = [await one.ask("telnyx_rtc.ping", params) for params in pings]
        answers += [await one.ask("telnyx_rtc.ping", {}, id=number) for number in (1, 2, "1")]
        await one.barrier()

        assert [answer for answer in answers if "error" in answer] == []
        assert one.requests("telnyx_rtc.ping") == []


async def test_v014_does_not_wait_for_a_result_of_its_own_ping(tmp_path: Path) -> None:
    settings = merged(QUICK, {"verto": {"ping_interval": 0.05, "idle_timeout": 1.5}})
    async with running(tmp_path, settings) as gateway, logged_in(gateway) as alice:
        alice.is_silent = True
        for count in range(1, 41):
            await alice.until(lambda message: message.get("method") == "telnyx_rtc.ping", count=count)
            await alice.ask("telnyx_rtc.gatewayState", {})

        assert not alice.is_closed.is_set()


async def test_v015_drops_a_silent_socket_and_detaches_its_calls(tmp_path: Path) -> None:
    assert VspSettings().idle_timeout == 60.0
    settings = merged(QUICK, {"verto": {"idle_timeout": 3.0, "ping_interval": 60.0}})
    async with running(tmp_path, settings) as gateway, phone(gateway) as alice:
        alice.verto.is_silent = True
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        async with asyncio.timeout(30):
            await alice.verto.is_closed.wait()

        assert [one["verto_call_id"] for one in await live_calls(gateway)] == [call]


@pytest.mark.parametrize("has_login", [False, True], ids=["before", "after"])
async def test_v016_survives_text_that_is_no_message(gateway: Running, has_login: bool) -> None:
    garbage = [
        "",
        " ",
        "hello",
        "{",
        '{"jsonrpc"',
        "3",
        "true",
        "null",
        '"text"',
        "[]",
        "{}",
        "#SPX",
        "\U0001f600",
        "NaN",
    ]
    async with client(gateway) as one:
        if has_login:
            await one.login("alice", PASSWORD)
        for text in garbage:
            await one.say(text)
        await one.barrier()
        if not has_login:
            await one.login("alice", PASSWORD)

        assert not one.is_closed.is_set()
