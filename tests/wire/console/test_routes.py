"""What the console serves: only what is in its folder, with the right type, kept as long as is safe."""

from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from yarl import URL

from gateway.console.assets import Assets, load
from gateway.console.routes import routes


@pytest.fixture
def assets(tmp_path: Path) -> Assets:
    (tmp_path / "static" / "vendor").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<script src='/console/{{version}}/app.js'></script>")
    (tmp_path / "static" / "accounts.html").write_text("<link href='/console/{{version}}/style.css'>")
    (tmp_path / "static" / "app.js").write_text("export {}; // " + "x" * 2000)
    (tmp_path / "static" / "vendor" / "telnyx-webrtc.mjs").write_text("export class TelnyxRTC {}")
    (tmp_path / "static" / "notes.secret").write_text("no known type")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "static" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return load(tmp_path / "static")


class Served:
    """The console on a real server."""

    def __init__(self, assets: Assets) -> None:
        self._app = web.Application()
        self._app.add_routes(routes(assets))

    async def __aenter__(self) -> "Served":
        self._server = TestServer(self._app)
        await self._server.start_server()
        self._http = ClientSession(auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._server.close()

    async def get(self, path: str, **headers: str) -> tuple[int, CIMultiDict[str], bytes]:
        fields = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"http://127.0.0.1:{self._server.port}{path}", encoded=True)
        async with self._http.get(url, headers=fields, allow_redirects=False) as response:
            return response.status, response.headers.copy(), await response.read()


async def test_page_names_its_files_by_their_version_and_is_checked_each_time(assets: Assets) -> None:
    async with Served(assets) as console:
        status, headers, body = await console.get("/")

    assert status == 200
    assert f"/console/{assets.version}/app.js".encode() in body
    assert headers["Cache-Control"] == "no-cache"
    assert "default-src 'self'" in headers["Content-Security-Policy"]


async def test_page_beside_the_phone_s_has_an_address_of_its_own_and_the_same_policy(assets: Assets) -> None:
    async with Served(assets) as console:
        _, index, _ = await console.get("/")
        status, headers, body = await console.get("/console/accounts")
        _, again, _ = await console.get("/console/accounts", If_None_Match=headers["ETag"])

    assert status == 200
    assert f"/console/{assets.version}/style.css".encode() in body
    assert headers["Content-Security-Policy"] == index["Content-Security-Policy"]
    assert (again["ETag"], headers["Cache-Control"]) == (headers["ETag"], "no-cache")


async def test_file_of_this_version_is_kept_for_ever(assets: Assets) -> None:
    async with Served(assets) as console:
        status, headers, _ = await console.get(f"/console/{assets.version}/app.js")

    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert "immutable" in headers["Cache-Control"]


async def test_latest_file_is_checked_each_time_and_not_sent_again(assets: Assets) -> None:
    async with Served(assets) as console:
        _, headers, _ = await console.get("/console/latest/vendor/telnyx-webrtc.mjs")
        status, again, body = await console.get(
            "/console/latest/vendor/telnyx-webrtc.mjs", If_None_Match=f'"other", W/{headers["ETag"]}'
        )

    assert headers["Cache-Control"] == "no-cache"
    assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])


async def test_pages_of_other_origins_may_import_the_latest_files_and_no_others(assets: Assets) -> None:
    async with Served(assets) as console:
        _, latest, _ = await console.get("/console/latest/vendor/telnyx-webrtc.mjs", Origin="http://127.0.0.1:8000")
        _, versioned, _ = await console.get(f"/console/{assets.version}/app.js", Origin="http://127.0.0.1:8000")
        _, page, _ = await console.get("/", Origin="http://127.0.0.1:8000")

    assert latest["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in versioned
    assert "Access-Control-Allow-Origin" not in page


async def test_file_of_another_version_is_not_passed_off_as_this_one(assets: Assets) -> None:
    async with Served(assets) as console:
        assert (await console.get("/console/0123456789abcdef/app.js"))[0] == 404


async def test_compressed_file_has_its_own_tag(assets: Assets) -> None:
    async with Served(assets) as console:
        _, plain, body = await console.get("/console/latest/app.js")
        _, gzipped, compressed = await console.get("/console/latest/app.js", Accept_Encoding="gzip, br")

    assert gzipped["Content-Encoding"] == "gzip"
    assert len(compressed) < len(body)
    assert plain["ETag"] != gzipped["ETag"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/latest/../secret.txt",
        "/console/latest/..%2fsecret.txt",
        "/console/latest/%2e%2e/secret.txt",
        "/console/latest//etc/passwd",
        "/console/latest/link.txt",
        "/console/latest/notes.secret",
        "/console/latest/",
        "/console/latest/app.js%00",
        "/console/../secret.txt",
    ],
)
async def test_no_path_leads_out_of_the_folder(assets: Assets, path: str) -> None:
    async with Served(assets) as console:
        status, _, body = await console.get(path)

    assert status == 404
    assert b"outside" not in body and b"root:" not in body


async def test_console_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    async with Served(load(tmp_path)) as console:
        status, _, body = await console.get("/")

    assert status == 503
    assert b"make setup" in body
