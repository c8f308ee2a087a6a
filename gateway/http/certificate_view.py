"""What a certificate is good for, as `check-config`, `doctor` and `ca` show it. Writes nothing."""

import plistlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.http.address import ListenAddress
from gateway.http.certificates import from_files, names_of, not_permitted, read_certificate, wanted_names
from gateway.http.names import certificate_names, refused_by
from gateway.http.settings import HttpSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateView:
    """The certificate of the TLS listeners.

    Attributes:
        source: its file, or `auto`.
        names: host names and addresses, sorted.
        not_after: aware, UTC; None for one that is not made yet, or will be made anew at the next start.
        authority: file of our own authority's certificate, None for the operator's certificate.
    """

    source: str
    names: tuple[str, ...]
    not_after: datetime | None
    authority: Path | None

    def to_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "source": self.source,
            "names": list(self.names),
            "not_after": None if self.not_after is None else self.not_after.isoformat(),
            "authority": None if self.authority is None else str(self.authority),
        }


def view(settings: HttpSettings, *, now: datetime) -> CertificateView | None:
    """The certificate that a start with these settings would serve; None without an https listener.

    Raises:
        CertificateError: there is none that could be served.
    """
    if not any(ListenAddress.parse(url).is_tls for url in settings.listen):
        return None
    if settings.certificate != "auto":
        files = from_files(settings.certificate, now=now)
        names = tuple(sorted(names_of(read_certificate(files.cert))))
        return CertificateView(source=str(files.cert), names=names, not_after=files.not_after, authority=None)
    wanted = wanted_names(certificate_names(settings))
    ca, server = settings.data_dir / "ca.pem", settings.data_dir / "server.pem"
    if ca.exists() and (refused := refused_by(read_certificate(ca), wanted)):
        raise not_permitted(ca, refused)
    found = read_certificate(server) if server.exists() else None
    is_current = found is not None and names_of(found) == wanted
    return CertificateView(
        source="auto",
        names=tuple(sorted(wanted)),
        not_after=found.not_valid_after_utc if found is not None and is_current else None,
        authority=ca,
    )


# ---- the authority for people and devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Our own authority's certificate. `permitted` is what it may sign; empty for anything, as older ones may."""

    file: Path
    certificate: x509.Certificate
    permitted: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256, as browsers and phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def pem(self) -> bytes:
        """For most programs."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def der(self) -> bytes:
        """For Android, Java and Windows."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def mobileconfig(self) -> bytes:
        """A configuration profile for iOS and macOS (Apple's com.apple.security.root payload); the same each time."""
        name = "rtc-gateway certificate authority"
        base = uuid.UUID(bytes=self.certificate.fingerprint(hashes.SHA256())[:16], version=4)
        common = {"PayloadVersion": 1, "PayloadDisplayName": name}
        payload = {
            **common,
            "PayloadType": "com.apple.security.root",
            "PayloadIdentifier": f"rtc-gateway.ca.{base}.root",
            "PayloadUUID": str(uuid.uuid5(base, "root")).upper(),
            "PayloadCertificateFileName": "rtc-gateway.cer",
            "PayloadContent": self.der(),
        }
        profile = {
            **common,
            "PayloadType": "Configuration",
            "PayloadIdentifier": f"rtc-gateway.ca.{base}",
            "PayloadUUID": str(base).upper(),
            "PayloadDescription": "Lets this device trust a self-hosted rtc-gateway. Remove it when you are done.",
            "PayloadContent": [payload],
        }
        return plistlib.dumps(profile)


def read_authority(file: Path) -> Authority:
    """Raises CertificateError: it cannot be read."""
    certificate = read_certificate(file)
    try:
        limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    except x509.ExtensionNotFound:
        limits = []
    return Authority(file=file, certificate=certificate, permitted=tuple(str(one.value) for one in limits))
