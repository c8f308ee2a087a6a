"""M-1 to M-15: sockets, pings, frames of all shapes."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from gateway.config import load
from gateway.http.address import ListenAddress
from gateway.vsp.settings import VspSettings
from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ECHO, OFFER, REGIONS, SETTINGS, Site, converse
from tests.harness.gateway import PASSWORD, merged, running
from tests.harness.log_lines import log_lines
from tests.harness.mobile.client import dialed
from tests.harness.mobile.dialect import Login
from tests.harness.mobile.flutter import SAME_ID
from tests.harness.mobile.sdk import ANDROID, FLUTTER, IOS, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

PING, IDLE = 0.3, 1.2
"""Seconds between pings and of patience, in place of 30 and 60."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hurried(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A gateway that pings often and loses patience soon."""
    hurry = {"verto": {"mobile_ping_interval": PING, "idle_timeout": IDLE}}
    async with running(tmp_path_factory.mktemp("hurried"), merged(SETTINGS, hurry), users=()) as gateway:
        yield Site(gateway)


@platforms("iafr")
async def test_m001_every_listener_takes_encrypted_sockets_at_the_root_without_a_subprotocol(
    site: Site, sdk: Sdk
) -> None:
    user = await site.user()
    urls, trust = site.secured()

    assert len(urls) == 2
    for url in urls:
        async with dialed(sdk, url + "/", context=trust) as client:
            await client.login(Login(username=user, password=PASSWORD))
            assert client.socket.protocol is None


@platforms("a")
async def test_port_443_is_a_port_like_any_other(sdk: Sdk) -> None:
    urls = ("https://0.0.0.0:443", "https://0.0.0.0:8443")

    listeners = load(None, environ={}, preset={"http": {"listen": list(urls)}}).http.listen

    addresses = [ListenAddress.parse(listener) for listener in listeners]
    assert [(one.port, one.is_tls) for one in addresses] == [(443, True), (8443, True)]


@platforms("iaf")
@pytest.mark.parametrize("query", ["?voice_sdk_id=VSDK1nobody", f"?voice_sdk_id={uuid.UUID(int=7)}", "?voice_sdk_id="])
async def test_m002_an_unknown_a_uuid_shaped_and_an_empty_voice_sdk_id_are_taken_for_none(
    site: Site, sdk: Sdk, query: str
) -> None:
    user = await site.user()
    async with site.dialed(sdk, "/" + query) as client:
        await client.login(Login(username=user, password=PASSWORD))


@platforms("iaf")
async def test_m003_every_region_is_served_under_its_name_with_a_good_certificate(site: Site, sdk: Sdk) -> None:
    user = await site.user()
    urls, trust = site.secured()
    port = urlsplit(urls[0]).port

    assert trust.check_hostname
    for region in REGIONS:
        async with dialed(sdk, f"wss://{region}rtc.telnyx.com:{port}/", context=trust) as client:
            await client.login(Login(username=user, password=PASSWORD))


