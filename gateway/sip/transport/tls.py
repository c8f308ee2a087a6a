"""TLS handshakes on both ends (RFC 3261 section 26.2.1, RFC 5922 section 7)."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.sip.core.errors import TlsFailed, WrongIdentity
from gateway.sip.core.identity import CertificateNames, domains_of, is_good_for
from gateway.sip.tasks import TaskOwner
from gateway.sip.transport.flow import Destination
from gateway.sip.transport.tcp import TcpConnection

SHUTDOWN_TIMEOUT: Final = 5.0
"""Seconds for a far end's half of the farewell; then the socket is closed without it."""


class TlsAcceptor(asyncio.Protocol):
    """A TCP connection that came to a TLS listener, until its handshake is over.

    Not left to `create_server(ssl=...)`, which tells nobody of a connection before its handshake: a stranger could
    hold as many of them as it likes.

    Args:
        admit: takes the far end into the books; None when there is no room for it.
        on_failed: a far end whose handshake did not succeed, and why.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        handshake_timeout: float,
        tasks: TaskOwner,
        admit: Callable[[Destination], TcpConnection | None],
        on_failed: Callable[[Destination, TlsFailed], None],
    ) -> None:
        self._context, self._handshake_timeout, self._tasks = context, handshake_timeout, tasks
        self._admit, self._on_failed = admit, on_failed
        self._early = bytearray()
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        peer = stream.get_extra_info("peername")
        connection = None if peer is None else self._admit(Destination("tls", peer[0], peer[1]))
        if connection is None:
            stream.abort()
            return
        stream.pause_reading()
        self._tasks.start(self._shake_hands(stream, connection))

    def data_received(self, data: bytes) -> None:
        # Deciphered already, but told before `start_tls` has returned: at most what came with the last flight.
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True

    async def _shake_hands(self, stream: asyncio.Transport, connection: TcpConnection) -> None:
        loop = asyncio.get_running_loop()
        secured: asyncio.Transport | None = None
        try:
            secured = await loop.start_tls(
                stream,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._handshake_timeout,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
        except OSError as exc:
            self._on_failed(connection.remote, TlsFailed(explain(exc)))
        finally:
            if secured is None or self._is_lost:
                stream.abort()
                connection.abort()
        if secured is not None and not self._is_lost:
            secured.set_protocol(connection)
            connection.connection_made(secured)
            if self._early:
                connection.data_received(bytes(self._early))


def check_identity(certificate: bytes | None, domain: str) -> None:
    """Whether the far end is whom we called.

    Args:
        certificate: DER, its chain verified already.

    Raises:
        TlsFailed: no certificate, or one that cannot be read.
        WrongIdentity: it is somebody else's.
    """
    if certificate is None:
        raise TlsFailed("no certificate")
    try:
        names = names_of(x509.load_der_x509_certificate(certificate))
    except ValueError as error:
        raise TlsFailed(f"certificate cannot be read: {error}") from error
    if not is_good_for(names, domain):
        raise WrongIdentity(domain, domains_of(names))


def names_of(certificate: x509.Certificate) -> CertificateNames:
    """What a certificate says about its subject; raises ValueError for one that says it in a broken way."""
    commons = tuple(str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateNames(common_names=commons)
    return CertificateNames(
        uris=found.get_values_for_type(x509.UniformResourceIdentifier),
        dns_names=found.get_values_for_type(x509.DNSName),
        addresses=tuple(str(address) for address in found.get_values_for_type(x509.IPAddress)),
        has_alternatives=True,
        common_names=commons,
    )


def explain(error: OSError) -> str:
    """A failed handshake in words: the reason that OpenSSL gives, without its source line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error).lower().replace("_", " ")
    return error.strerror or str(error) or type(error).__name__
