"""Server certificates: our own authority for a machine that has none, or the operator's files.

The own authority is ECDSA P-256 and lives 10 years; a server certificate lives 397 days, the most that browsers take
(CA/Browser Forum baseline requirements 6.3.2), and is renewed when 30 days are left.
"""

import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.domain.errors import GatewayError
from gateway.http.names import constraints, refused_by
from gateway.http.settings import CertificateFiles

AUTHORITY_LIFE: Final = timedelta(days=3652)
SERVER_LIFE: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=30)

_ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - not bound here: no certificate can be issued for them
_CLOCK_SKEW: Final = timedelta(hours=1)


class CertificateError(GatewayError):
    """A certificate or key cannot be read, used or written."""

    code: ClassVar[str] = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """What the TLS listeners serve.

    Attributes:
        authority: the file that clients must trust; None for the operator's own certificate.
        not_after: when it expires, aware, UTC.
    """

    cert: Path
    key: Path
    authority: Path | None
    not_after: datetime

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have the context serve it; connections that exist keep theirs.

        Raises:
            CertificateError: OpenSSL refuses what `cryptography` took, such as a key that is too short.
        """
        try:
            context.load_cert_chain(self.cert, self.key)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(f"{self.cert}: cannot be served: {error}") from error


def server_context() -> ssl.SSLContext:
    """A TLS context without a certificate: TLS 1.2 and later, HTTP/1.1 (WebSocket needs it)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


# ---- the operator's files


def from_files(files: CertificateFiles, *, now: datetime) -> ServerCertificate:
    """Check the operator's certificate and key.

    Raises:
        CertificateError: unreadable, not PEM, encrypted, a key of another certificate, expired, or not yet valid.
    """
    certificate = read_certificate(files.cert)
    key = _read_key(files.key)
    if _public(key) != _public(certificate):
        raise CertificateError(f"{files.key}: is not the key of {files.cert}")
    if now > certificate.not_valid_after_utc:
        raise CertificateError(f"{files.cert}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        raise CertificateError(f"{files.cert}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d}")
    return ServerCertificate(cert=files.cert, key=files.key, authority=None, not_after=certificate.not_valid_after_utc)


# ---- our own authority


def from_own_authority(data_dir: Path, names: Iterable[str], *, now: datetime) -> ServerCertificate:
    """The server certificate under `data_dir`, made or renewed if need be; its authority likewise.

    Args:
        names: host names and addresses beside localhost, 127.0.0.1 and ::1.
    Raises:
        CertificateError: a file there is broken, or cannot be written.
    """
    wanted = wanted_names(names)
    ca_cert, ca_key = data_dir / "ca.pem", data_dir / "ca.key"
    cert, key = data_dir / "server.pem", data_dir / "server.key"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_authority_good(ca_cert, ca_key, now):
            _make_authority(ca_cert, ca_key, wanted, now)
        elif refused := refused_by(read_certificate(ca_cert), wanted):
            raise not_permitted(ca_cert, refused)
        if not _is_server_good(cert, key, ca_cert, wanted, now):
            _make_server(cert, key, ca_cert, ca_key, wanted, now)
    except OSError as error:
        raise CertificateError(f"{error.filename or data_dir}: {error.strerror or error}") from error
    return ServerCertificate(
        cert=cert, key=key, authority=ca_cert, not_after=read_certificate(cert).not_valid_after_utc
    )


def not_permitted(ca: Path, refused: list[str]) -> CertificateError:
    """Names came into the settings that the authority must not sign."""
    return CertificateError(
        f"{ca}: may not sign {', '.join(refused)}, for which it was not made; remove it and ca.key to have a new "
        "one made, and have clients trust that one"
    )


def wanted_names(names: Iterable[str]) -> frozenset[str]:
    """The names of a certificate in their canonical form, loopback among them.

    Raises:
        CertificateError: one of them is no host name.
    """
    usable = (name.strip("[]").lower() for name in names)
    return frozenset(_ALWAYS) | {_canonical(name) for name in usable if name and name not in _WILDCARDS}


def _canonical(name: str) -> str:
    """As it will be read back from the certificate."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return name.encode("idna").decode()
    except UnicodeError as error:
        raise CertificateError(f"{name}: is not a host name") from error


def _is_authority_good(cert: Path, key: Path, now: datetime) -> bool:
    if not cert.exists() and not key.exists():
        return False
    if not cert.exists() or not key.exists():
        missing, present = (cert, key) if key.exists() else (key, cert)
        raise CertificateError(f"{missing}: is missing while {present} exists; restore it, or remove both")
    authority = read_certificate(cert)
    if _public(_read_key(key)) != _public(authority):
        raise CertificateError(f"{key}: is not the key of {cert}")
    return now + SERVER_LIFE < authority.not_valid_after_utc


def _is_server_good(cert: Path, key: Path, ca_cert: Path, names: frozenset[str], now: datetime) -> bool:
    if not cert.exists() or not key.exists():
        return False
    server, authority = read_certificate(cert), read_certificate(ca_cert)
    try:
        server.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    is_current = now + RENEW_BEFORE < server.not_valid_after_utc and now >= server.not_valid_before_utc
    return is_current and names == names_of(server) and _public(_read_key(key)) == _public(server)


def _make_authority(cert: Path, key: Path, names: frozenset[str], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = _subject("rtc-gateway certificate authority")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(constraints(names), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    _write(key, _key_pem(private), mode=0o600)
    _write(cert, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _make_server(cert: Path, key: Path, ca_cert: Path, ca_key: Path, names: frozenset[str], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    authority, authority_key = read_certificate(ca_cert), _read_key(ca_key)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey), "the authority is ours, and ours is ECDSA"
    authority_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject("rtc-gateway"))
        .issuer_name(authority.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + SERVER_LIFE - _CLOCK_SKEW)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(key, _key_pem(private), mode=0o600)
    _write(cert, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """The host names and addresses that it is good for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset([*names.get_values_for_type(x509.DNSName), *addresses])


def _public(owner: x509.Certificate | PrivateKeyTypes) -> bytes:
    return owner.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file.

    Raises:
        CertificateError: there is none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CertificateError(f"{path}: is not a PEM certificate") from error


def _read_key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error
    except TypeError as error:
        raise CertificateError(f"{path}: is encrypted; give a key without a pass phrase") from error
    except ValueError as error:
        raise CertificateError(f"{path}: is not a PEM private key") from error


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file at once; nobody ever sees half of it, or a key with a wider mode."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
