"""DTLS-SRTP: the handshake on OpenSSL's memory BIOs, then keys for libsrtp (RFC 5763, 5764).

Our own thin driver instead of aiortc's `RTCDtlsTransport`: that one is bound to one ICE transport, so it cannot
survive an ICE restart and cannot do without ICE, takes packets from any address, and reads each of them through a queue
and a task.
"""

import datetime
import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import Final

import pylibsrtp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from gateway.media.core.crypto_line import AEAD_128, AES_CM_80, Suite
from gateway.media.core.sdp import Fingerprint
from gateway.media.engines.srtp import SrtpKey, receiver, sender

HASHES: Final = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
"""Hash functions of `a=fingerprint` that we check (RFC 8122 section 5)."""

_DTLS_1_2: Final = 0xFEFD
_MTU: Final = 1200
"""Of one datagram of the handshake, as WebRTC stacks choose it: below every tunnel's."""
_CERTIFICATE_LIFETIME: Final = datetime.timedelta(days=365)
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)
"""RFC 8827 section 6.5 wants the first; the RSA ones are for browsers with an RSA certificate when we are client."""


_PROFILES: Final = {
    # GCM first: cheaper than AES-CM with HMAC-SHA1 on every machine with AES instructions
    b"SRTP_AEAD_AES_128_GCM": AEAD_128,
    b"SRTP_AES128_CM_SHA1_80": AES_CM_80,
}
"""Suites by OpenSSL's names of the protection profiles, in our order (RFC 5764 section 4.1.2, RFC 7714)."""


