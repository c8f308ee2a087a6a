"""Looks at the machine that the gateway shall run on, and says how to mend what is wrong.

Every check is a coroutine that returns a `Finding` and never raises for what it looks at. `CHECKS` is the list.
"""

import asyncio
import errno
import ipaddress
import os
import resource
import shutil
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.config import Config
from gateway.http.address import ListenAddress
from gateway.observability.clock import utc_now

_FILES_PER_CALL: Final = 8
"""Two media legs with RTP, RTCP and an ICE socket for each address, and some air."""

_FILES_BESIDES: Final = 256
_FREE_BYTES: Final = 200 * 1024 * 1024
_SANE_YEARS: Final = range(2025, 2100)
_RENEWAL_DUE: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        name: the check.
        is_ok: False when the gateway would not work, or not for long.
        detail: what was found.
        mend: what to do; empty when nothing is to be done.
    """

    name: str
    is_ok: bool
    detail: str
    mend: str = ""


Check = Callable[[Config], Awaitable[Finding]]


async def examine(config: Config, checks: "Iterable[Check] | None" = None) -> list[Finding]:
    """Run the checks one after another; `CHECKS` when none are given."""
    return [await check(config) for check in (CHECKS if checks is None else checks)]


async def addresses(config: Config) -> Finding:
    """Whether the addresses for listeners and media are ours."""
    wanted = {
        *(host for _, host, _ in config.sip.listen),
        *(listener.host for listener in _web_listeners(config)),
        *config.media.addresses,
        config.metrics.listen[0],
    }
    foreign = {host: reason for host in sorted(wanted) if (reason := _unbindable(host, 0, socket.SOCK_DGRAM))}
    if foreign:
        detail = "; ".join(f"{host}: {reason}" for host, reason in foreign.items())
        return Finding(name="addresses", is_ok=False, detail=detail, mend="name addresses of this machine (ip address)")
    return Finding(name="addresses", is_ok=True, detail=", ".join(sorted(wanted)))


async def ports(config: Config) -> Finding:
    """Whether the ports of the listeners are free. A running gateway takes them, rightly."""
    taken: list[str] = []
    for name, kind, host, port in _listeners(config):
        if port and (reason := _unbindable(host, port, kind)):
            taken.append(f"{name} {_shown(host, port)}: {reason}")
    if not taken:
        return Finding(name="ports", is_ok=True, detail="all free")
    if await _is_gateway_running(config):
        return Finding(name="ports", is_ok=True, detail="taken by a running gateway")
    mend = "stop the program that has them (ss -tulpn), or choose other ports"
    return Finding(name="ports", is_ok=False, detail="; ".join(taken), mend=mend)


async def media_ports(config: Config) -> Finding:
    """Whether the first, the last and some media ports between can be bound."""
    host, every = config.media.addresses[0], config.media.port_range
    sample = sorted({every[0], every[-1], *every[:: max(1, len(every) // 50)]})
    taken = [port for port in sample if _unbindable(host, port, socket.SOCK_DGRAM)]
    detail = f"{len(every)} ports, {len(sample)} tried, {len(taken)} taken"
    if 2 * len(taken) > len(sample):
        return Finding(name="media ports", is_ok=False, detail=detail, mend="choose another range in media.rtp_ports")
    return Finding(name="media ports", is_ok=True, detail=detail)


async def certificate(config: Config) -> Finding:
    """Whether the certificate of the TLS listeners can be read and is valid now."""
    from gateway.http.certificate_view import view
    from gateway.http.certificates import CertificateError

    now, mend = utc_now(), "renew it, or correct http.certificate"
    try:
        found = await asyncio.to_thread(view, config.certified, now=now)
    except CertificateError as error:
        return Finding(name="certificate", is_ok=False, detail=str(error), mend=mend)
    if found is None:
        return Finding(name="certificate", is_ok=True, detail="no https listener")
    names = f"for {', '.join(found.names) or 'no name at all'}"
    if found.authority is not None:
        detail = f"own authority in {config.http.data_dir}, renewed at start, {names}"
        return Finding(name="certificate", is_ok=True, detail=detail)
    assert found.not_after is not None, "a file that was read has a date"
    detail = f"{found.source}, valid until {found.not_after:%Y-%m-%d}, {names}"
    is_due = found.not_after - now < _RENEWAL_DUE
    return Finding(name="certificate", is_ok=now < found.not_after, detail=detail, mend=mend if is_due else "")


async def sip_certificates(config: Config) -> Finding:
    """Whether certificates, keys and authorities of SIP over TLS can be used."""
    from gateway.sip.core.errors import TlsSetUpFailed
    from gateway.sip.transport.tls_contexts import check

    name = "sip certificates"
    if not any(transport == "tls" for transport, _, _ in config.sip.listen):
        return Finding(name=name, is_ok=True, detail="no tls listener")
    try:
        await asyncio.to_thread(check, config.sip_tls, config.trunks)
    except TlsSetUpFailed as error:
        return Finding(name=name, is_ok=False, detail=str(error), mend="correct sip_tls, or ca of the trunk")
    own = config.sip_tls.certificate
    return Finding(name=name, is_ok=True, detail="own authority" if own == "auto" else str(own.cert))


async def clock(_config: Config) -> Finding:
    """Whether the clock can be right. Tokens and certificates are worthless otherwise."""
    now = utc_now()
    detail = f"{now:%Y-%m-%d %H:%M:%S} UTC, {await asyncio.to_thread(_synchronisation)}"
    if now.year not in _SANE_YEARS:
        return Finding(name="clock", is_ok=False, detail=detail, mend="set the clock (timedatectl set-ntp true)")
    return Finding(name="clock", is_ok=True, detail=detail)


async def file_limit(config: Config) -> Finding:
    """Whether as many files may be open as the limits on calls and sockets need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = config.calls.max_calls * _FILES_PER_CALL + config.verto.max_sockets + _FILES_BESIDES
    detail = f"{_limit(soft)} of {_limit(hard)} open files, {needed} for calls.max_calls and verto.max_sockets"
    if soft != resource.RLIM_INFINITY and soft < needed:
        mend = f"ulimit -n {needed}, or LimitNOFILE={needed} in the unit, or lower calls.max_calls"
        return Finding(name="file limit", is_ok=False, detail=detail, mend=mend)
    return Finding(name="file limit", is_ok=True, detail=detail)