@platforms("iafr")
async def test_m004_every_frame_of_a_session_carries_the_same_voice_sdk_id(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        await converse(site, client)

        ids = {json.loads(text).get("voice_sdk_id") for text in client.texts}
        assert len(ids) == 1
        assert ids.pop()


@platforms("f")
async def test_m006_each_ping_of_the_websocket_gets_its_pong(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        for _ in range(3):
            await client.socket.ping(b"10 s")

        await client.until(lambda: client.pongs == 3, "three pongs")


@platforms("iafr")
async def test_m007_pings_with_integer_id_and_serno_come_in_their_interval_once_logged_in(
    hurried: Site, sdk: Sdk
) -> None:
    loop = asyncio.get_running_loop()
    async with hurried.dialed(sdk) as client:
        user = await hurried.user()
        await client.barrier()
        assert client.all_of("telnyx_rtc.ping") == []
        before = loop.time()
        await client.login(Login(username=user, password=PASSWORD))
        for count in (1, 2, 3):
            serno = (await client.wait_for("telnyx_rtc.ping", count=count))["serno"]
            assert isinstance(serno, int)

        # Timers are late on a busy machine, never early; unit/vsp/test_session.py has the other bound on a clock of its
        # own.
        assert loop.time() - before >= 3 * PING - 0.01
    assert VspSettings().mobile_ping_interval == 30.0


@platforms("iafr")
async def test_m008_whatever_a_client_replies_to_pings_is_a_sign_of_life_and_draws_no_error(
    hurried: Site, sdk: Sdk
) -> None:
    loop = asyncio.get_running_loop()
    async with hurried.client(sdk) as client:
        began = loop.time()
        await client.until(lambda: loop.time() - began > IDLE + 2 * PING, "a ping after the idle timeout")

        await client.barrier()
        assert [answer for answer in client.answers if "error" in answer] == []


@platforms("i")
async def test_m009_silence_before_the_registration_does_not_close_the_socket(hurried: Site, sdk: Sdk) -> None:
    loop = asyncio.get_running_loop()
    async with hurried.dialed(sdk) as client:
        user = await hurried.user()
        silent_since = loop.time()
        await client.request("login", sdk.dialect.login_params(Login(username=user, password=PASSWORD), None))
        await client.is_closed.wait()

        assert len(client.all_of("telnyx_rtc.ping")) >= 2
        assert loop.time() - silent_since >= IDLE - 0.01
    assert VspSettings().idle_timeout >= 60.0


@platforms("ifr")
@pytest.mark.parametrize("params", [{}, None], ids=["empty params", "no params"])
async def test_m010_a_ping_of_the_client_gets_an_object_result_with_its_id(
    site: Site, sdk: Sdk, params: dict[str, object] | None
) -> None:
    async with site.dialed(sdk) as client, asyncio.timeout(30):
        before = await client.ask("telnyx_rtc.ping", params, request_id="probe-1")
        await client.login(Login(username=await site.user(), password=PASSWORD))
        after = await client.ask("telnyx_rtc.ping", params, request_id="probe-2")

        assert [before["id"], after["id"]] == ["probe-1", "probe-2"]
        assert isinstance(before["result"], dict)
        assert isinstance(after["result"], dict)


@platforms("ia")
async def test_m011_an_echoed_ping_draws_one_result_and_never_a_ping(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        echo = {"jsonrpc": "2.0", "id": 77, "method": "telnyx_rtc.ping", "params": {"serno": 77}}
        for _ in range(5):
            await client.send_text(json.dumps({**echo, "voice_sdk_id": client.rules.voice_sdk_id}))
        await client.barrier()

        assert client.all_of("telnyx_rtc.ping") == []
        assert [answer["result"] for answer in client.answers if answer["id"] == 77] == [{"message": "PONG"}] * 5


@platforms("af")
async def test_m012_pretty_printed_frames_html_escapes_and_nulls_are_read(site: Site, sdk: Sdk) -> None:
    password = "<a=\"b\" & 'c'>"
    user = await site.user(password)
    async with site.dialed(sdk) as client:
        login = Login(username=user, password=password, token=None, push_token=None)
        text = sdk.dialect.encode({"id": "1", "method": "login", "params": sdk.dialect.login_params(login, None)})
        await client.login(login)
        call = await client.invite(ECHO, OFFER)
        await client.wait_for("telnyx_rtc.answer", call)
        await client.bye(call)

    assert ("\n" in text and "\\u003d" in text) if sdk is ANDROID else '"push_device_token":null' in text


@platforms("a")
async def test_m013_a_connection_that_says_nothing_leaves_nothing_behind(site: Site, sdk: Sdk) -> None:
    urls, _ = site.secured()
    before = asyncio.all_tasks()
    with log_lines() as log:
        for url in (site.gateway.http, *urls):
            address = urlsplit(url)
            for _ in range(3):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
                writer.close()
                await writer.wait_closed()
        async with site.client(sdk) as client:  # as a probe: what came before it has been seen
            await client.barrier()

    # Of a broken TLS handshake asyncio speaks in its debug mode alone, which tests have on.
    assert [line for line in log.warnings if "Error on transport creation" not in line] == []
    assert "gateway_verto_sockets 0.0" in await site.gateway.metrics()
    left = asyncio.all_tasks() - before
    assert not [task for task in left if "verto" in task.get_name()]


@platforms("iafr")
async def test_m014_debug_frames_draw_no_error(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        report = str(uuid.uuid4())
        for kind in ("debug_report_start", "debug_report_data", "debug_report_stop"):
            await client.send_debug(kind, report)
        await client.barrier()

        assert [answer for answer in client.answers if "error" in answer] == []
        await client.register()


@platforms("iaf")
async def test_m015_a_frame_of_several_megabytes_is_taken(site: Site, sdk: Sdk) -> None:
    image = "data:image/jpeg;base64," + "QUJD" * (4 * 1024 * 1024 // 4)
    async with site.client(sdk) as client:
        params = sdk.dialect.item_params(str(uuid.uuid4()), "what is this?", image)
        answer = await client.ask("ai_conversation", params, request_id="picture")

        assert answer["id"] == "picture"
        await client.barrier()


async def test_the_shared_id_of_flutter_is_one_text() -> None:
    assert {FLUTTER.dialect.request_id("telnyx_rtc.gatewayState") for _ in range(3)} == {SAME_ID}
    assert IOS.dialect.request_id("login") != IOS.dialect.request_id("login")
