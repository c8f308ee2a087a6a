"""The HTTP listeners over real sockets."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from cryptography import x509

from gateway.http.address import ListenRefused
from gateway.http.certificates import CertificateError, from_own_authority
from gateway.http.listeners import HttpServer
from gateway.http.settings import CertificateFiles, HttpSettings

PLAIN = ("http://127.0.0.1:0",)

routes = web.RouteTableDef()


@routes.get("/v2/thing")
async def thing(_request: web.Request) -> web.Response:
    return web.json_response({"data": 1})


@routes.post("/v2/thing")
async def take_thing(request: web.Request) -> web.Response:
    return web.json_response({"data": len(await request.read())})


@routes.get("/v2/crash")
@routes.get("/crash")
async def crash(_request: web.Request) -> web.Response:
    raise RuntimeError("secret detail")


@routes.get("/v2/own")
async def own_error(_request: web.Request) -> web.Response:
    raise web.HTTPConflict(text='{"own": 1}', content_type="application/json")


@routes.get("/framed")
async def framed(_request: web.Request) -> web.Response:
    return web.Response(text="x", headers={"X-Frame-Options": "SAMEORIGIN"})


@routes.get("/who")
async def who(request: web.Request) -> web.Response:
    return web.Response(text=request.remote or "")


async def console(_request: web.Request) -> web.Response:
    return web.Response(text="the console")


async def websocket(request: web.Request) -> web.StreamResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    await response.send_str(f"hello {request.remote}")
    async for message in response:
        await response.send_str(message.data)
    return response


@dataclass
class Served:
    """A server and a client of it."""

    server: HttpServer
    urls: list[str]
    web: aiohttp.ClientSession


@asynccontextmanager
async def served(
    tmp_path: Path, *, listen: tuple[str, ...] = PLAIN, middlewares: Iterable[Middleware] = (), **settings: Any
) -> AsyncIterator[Served]:
    server = HttpServer(
        HttpSettings(listen=listen, data_dir=tmp_path, **settings),
        routes=routes,
        websocket=websocket,
        console=console,
        middlewares=middlewares,
    )
    urls = await server.start()
    async with aiohttp.ClientSession() as client:
        try:
            yield Served(server, urls, client)
        finally:
            await server.stop()
    assert len(asyncio.all_tasks()) == 1


async def test_every_listener_serves_everything_and_reports_its_real_port(tmp_path: Path) -> None:
    async with served(tmp_path, listen=("https://127.0.0.1:0", "http://127.0.0.1:0", "http://localhost:0")) as one:
        trust = ssl.create_default_context(cafile=str(one.server.authority))
        assert [url.split(":")[0] for url in one.urls] == ["https", "http", "http"]
        for url in one.urls:
            assert not url.endswith(":0")
            async with one.web.get(url, ssl=trust) as response:
                assert await response.text() == "the console"
            async with one.web.get(url + "/v2/thing", ssl=trust) as response:
                assert await response.json() == {"data": 1}
            for path in ("/", "/v2/thing", "/any/path"):
                async with one.web.ws_connect(url + path, ssl=trust) as socket_:
                    assert await socket_.receive_str() == "hello 127.0.0.1"


async def test_the_certificate_is_good_for_the_host_of_the_public_url(tmp_path: Path) -> None:
    listen = ("https://127.0.0.1:0",)
    async with served(tmp_path, listen=listen, public_url="https://gw.example:8443", names=("also.example",)) as one:
        trust = ssl.create_default_context(cafile=str(one.server.authority))
        for host in ("gw.example", "also.example"):
            async with one.web.get(one.urls[0], ssl=trust, server_hostname=host) as response:
                assert response.status == 200


async def test_the_certificate_is_good_for_a_client_that_trusts_our_authority_alone(tmp_path: Path) -> None:
    async with served(tmp_path, listen=("https://127.0.0.1:0",)) as one:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await one.web.get(one.urls[0])

        trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with one.web.get(one.urls[0].replace("127.0.0.1", "localhost"), ssl=trust) as response:
            assert response.status == 200


@pytest.mark.parametrize("prefix", ["/v2", "/_lab"])
async def test_an_unknown_path_of_the_api_is_a_json_error(tmp_path: Path, prefix: str) -> None:
    async with served(tmp_path) as one, one.web.get(one.urls[0] + prefix + "/nothing") as response:
        body = await response.json()

        assert response.status == 404
        assert body["errors"][0]["code"] == "10005"
        assert body["errors"][0]["title"] == "Resource not found"


async def test_a_wrong_method_of_the_api_is_a_json_error_that_names_the_right_ones(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.web.delete(one.urls[0] + "/v2/thing") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
        assert (await response.json())["errors"][0]["detail"] == "The resource does not take DELETE."


async def test_an_unknown_path_elsewhere_is_plain(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.web.get(one.urls[0] + "/nothing") as response:
        assert (response.status, response.content_type) == (404, "text/plain")


@pytest.mark.parametrize(("path", "kind"), [("/v2/crash", "application/json"), ("/crash", "text/plain")])
async def test_a_defect_in_a_handler_is_a_500_that_tells_nothing(tmp_path: Path, path: str, kind: str) -> None:
    async with served(tmp_path) as one, one.web.get(one.urls[0] + path) as response:
        assert (response.status, response.content_type) == (500, kind)
        assert "secret detail" not in await response.text()


async def test_an_error_that_a_handler_has_shaped_is_left_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.web.get(one.urls[0] + "/v2/own") as response:
        assert (response.status, await response.json()) == (409, {"own": 1})


async def test_a_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, max_body_size=1000) as one:
        async with one.web.post(one.urls[0] + "/v2/thing", data=b"x" * 1000) as response:
            assert await response.json() == {"data": 1000}
        async with one.web.post(one.urls[0] + "/v2/thing", data=b"x" * 1001) as response:
            assert response.status == 413
            assert (await response.json())["errors"][0]["title"] == "Request body too large"


async def test_every_response_has_the_security_headers_and_names_no_version(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        for path in ("/", "/v2/thing", "/nothing"):
            async with one.web.get(one.urls[0] + path) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
                assert response.headers["Server"] == "rtc-gateway"
        async with one.web.get(one.urls[0] + "/framed") as response:
            assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


async def test_middlewares_of_the_api_run_inside_and_not_for_websockets(tmp_path: Path) -> None:
    seen: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(request.path)
        return await handler(request)

    async with served(tmp_path, middlewares=[note]) as one:
        async with one.web.get(one.urls[0] + "/v2/thing") as response:
            assert response.status == 200
        async with one.web.ws_connect(one.urls[0] + "/ws") as socket_:
            await socket_.receive_str()

    assert seen == ["/v2/thing"]


# ---- who asks


@pytest.mark.parametrize(
    ("behind_proxy", "header", "expected"),
    [
        (False, "203.0.113.9", "127.0.0.1"),
        (True, "203.0.113.9", "203.0.113.9"),
        (True, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (True, "2001:db8::1", "2001:db8::1"),
        (True, "spoofed", "127.0.0.1"),
        (True, None, "127.0.0.1"),
    ],
)
async def test_the_forwarded_address_counts_behind_a_proxy_only_and_the_last_one_of_it(
    tmp_path: Path, behind_proxy: bool, header: str | None, expected: str
) -> None:
    headers = {} if header is None else {"X-Forwarded-For": header}
    async with served(tmp_path, behind_proxy=behind_proxy) as one:
        async with one.web.get(one.urls[0] + "/who", headers=headers) as response:
            assert await response.text() == expected
        async with one.web.ws_connect(one.urls[0], headers=headers) as socket_:
            assert await socket_.receive_str() == f"hello {expected}"


# ---- starting and stopping


async def test_a_port_in_use_is_named_and_nothing_stays_open(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = HttpSettings(listen=("http://127.0.0.1:0", url), data_dir=tmp_path)
        server = HttpServer(settings, routes=routes, websocket=websocket)

        with pytest.raises(ListenRefused, match=f"{url}: cannot listen: Address already in use"):
            await server.start()

    assert len(asyncio.all_tasks()) == 1


async def test_a_host_that_does_not_exist_is_named(tmp_path: Path) -> None:
    settings = HttpSettings(listen=("https://no-such-host.invalid:0",), data_dir=tmp_path)

    with pytest.raises(ListenRefused, match=r"no-such-host\.invalid"):
        await HttpServer(settings, routes=routes, websocket=websocket).start()


async def test_stopping_twice_is_harmless_and_frees_the_port(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        await one.server.stop()
        await one.server.stop()

        with pytest.raises(aiohttp.ClientConnectorError):
            await one.web.get(one.urls[0])


async def test_without_a_console_the_root_is_not_found(tmp_path: Path) -> None:
    server = HttpServer(HttpSettings(listen=PLAIN, data_dir=tmp_path), routes=[], websocket=websocket)
    (url,) = await server.start()
    try:
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            assert response.status == 404
    finally:
        await server.stop()
    assert server.authority is None
    assert os.listdir(tmp_path) == []


# ---- certificates


async def test_the_operators_certificate_is_served_and_a_bad_one_stops_the_start(tmp_path: Path) -> None:
    made = from_own_authority(tmp_path / "pki", [], now=datetime.now(UTC))
    files = CertificateFiles(cert=made.cert, key=made.key)
    async with served(tmp_path, listen=("https://127.0.0.1:0",), certificate=files) as one:
        assert one.server.authority is None
        trust = ssl.create_default_context(cafile=str(made.authority))
        async with one.web.get(one.urls[0], ssl=trust) as response:
            assert response.status == 200

    made.key.write_text("broken")
    settings = HttpSettings(listen=("https://127.0.0.1:0",), certificate=files)
    with pytest.raises(CertificateError, match=r"server\.key: is not a PEM private key"):
        await HttpServer(settings, routes=routes, websocket=websocket).start()


async def served_serial(port: int) -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_a_certificate_is_renewed_while_the_listener_runs_and_a_broken_one_does_not_replace_it(
    tmp_path: Path,
) -> None:
    now = [datetime.now(UTC)]
    settings = HttpSettings(listen=("https://127.0.0.1:0",), data_dir=tmp_path)
    server = HttpServer(settings, routes=routes, websocket=websocket, clock=lambda: now[0])
    (url,) = await server.start()
    port = int(url.rpartition(":")[2])
    try:
        first = await served_serial(port)
        server.renew()
        assert await served_serial(port) == first

        now[0] += timedelta(days=380)
        server.renew()
        second = await served_serial(port)
        assert second != first

        (tmp_path / "server.pem").write_text("broken")
        server.renew()
        assert await served_serial(port) == second
    finally:
        await server.stop()


# ---- strangers


async def read_all(port: int, data: bytes) -> bytes:
    """What comes back on a plain connection until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("data", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_without_a_whole_request_is_closed_after_its_time(tmp_path: Path, data: bytes) -> None:
    async with served(tmp_path, request_timeout=0.2) as one:
        assert await read_all(int(one.urls[0].rpartition(":")[2]), data) == b""


async def test_a_tls_handshake_that_does_not_come_is_ended(tmp_path: Path) -> None:
    async with served(tmp_path, listen=("https://127.0.0.1:0",), handshake_timeout=0.2) as one:
        assert await read_all(int(one.urls[0].rpartition(":")[2]), b"") == b""


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00garbage\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n", b"\x00" * 100]
)
async def test_garbage_gets_a_400_and_the_listener_goes_on(tmp_path: Path, data: bytes) -> None:
    async with served(tmp_path, request_timeout=1.0) as one:
        answer = await read_all(int(one.urls[0].rpartition(":")[2]), data)
        assert answer == b"" or answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))

        async with one.web.get(one.urls[0]) as response:
            assert response.status == 200


async def test_a_broken_upgrade_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "7"}
        async with one.web.get(one.urls[0], headers=headers) as response:
            assert response.status == 400


async def test_connections_are_bounded(tmp_path: Path) -> None:
    async with served(tmp_path, max_connections=2) as one:
        port = int(one.urls[0].rpartition(":")[2])
        async with one.web.ws_connect(one.urls[0]) as first, one.web.ws_connect(one.urls[0]) as second:
            assert await read_all(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
            await first.receive_str()
            await second.receive_str()
