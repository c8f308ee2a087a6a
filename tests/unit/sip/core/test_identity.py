"""For which domains a certificate is good, and for which it only seems to be (RFC 5922 section 7)."""

import pytest

from gateway.sip.core.identity import CertificateNames, domains_of, is_good_for


def alternatives(
    *, uris: tuple[str, ...] = (), dns: tuple[str, ...] = (), ip: tuple[str, ...] = ()
) -> CertificateNames:
    return CertificateNames(
        uris=uris, dns_names=dns, addresses=ip, has_alternatives=True, common_names=("common.example",)
    )


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (alternatives(uris=("sip:example.com",)), "example.com"),
        (alternatives(uris=("SIP:EXAMPLE.com",)), "Example.COM"),
        (alternatives(uris=("sip:other.example", "sip:example.com")), "example.com"),
        (alternatives(dns=("sip.example.com", "example.com")), "example.com"),
        (alternatives(dns=("EXAMPLE.com.",)), "example.com"),
        (alternatives(uris=("https://example.com",), dns=("example.com",)), "example.com"),
        (alternatives(uris=("sip:alice@example.com",), dns=("example.com",)), "example.com"),
        (alternatives(uris=("sip:example.com",), ip=("192.0.2.1",)), "192.0.2.1"),
        (alternatives(ip=("2001:db8::1",)), "2001:db8::1"),
        (CertificateNames(common_names=("example.com",)), "example.com"),
    ],
)
def test_certificate_is_good_for_the_domain(names: CertificateNames, domain: str) -> None:
    assert is_good_for(names, domain)


@pytest.mark.parametrize(
    ("names", "domain"),
    [
        (alternatives(uris=("sip:alice@example.com",)), "example.com"),
        (alternatives(uris=("sips:example.com",)), "example.com"),
        (alternatives(uris=("https://example.com",)), "example.com"),
        (alternatives(uris=("nonsense",)), "nonsense"),
        (alternatives(uris=("sip:other.example",), dns=("example.com",)), "example.com"),
        (alternatives(dns=("*.example.com",)), "sip.example.com"),
        (alternatives(dns=("*.example.com",)), "*.example.com"),
        (alternatives(dns=("example.com",)), "sip.example.com"),
        (alternatives(dns=("sip.example.com",)), "example.com"),
        (alternatives(dns=("192.0.2.1",)), "192.0.2.2"),
        (alternatives(), "common.example"),
        (alternatives(dns=("other.example",)), "common.example"),
        (CertificateNames(), "example.com"),
    ],
)
def test_certificate_is_not_good_for_the_domain(names: CertificateNames, domain: str) -> None:
    assert not is_good_for(names, domain)


def test_domains_are_told_in_lower_case() -> None:
    assert domains_of(alternatives(dns=("A.example", "b.example"))) == {"a.example", "b.example"}