async def codecs(_config: Config) -> Finding:
    """Whether libopus is there; G.711 and G.722 bring themselves."""
    from gateway.media.codecs.opus import version
    from gateway.media.engine import MediaError

    try:
        found = await asyncio.to_thread(version)
    except MediaError as error:
        return Finding(name="codecs", is_ok=False, detail=str(error), mend="apt install libopus0")
    return Finding(name="codecs", is_ok=True, detail=found)


async def data_folder(config: Config) -> Finding:
    """Whether `data_dir` can be written, by us and nobody else, and has room."""
    return await asyncio.to_thread(_data_folder, config.data_dir)


async def database(config: Config) -> Finding:
    """Whether the database opens and is whole. Nothing is made or changed."""
    from gateway.store.database import Database
    from gateway.store.errors import StoreError

    url = config.store.url
    if url.startswith("sqlite"):
        return await asyncio.to_thread(_sqlite_file, Path(url.partition(":///")[2].partition("?")[0]))
    try:
        revision = await Database.look(config.store)
    except StoreError as error:
        mend = "start the server, or correct store.url and store.password_file"
        return Finding(name="database", is_ok=False, detail=str(error), mend=mend)
    return Finding(name="database", is_ok=True, detail=f"schema {revision or 'not made yet'}")


async def call(config: Config) -> Finding:
    """One call through a gateway of its own: Verto, SIP, ICE, DTLS-SRTP and RTP with the configured media address."""
    # The call needs the whole program; the other checks shall work where that cannot even be imported.
    from gateway.doctor_call import CallStepFailed, call_the_tone

    try:
        figures = await call_the_tone(config)
    except CallStepFailed as error:
        mend = _CALL_MENDS.get(error.step, "read the log lines above; if they name none of your settings, report it")
        return Finding(name="call", is_ok=False, detail=str(error), mend=mend)
    detail = f"answered after {figures.answered_after * 1000:.0f} ms, tone after {figures.heard_after * 1000:.0f} ms"
    return Finding(name="call", is_ok=True, detail=detail)