class Certificate:
    """Our certificate: ECDSA P-256, self-signed, made anew by each process, shared by all calls."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + _CERTIFICATE_LIFETIME)
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = _fingerprint("sha-256", certificate.public_bytes(Encoding.DER))
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_min_proto_version(_DTLS_1_2)
        self.context.set_max_proto_version(_DTLS_1_2)
        self.context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_QUERY_MTU)
        # The chain means nothing here: the fingerprint in the signalling is what a certificate is checked against.
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(_CIPHERS)
        self.context.set_tlsext_use_srtp(b":".join(_PROFILES))
        # Next to nothing is sent after the handshake: no buffer of 15 KiB for that in each call
        self.context.set_mode(SSL.MODE_RELEASE_BUFFERS)


class DtlsState(Enum):
    """Where an association is."""

    NEW = auto()
    HANDSHAKING = auto()
    CONNECTED = auto()
    FAILED = auto()
    CLOSED = auto()


class DtlsAssociation:
    """One DTLS association and the SRTP keys that come out of it. Knows no path: datagrams in, datagrams out."""

    def __init__(
        self,
        certificate: Certificate,
        *,
        is_client: bool,
        fingerprints: Sequence[Fingerprint],
        send: Callable[[bytes], None],
    ) -> None:
        """
        Args:
            fingerprints: of the far end's certificate; the caller has checked that we know a hash among them.
            send: called with each datagram of the handshake.
        """
        self.state = DtlsState.NEW
        self.is_client = is_client
        self.fingerprints = frozenset(fingerprints)
        self.profile_name = ""
        """The SRTP suite that was agreed; empty before."""
        self._send = send
        self._connection = SSL.Connection(certificate.context)
        self._connection.set_ciphertext_mtu(_MTU)
        self._retransmit_at: float | None = None
        self.keys: tuple[SrtpKey, SrtpKey] | None = None
        """Ours, and theirs; None before the handshake is through."""
        self._inbound: pylibsrtp.Session | None = None
        self._outbound: pylibsrtp.Session | None = None

    def start(self, now: float) -> None:
        """Begin: a client sends its hello, a server begins to listen."""
        if self.is_client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.state = DtlsState.HANDSHAKING
        self._advance()
        self._flush()
        self._arm(now)

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a DTLS datagram; look at `state` afterwards."""
        # One record at a time: OpenSSL reads a datagram's worth from a memory BIO as if it were a stream.
        for record in _records(datagram):
            if self.state not in (DtlsState.HANDSHAKING, DtlsState.CONNECTED):
                break
            self._connection.bio_write(record)
            if self.state is DtlsState.HANDSHAKING:
                self._advance()
            else:
                self._read_alerts()
        self._flush()
        self._arm(now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called: a flight is to be sent again."""
        return self._retransmit_at

    def handle_timeout(self, now: float) -> None:
        """Send the last flight again if it is time (RFC 6347 section 4.2.4)."""
        if self._retransmit_at is None or now < self._retransmit_at:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            self._end(DtlsState.FAILED)
            return
        self._flush()
        self._arm(now)

    def close(self) -> None:
        """Tell the far end that we are done (close_notify)."""
        if self.state is DtlsState.CONNECTED:
            try:
                self._connection.shutdown()
            except SSL.Error:  # the far end was faster, or broke the association: nothing to tell it
                self._end(DtlsState.CLOSED)
                return
            self._flush()
        self._end(DtlsState.CLOSED)

    def protect(self, packet: bytes) -> bytes:
        """RTP to SRTP. Only while connected. Raises pylibsrtp.Error, ValueError when it is too long."""
        return bytes(self._sender().protect(packet))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """RTCP to SRTCP; as `protect`."""
        return bytes(self._sender().protect_rtcp(packet))

    def unprotect(self, packet: bytes) -> bytes:
        """SRTP to RTP. Only while connected. Raises pylibsrtp.Error: not authentic, or a replay."""
        return bytes(self._receiver().unprotect(packet))

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """SRTCP to RTCP; as `unprotect`."""
        return bytes(self._receiver().unprotect_rtcp(packet))

    def _sender(self) -> pylibsrtp.Session:
        """Made when first wanted: where packets are somebody else's, never."""
        if self._outbound is None:
            assert self.keys is not None
            self._outbound = sender(self.keys[0])
        return self._outbound

    def _receiver(self) -> pylibsrtp.Session:
        if self._inbound is None:
            assert self.keys is not None
            self._inbound = receiver(self.keys[1])
        return self._inbound

    def _advance(self) -> None:
        """What there is to send afterwards is the caller's to flush: a flight, or the alert that says why it failed."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error:
            self._end(DtlsState.FAILED)
        else:
            self._complete()

    def _complete(self) -> None:
        suite = _PROFILES.get(self._connection.get_selected_srtp_profile())
        if suite is None or not self._is_expected_peer():
            self._end(DtlsState.FAILED)
            return
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * suite.length)
        client, server = _keys(material, suite)
        ours, theirs = (client, server) if self.is_client else (server, client)
        self.keys = (SrtpKey(suite, ours), SrtpKey(suite, theirs))
        self.state, self.profile_name = DtlsState.CONNECTED, suite.name
        self._retransmit_at = None

    def _is_expected_peer(self) -> bool:
        """Whether every fingerprint that we can check is that of the peer's certificate (RFC 8122 section 5)."""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        known = [fingerprint for fingerprint in self.fingerprints if fingerprint.algorithm in HASHES]
        if certificate is None or not known:
            return False
        encoded = certificate.public_bytes(Encoding.DER)
        return all(
            secrets.compare_digest(
                fingerprint.value.encode(), _fingerprint(fingerprint.algorithm, encoded).value.encode()
            )
            for fingerprint in known
        )

    def _read_alerts(self) -> None:
        """After the handshake: answers a repeated flight, and finds out that the far end has closed."""
        try:
            self._connection.recv(_MTU)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self._end(DtlsState.CLOSED)
        except SSL.Error:  # a fatal alert, only ever accepted from an authentic record
            self._end(DtlsState.CLOSED)

    def _flush(self) -> None:
        """Send what OpenSSL has written, as many whole records in a datagram as fit."""
        try:
            written = self._connection.bio_read(65536)
        except SSL.WantReadError:
            return
        datagram = b""
        for record in _records(written):
            if datagram and len(datagram) + len(record) > _MTU:
                self._send(datagram)
                datagram = b""
            datagram += record
        self._send(datagram)

    def _arm(self, now: float) -> None:
        """See when a flight wants to be sent again, while there is a handshake."""
        if self.state is not DtlsState.HANDSHAKING:
            return
        timeout = self._connection.DTLSv1_get_timeout()
        self._retransmit_at = None if timeout is None else now + timeout

    def _end(self, state: DtlsState) -> None:
        self.state = state
        self._retransmit_at = None


def is_checkable(fingerprints: Sequence[Fingerprint]) -> bool:
    """Whether there is a fingerprint among them whose hash function we have."""
    return any(fingerprint.algorithm in HASHES for fingerprint in fingerprints)


def _fingerprint(algorithm: str, encoded: bytes) -> Fingerprint:
    return Fingerprint(algorithm, HASHES[algorithm](encoded).digest().hex(":").upper())


def _records(datagram: bytes) -> Iterator[bytes]:
    """The DTLS records of a datagram (RFC 6347 section 4.1: 13 bytes of header, the last two are the length)."""
    start = 0
    while start < len(datagram):
        end = start + 13 + int.from_bytes(datagram[start + 11 : start + 13], "big")
        yield datagram[start:end]
        start = end


def _keys(material: bytes, suite: Suite) -> tuple[bytes, bytes]:
    """Key with salt of the client's direction and of the server's (RFC 5764 section 4.2)."""
    key, salt = suite.key_length, suite.salt_length
    client_key, server_key = material[:key], material[key : 2 * key]
    client_salt, server_salt = material[2 * key : 2 * key + salt], material[2 * key + salt :]
    return client_key + client_salt, server_key + server_salt
