"""The TLS contexts of our listeners and connections, and their renewal while we run (RFC 3261 section 26.2.1)."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.observability.logging import get_logger
from gateway.sip.core.errors import TlsSetUpFailed
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.tasks import TaskOwner
from gateway.sip.tls_settings import KeyPair, SipTlsSettings
from gateway.sip.trunk_settings import TrunkSettings

RENEWAL_INTERVAL: Final = 12 * 3600.0
"""Seconds between two calls of what makes an `auto` certificate: it is renewed long before it expires."""

_Stamp = tuple[int, int, int]
"""Of a file: when it was changed, its size and its number; zeros for one that is not there."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class _Loaded:
    server: ssl.SSLContext
    client: ssl.SSLContext
    client_by_domain: Mapping[str, ssl.SSLContext]


class TlsContexts:
    """Loads certificates and authorities, and again when their files change. A file that cannot be used then changes
    nothing; it is logged once.

    Args:
        make_certificate: where the files of our certificate are when the settings say `auto`; makes them if need be,
            and may block.
        authorities: domains whose far ends are vouched for by authorities of their own, and the PEM files of these.
    """

    def __init__(
        self,
        settings: SipTlsSettings,
        *,
        make_certificate: Callable[[], KeyPair] | None = None,
        authorities: Mapping[str, Path] | None = None,
    ) -> None:
        self._settings, self._make_certificate = settings, make_certificate
        self._authorities = dict(authorities or {})
        self._loaded: _Loaded | None = None
        self._pair: KeyPair | None = None
        self._stamps: dict[Path, _Stamp] = {}
        self._renew_at = 0.0
        self._tasks = TaskOwner()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def handshake_timeout(self) -> float:
        """Seconds for a handshake, ours and theirs."""
        return self._settings.handshake_timeout

    async def start(self) -> None:
        """Load everything and watch it.

        Raises:
            TlsSetUpFailed: something cannot be used.
        """
        self._renew_at = asyncio.get_running_loop().time() + RENEWAL_INTERVAL
        await asyncio.to_thread(self._load)
        self._arm()

    async def stop(self) -> None:
        """Watch no longer; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.close()

    def server(self) -> ssl.SSLContext:
        """For the next connection that somebody opens to us."""
        assert self._loaded is not None, "not started"
        return self._loaded.server

    def client(self, domain: str) -> ssl.SSLContext:
        """For the next connection that we open. It checks the chain; the names are checked by `core.identity`."""
        assert self._loaded is not None, "not started"
        return self._loaded.client_by_domain.get(domain.lower(), self._loaded.client)

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._settings.reload_interval, lambda: self._tasks.start(self._look()))

    async def _look(self) -> None:
        """Load again if a file has changed since the last time."""
        now = asyncio.get_running_loop().time()
        is_renewal = now >= self._renew_at
        if is_renewal:
            self._renew_at = now + RENEWAL_INTERVAL
        try:
            if await asyncio.to_thread(self._load_if_changed, is_renewal):
                _log.info("sip_certificates_reloaded")
        except GatewayError as error:
            _log.error("sip_certificates_not_reloaded", error_code=error.code, detail=str(error))
        self._arm()

    def _load_if_changed(self, is_renewal: bool) -> bool:
        if not is_renewal and {path: _stamp(path) for path in self._stamps} == self._stamps:
            return False
        before = self._stamps
        self._load()
        return before != self._stamps

    def _load(self) -> None:
        # The stamps are taken first: what changes while we read is seen at the next look. And before anything can
        # fail, so that a broken file is told once.
        files = self._files(self._certificate())
        self._stamps = {path: _stamp(path) for path in files}
        assert self._pair is not None
        settings = self._settings
        self._loaded = _Loaded(
            server=_server_context(self._pair, settings.client_ca),
            client=_client_context(settings.ca, settings.client_certificate),
            client_by_domain={
                domain.lower(): _client_context(ca, settings.client_certificate)
                for domain, ca in self._authorities.items()
            },
        )

    def _certificate(self) -> KeyPair:
        if isinstance(self._settings.certificate, KeyPair):
            self._pair = self._settings.certificate
        elif self._make_certificate is not None:
            self._pair = self._make_certificate()
        else:
            raise TlsSetUpFailed("no certificate is configured, and none can be made")
        return self._pair

    def _files(self, pair: KeyPair) -> Iterable[Path]:
        own = self._settings.client_certificate
        named = (
            pair.cert,
            pair.key,
            *((own.cert, own.key) if own else ()),
            self._settings.ca,
            self._settings.client_ca,
        )
        return [*filter(None, named), *self._authorities.values()]


def authorities_of(trunks: Iterable[TrunkSettings]) -> dict[str, Path]:
    """The hosts of trunks that have authorities of their own, and the files of these.

    Raises:
        TlsSetUpFailed: two trunks with the same host name different authorities.
    """
    found: dict[str, Path] = {}
    for trunk in trunks:
        if trunk.ca is None:
            continue
        host = SipUri.parse(trunk.uri).host.lower()
        if found.setdefault(host, trunk.ca) != trunk.ca:
            raise TlsSetUpFailed(f"trunk {trunk.name}: ca: another trunk at {host} has {found[host]}")
    return found


def check(settings: SipTlsSettings, trunks: Iterable[TrunkSettings]) -> None:
    """Whether all files that the settings name can be used; reads them, changes nothing.

    Raises:
        TlsSetUpFailed: one cannot.
    """
    if isinstance(settings.certificate, KeyPair):
        _server_context(settings.certificate, settings.client_ca)
    elif settings.client_ca is not None:
        _client_context(settings.client_ca, None)
    for ca in (settings.ca, *authorities_of(trunks).values()):
        _client_context(ca, settings.client_certificate)


def _server_context(pair: KeyPair, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Nobody has a use for it but one who wants to keep us busy.
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load_pair(context, pair)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _load_authorities(context, client_ca)
    return context


def _client_context(ca: Path | None, own: KeyPair | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL's rules are those of HTTPS: they take wildcards, and know nothing of SIP URIs (RFC 5922 section 7.2).
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load_authorities(context, ca)
    if own is not None:
        _load_pair(context, own)
    return context


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    def refuse_to_ask() -> str:
        # Else OpenSSL asks for the pass phrase on the terminal, and everything stands still.
        raise TlsSetUpFailed(f"{pair.key}: is encrypted; give a key without a pass phrase")

    try:
        context.load_cert_chain(pair.cert, pair.key, refuse_to_ask)
    except (ssl.SSLError, OSError) as error:
        raise TlsSetUpFailed(f"{pair.cert}, {pair.key}: cannot be used: {_reason(error)}") from error


def _load_authorities(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except (ssl.SSLError, OSError) as error:
        raise TlsSetUpFailed(f"{ca}: holds no authorities: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return str(reason).lower().replace("_", " ")


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino
