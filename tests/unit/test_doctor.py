"""The checks of the host."""

import asyncio
import resource
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import doctor
from gateway.config import Config, load
from gateway.doctor import CHECKS, Finding, examine


def _config(tmp_path: Path, **environ: str) -> Config:
    quiet = {"SIP__LISTEN": "udp:127.0.0.1:0", "HTTP__LISTEN": "http://127.0.0.1:0", "METRICS__LISTEN": "127.0.0.1:0"}
    values = {**quiet, "DATA_DIR": str(tmp_path / "var"), **environ}
    return load(environ={f"RTC_GATEWAY__{name}": value for name, value in values.items()})


async def test_every_check_has_a_name_of_its_own_and_an_answer(tmp_path: Path) -> None:
    findings = await examine(_config(tmp_path))

    assert len({finding.name for finding in findings}) == len(CHECKS)
    assert all(finding.detail for finding in findings)
    assert all(finding.mend for finding in findings if not finding.is_ok)
    assert not (tmp_path / "var").exists()


async def test_more_checks_can_be_given(tmp_path: Path) -> None:
    async def call(_config: Config) -> Finding:
        await asyncio.to_thread(lambda: None)
        return Finding(name="call", is_ok=True, detail="heard")

    assert [finding.name for finding in await examine(_config(tmp_path), [call])] == ["call"]


async def test_foreign_address_is_named(tmp_path: Path) -> None:
    finding = await doctor.addresses(_config(tmp_path, MEDIA__ADDRESS="192.0.2.1"))

    assert not finding.is_ok
    assert finding.detail == "192.0.2.1: not an address of this machine"


async def test_localhost_is_an_address_of_this_machine(tmp_path: Path) -> None:
    assert (await doctor.addresses(_config(tmp_path, HTTP__LISTEN="http://localhost:0"))).is_ok


@pytest.mark.parametrize("kind", ["udp", "tcp"])
async def test_port_that_another_program_has_is_named(tmp_path: Path, kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        if kind == "tcp":
            other.listen()
        port = other.getsockname()[1]

        finding = await doctor.ports(_config(tmp_path, SIP__LISTEN=f"{kind}:127.0.0.1:{port}"))

    assert not finding.is_ok
    assert finding.detail == f"sip 127.0.0.1:{port}: taken by another program"


async def test_port_of_all_browsers_is_looked_at_where_there_is_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]

        shared = await doctor.ports(_config(tmp_path, MEDIA__WEBRTC_PORT=str(port)))
        unused = await doctor.ports(_config(tmp_path, MEDIA__WEBRTC_PORT=str(port), MEDIA__ENGINE="aiortc"))

    assert (shared.is_ok, shared.detail) == (False, f"media 127.0.0.1:{port}: taken by another program")
    assert unused.is_ok


async def test_ports_of_a_running_gateway_are_in_good_hands(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status": "alive"}')
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        finding = await doctor.ports(_config(tmp_path, METRICS__LISTEN=f"127.0.0.1:{port}"))

    assert finding.is_ok
    assert finding.detail == "taken by a running gateway"


async def test_media_range_that_is_taken_is_reported(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as next_,
    ):
        pair = _neighbours(first, next_)

        finding = await doctor.media_ports(_config(tmp_path, MEDIA__RTP_PORTS=f"{pair}-{pair + 1}"))

    assert not finding.is_ok
    assert finding.detail == "2 ports, 2 tried, 2 taken"


def _neighbours(first: socket.socket, second: socket.socket) -> int:
    """Bind both to ports that follow each other; returns the lower one."""
    for port in range(40_000, 60_000, 2):
        try:
            first.bind(("127.0.0.1", port))
        except OSError:
            continue
        try:
            second.bind(("127.0.0.1", port + 1))
        except OSError as error:
            raise AssertionError("the port beside a free one is taken") from error
        return port
    raise AssertionError("no free ports")


def _certificate(folder: Path, *, days: int) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw.example")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return {
        "HTTP__LISTEN": "https://127.0.0.1:0",
        "HTTP__CERTIFICATE": f'{{cert="{folder}/cert.pem", key="{folder}/key.pem"}}',
    }


