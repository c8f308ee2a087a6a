"""What happens inside the namespace: a gateway on port 443 as rtc.telnyx.com, and clients that only know that name.

`python -m tests.interop.real_name.scenarios FOLDER` goes through all of them, since to start takes longer than most,
and prints a line of JSON: for each scenario what it `found`, or its traceback as `failed`.
"""

import asyncio
import json
import os
import ssl
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from gateway.http.names import TELNYX_NAMES
from gateway.observability.clock import utc_now
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.stores import Stores
from tests.harness.verto_client import connected
from tests.interop.browser.chromium import chromium
from tests.interop.browser.softphone import site, softphone
from tests.interop.real_name.namespace import STOLEN

HERE: Final = Path(__file__).parent
DEADLINE: Final = 60.0
"""Seconds for a scenario."""

HOST: Final = "rtc.telnyx.com"
SETTINGS: Final[Mapping[str, object]] = {
    "http": {"listen": ["https://127.0.0.1:443", "http://127.0.0.1:0"], "names": ["telnyx"]},
    "lab": {"time_scale": 0.3},
    "calls": {"stop_grace": 0.0},
}

Found = dict[str, Any]  # Any: JSON


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[tuple[Running, Path]]:
    """It, and its authority."""
    async with running(folder, SETTINGS) as started:
        authority = started.gateway.ready.certificate_authority
        assert authority is not None
        yield started, Path(authority)


async def output(*command: str | Path, **environment: str) -> str:
    """Run a program; what it wrote to standard output, whatever its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return out.decode().strip()


# ---- a server that a thief of ca.key would run


def _authority(file: Path) -> tuple[x509.Certificate, PrivateKeyTypes]:
    key = serialization.load_pem_private_key(file.with_name("ca.key").read_bytes(), None)
    return x509.load_pem_x509_certificate(file.read_bytes()), key


@asynccontextmanager
async def stolen(folder: Path, authority: Path) -> AsyncIterator[None]:
    """`https://mybank.com:444`, with a certificate that our authority has signed against its own limits."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, issuer_key = _authority(authority)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    now: datetime = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(STOLEN)]), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    file = folder / "stolen.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 444, ssl=context):
        yield


# ---- clients


async def curl(folder: Path) -> Found:
    """Exit codes of curl: 0 it works, 60 the certificate is not trusted or not for that name."""
    script = 'curl -s -o /dev/null "$@"; echo $?'

    async def code(*arguments: str | Path) -> int:
        return int(await output("sh", "-c", script, "sh", *arguments))

    async with gateway(folder) as (_, authority), stolen(folder, authority):
        return {
            "trusting": {name: await code("--cacert", authority, f"https://{name}/") for name in TELNYX_NAMES},
            "not trusting": await code(f"https://{HOST}/"),
            "another name": await code("--cacert", authority, "https://localhost:444/"),
            "stolen": await code("--cacert", authority, f"https://{STOLEN}:444/"),
        }


async def node(folder: Path) -> Found:
    """Node's `fetch` and `https`, on the name alone."""

    async def client(host: str, **environment: str) -> Any:  # Any: JSON
        return json.loads(await output("node", HERE / "client.js", host, **environment))

    async with gateway(folder) as (_, authority), stolen(folder, authority):
        trust = {"NODE_EXTRA_CA_CERTS": str(authority)}
        return {
            "trusting": await client(HOST, **trust),
            "region": await client(f"eu.{HOST}", **trust),
            "not trusting": await client(HOST),
            "another name": await client(STOLEN, **trust),
            "stolen": await client(f"{STOLEN}:444", **trust),
        }


