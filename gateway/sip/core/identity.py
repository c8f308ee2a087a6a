"""For which SIP domains a certificate is good (RFC 5922 section 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.uri import SipUri


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateNames:
    """What a certificate says about its subject.

    Attributes:
        uris, dns_names, addresses: of its subjectAltName.
        has_alternatives: whether there is a subjectAltName, even if none of these is in it.
        common_names: CN of its subject.
    """

    uris: Sequence[str] = ()
    dns_names: Sequence[str] = ()
    addresses: Sequence[str] = ()
    has_alternatives: bool = False
    common_names: Sequence[str] = ()


def domains_of(names: CertificateNames) -> frozenset[str]:
    """The SIP domains that it is good for, in lower case (section 7.1).

    A `sip:` URI without user part counts; only where there is none, the DNS names do; only without any
    subjectAltName, the common name. Addresses stand for themselves. A wildcard is a name like any other: it matches
    nothing (section 7.2).
    """
    addresses = frozenset(names.addresses)
    if uris := frozenset(filter(None, map(_domain_of, names.uris))):
        return uris | addresses
    if names.has_alternatives:
        return frozenset(map(_canonical, names.dns_names)) | addresses
    return frozenset(map(_canonical, names.common_names))


def is_good_for(names: CertificateNames, domain: str) -> bool:
    """Whether the certificate names that domain, or that IP address in its canonical form."""
    return "*" not in domain and _canonical(domain) in domains_of(names)


def _domain_of(uri: str) -> str | None:
    try:
        parsed = SipUri.parse(uri)
    except SipError:
        return None
    # One with a user names a person, not a domain; other schemes say nothing about SIP.
    return _canonical(parsed.host) if parsed.scheme == "sip" and parsed.user is None else None


def _canonical(name: str) -> str:
    return name.lower().removesuffix(".")