@pytest.mark.parametrize(("days", "is_ok", "is_due"), [(90, True, False), (3, True, True), (-1, False, True)])
async def test_certificate_is_judged_by_its_time(tmp_path: Path, days: int, is_ok: bool, is_due: bool) -> None:
    finding = await doctor.certificate(_config(tmp_path, **_certificate(tmp_path, days=days)))

    assert (finding.is_ok, bool(finding.mend)) == (is_ok, is_due)


async def test_certificates_of_sip_are_looked_at_when_there_is_a_tls_listener(tmp_path: Path) -> None:
    listen = {"SIP__LISTEN": "tls:127.0.0.1:0"}
    missing = await doctor.sip_certificates(_config(tmp_path, SIP_TLS__CA=str(tmp_path / "none.pem"), **listen))
    assert (missing.is_ok, "none.pem" in missing.detail, bool(missing.mend)) == (False, True, True)
    assert (await doctor.sip_certificates(_config(tmp_path, **listen))).detail == "own authority"
    assert (await doctor.sip_certificates(_config(tmp_path))).detail == "no tls listener"


async def test_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    environ = _certificate(tmp_path, days=90)
    (tmp_path / "cert.pem").unlink()

    finding = await doctor.certificate(_config(tmp_path, **environ))

    assert not finding.is_ok
    assert "cert.pem" in finding.detail


async def test_without_https_and_with_our_own_authority_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert (await doctor.certificate(_config(tmp_path))).detail == "no https listener"
    own = await doctor.certificate(_config(tmp_path, HTTP__LISTEN="https://127.0.0.1:0"))
    assert own.is_ok
    assert "own authority" in own.detail


async def test_clock_of_another_century_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await doctor.clock(_config(tmp_path))).is_ok
    monkeypatch.setattr(doctor, "utc_now", lambda: datetime(1970, 1, 1, tzinfo=UTC))

    finding = await doctor.clock(_config(tmp_path))

    assert not finding.is_ok
    assert finding.detail.startswith("1970-01-01")


@pytest.mark.parametrize(
    ("limit", "is_ok"), [((1024, 4096), False), ((65_536, 65_536), True), ((resource.RLIM_INFINITY,) * 2, True)]
)
async def test_file_limit_is_measured_against_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: tuple[int, int], is_ok: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limit)

    finding = await doctor.file_limit(_config(tmp_path))

    assert finding.is_ok == is_ok
    assert is_ok or "ulimit -n 12352" in finding.mend


async def test_missing_codec_library_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.media.codecs import opus
    from gateway.media.codecs.interface import CodecUnavailable

    def missing() -> str:
        raise CodecUnavailable("no libopus found")

    assert "libopus" in (await doctor.codecs(_config(tmp_path))).detail
    monkeypatch.setattr(opus, "version", missing)

    finding = await doctor.codecs(_config(tmp_path))

    assert (finding.is_ok, finding.detail, finding.mend) == (False, "no libopus found", "apt install libopus0")


async def test_data_folder_is_judged_without_making_it(tmp_path: Path) -> None:
    assert (await doctor.data_folder(_config(tmp_path))).is_ok
    (tmp_path / "var").touch()
    assert not (await doctor.data_folder(_config(tmp_path))).is_ok
    (tmp_path / "var").unlink()
    (tmp_path / "var").mkdir(mode=0o755)

    finding = await doctor.data_folder(_config(tmp_path))

    assert finding.is_ok
    assert "others may look in" in finding.detail


async def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_FREE_BYTES", 2**62)

    finding = await doctor.data_folder(_config(tmp_path))

    assert (finding.is_ok, finding.mend) == (False, "make room on that file system")


async def test_database_is_looked_at_without_making_one(tmp_path: Path) -> None:
    config = _config(tmp_path)
    fresh = await doctor.database(config)
    (tmp_path / "var").mkdir()
    sqlite3.connect(tmp_path / "var" / "gateway.db").close()
    whole = await doctor.database(config)
    (tmp_path / "var" / "gateway.db").write_text("letter" * 500)
    broken = await doctor.database(config)

    assert fresh.is_ok
    assert "first start" in fresh.detail
    assert whole.is_ok
    assert not broken.is_ok
    assert "not a database" in broken.detail


async def test_database_server_that_does_not_answer_is_reported(tmp_path: Path) -> None:
    finding = await doctor.database(_config(tmp_path, STORE__URL="postgresql+asyncpg://gw@127.0.0.1:1/gw"))

    assert not finding.is_ok
    assert "store.url" in finding.mend