async def java(folder: Path) -> Found:
    """Java's HTTP client and WebSocket, with a keystore that keytool made."""
    store, password = folder / "trust.p12", "changeit"
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

    async def client(*options: str, host: str = HOST) -> Any:  # Any: JSON
        return json.loads(await output("java", *quick, "-cp", folder, *options, "Client", host))

    async with gateway(folder) as (_, authority), stolen(folder, authority):
        place = ("-keystore", store, "-storepass", password, "-storetype", "PKCS12")
        await output("javac", *(f"-J{option}" for option in quick), "-d", folder, HERE / "Client.java")
        await output(
            "keytool",
            *(f"-J{option}" for option in quick),
            "-importcert",
            "-noprompt",
            "-alias",
            "rtc-gateway",
            "-file",
            authority,
            *place,
        )
        options = (f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={password}")
        return {
            "trusting": await client(*options),
            "not trusting": await client(),
            "stolen": await client(*options, host=f"{STOLEN}:444"),
        }


async def python(folder: Path) -> Found:
    """aiohttp, up to a registered session; and a report to the port that mobile SDKs are left with."""
    async with gateway(folder) as (started, authority):
        context = ssl.create_default_context(cafile=str(authority))
        async with connected(f"wss://{HOST}/?voice_sdk_id=VSDK1x", context=context) as verto:
            await verto.login("alice", PASSWORD)
            state = (await verto.request("telnyx_rtc.gatewayState", {}))["params"]
        given = {"x-call-report-id": state["call_report_id"], "x-call-id": "c1", "x-voice-sdk-id": "VSDK1x"}
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.post(f"https://{HOST}/call_report", json={"stats": []}, headers=given) as answer,
        ):
            status = answer.status
        listed = (await started.get("/v2/gateway/calls/c1/reports"))["data"]
    return {"state": state["state"], "report": status, "stored": [entry["name"] for entry in listed]}


async def browser(folder: Path) -> Found:
    """The unmodified SDK without any option for its host, in a Chromium whose user trusts the authority."""
    database = Path(os.environ["HOME"]) / ".pki" / "nssdb"
    database.mkdir(parents=True)
    async with gateway(folder) as (started, authority), stolen(folder, authority), site() as address:
        await output("certutil", "-d", f"sql:{database}", "-N", "--empty-password")
        async with chromium() as without_trust, softphone(without_trust, address) as phone:
            await phone.start_login(login="alice", password=PASSWORD)
            refused = (await phone.until("socket.error")).name
        await output("certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "rtc-gateway", "-i", authority)
        async with chromium() as opened:
            async with softphone(opened, address) as phone:
                stores = Stores(started)
                sockets: list[str] = []
                phone.page.on("websocket", lambda socket: sockets.append(socket.url))
                await phone.login(login="alice", password=PASSWORD)
                begun = await phone.call("+12025550101")
                active = await phone.until("call.active", after=begun)
                await phone.until_tone(1004.0)
                await phone.hangup()
                await phone.until("call.destroy", after=active)
                await stores.until(1)
            page = await opened.new_page()
            try:
                await page.goto(f"https://{STOLEN}:444/")
                thief = "trusted"
            except Exception as error:  # Playwright's, whose text names the network error
                thief = str(error).partition("net::")[2].split()[0]
        listed = (await started.get(f"/v2/gateway/calls/{active['callId']}/reports"))["data"]
    return {
        "not trusting": refused,
        "socket": sockets[0],
        "reports": [entry["name"] for entry in listed],
        "stolen": thief,
    }


SCENARIOS: Final[Mapping[str, Callable[[Path], Coroutine[None, None, Found]]]] = {
    scenario.__name__: scenario for scenario in (curl, node, java, python, browser)
}


def outcome(scenario: Callable[[Path], Coroutine[None, None, Found]], folder: Path) -> Found:
    """What came of it."""

    async def in_time() -> Found:
        async with asyncio.timeout(DEADLINE):
            return await scenario(folder)

    folder.mkdir()
    try:
        return {"found": asyncio.run(in_time())}
    except Exception:
        return {"failed": traceback.format_exc()}


if __name__ == "__main__":
    results = {name: outcome(scenario, Path(sys.argv[1]) / name) for name, scenario in SCENARIOS.items()}
    sys.stdout.write(json.dumps(results) + "\n")