_CALL_MENDS: Final = {
    "start": "mend what the other checks found, then run this again",
    "ports for media": "choose another media.rtp_ports",
    "ICE, DTLS-SRTP and RTP": "media.address must be an address of this machine, and a firewall must let UDP in "
    "media.rtp_ports through",
}


CHECKS: Final[list[Check]] = [
    addresses,
    ports,
    media_ports,
    certificate,
    sip_certificates,
    clock,
    file_limit,
    codecs,
    data_folder,
    database,
    call,
]


def _listeners(config: Config) -> list[tuple[str, socket.SocketKind, str, int]]:
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    found = [("http", tcp, listener.host, listener.port) for listener in _web_listeners(config)]
    found += [("sip", udp if kind == "udp" else tcp, host, port) for kind, host, port in config.sip.listen]
    if config.media.engine != "aiortc":
        found += [("media", udp, host, config.media.webrtc_port) for host in config.media.addresses]
    return [*found, ("metrics", tcp, *config.metrics.listen)]


def _web_listeners(config: Config) -> list[ListenAddress]:
    return [ListenAddress.parse(url) for url in config.http.listen]


def _unbindable(host: str, port: int, kind: socket.SocketKind) -> str | None:
    """Why nothing can be bound there, None when it can."""
    try:
        host = "127.0.0.1" if host == "localhost" else host
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # As asyncio does for servers: connections of a stopped gateway that linger are no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except ValueError:
        return "not an IP address"
    except OSError as error:
        return _REASONS.get(error.errno or 0) or error.strerror or str(error)
    return None


_REASONS: Final = {
    errno.EADDRINUSE: "taken by another program",
    errno.EADDRNOTAVAIL: "not an address of this machine",
    errno.EACCES: "needs more rights",
}


async def _is_gateway_running(config: Config) -> bool:
    """Whether a gateway answers at our metrics listener."""
    host, port = config.metrics.listen
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b'"alive"' in await reader.read(4096)
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, TimeoutError):
        return False


def _synchronisation() -> str:
    if Path("/run/systemd/timesync/synchronized").exists():
        return "synchronised"
    return "synchronisation unknown"


def _data_folder(folder: Path) -> Finding:
    mend = f"make {folder} writable for this user, or name another data_dir"
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(name="data folder", is_ok=False, detail=f"{there} cannot be written", mend=mend)
    free = shutil.disk_usage(there).free
    detail = f"{folder}, {free // 1_000_000} MB free"
    if free < _FREE_BYTES:
        return Finding(name="data folder", is_ok=False, detail=detail, mend="make room on that file system")
    if folder.exists() and folder.stat().st_mode & 0o077:
        return Finding(
            name="data folder", is_ok=True, detail=f"{detail}, others may look in", mend=f"chmod 700 {folder}"
        )
    return Finding(name="data folder", is_ok=True, detail=detail)


def _sqlite_file(path: Path) -> Finding:
    if not path.exists():
        return Finding(name="database", is_ok=True, detail=f"{path} is made at first start")
    mend = f"restore {path} from a copy, or move it away: then an empty one is made"
    try:
        # Not `with`, which ends a transaction and leaves the file open.
        opened = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            answer = opened.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            opened.close()
    except sqlite3.Error as error:
        return Finding(name="database", is_ok=False, detail=f"{path}: {error}", mend=mend)
    return Finding(
        name="database", is_ok=answer == "ok", detail=f"{path}: {answer}", mend="" if answer == "ok" else mend
    )


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
