"""Whatever is sent to a running gateway's socket, before a login nothing changes, and after it nothing breaks."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.gateway import PASSWORD, Running
from tests.harness.log_lines import log_lines
from tests.unit.vsp.test_fuzz import frames
from tests.wire.whole.attackers import PATIENCE

BOUNDED = settings(
    deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def talk(gateway: Running, texts: list[str], *, is_logged_in: bool) -> int:
    """Send them all, then a ping; how many frames came back before its answer or the end of the socket."""
    async with aiohttp.ClientSession() as http, http.ws_connect(gateway.websocket, max_msg_size=0) as socket:
        if is_logged_in:
            params = {"login": "robert", "passwd": PASSWORD}
            await socket.send_json({"jsonrpc": "2.0", "id": "in", "method": "login", "params": params})
            async with asyncio.timeout(PATIENCE):
                while (await socket.receive_json()).get("method") != "telnyx_rtc.clientReady":
                    pass
        with contextlib.suppress(ConnectionError):  # closed by the gateway for what came before
            for text in texts:
                await socket.send_str(text)
            await socket.send_json({"jsonrpc": "2.0", "id": "the last", "method": "telnyx_rtc.ping"})
        heard = 0
        async with asyncio.timeout(PATIENCE):
            while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                if not frame.data.startswith("#SP"):
                    message: dict[str, Any] = json.loads(frame.data)  # Any: JSON as it came
                    assert isinstance(message["voice_sdk_id"], str)
                    if message.get("id") == "the last":
                        return heard
                heard += 1
    return heard


async def state(gateway: Running) -> tuple[object, object]:
    """What a change would show in: sessions and calls."""
    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
    calls = (await gateway.get("/v2/gateway/calls"))["data"]
    return sessions, calls


@BOUNDED
@given(texts=st.lists(frames, max_size=12))
async def test_before_the_login_no_frame_changes_anything(gateway: Running, texts: list[str]) -> None:
    before = await state(gateway)
    with log_lines() as log:
        assert await talk(gateway, texts, is_logged_in=False) <= 3 * len(texts) + 1
    assert await state(gateway) == before
    assert not [line for line in log.lines if "Traceback" in line]


@BOUNDED
@given(texts=st.lists(frames, max_size=12))
async def test_after_the_login_no_frame_breaks_anything(gateway: Running, texts: list[str]) -> None:
    with log_lines() as log:
        await talk(gateway, texts, is_logged_in=True)
    assert not [line for line in log.lines if "Traceback" in line]
    assert await talk(gateway, [], is_logged_in=True) == 0
