"""Which names our certificates carry, and which our authority may sign."""

import plistlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.http.certificate_view import read_authority, view
from gateway.http.certificates import CertificateError, from_own_authority, names_of, read_certificate
from gateway.http.names import REGIONS, TELNYX_NAMES, certificate_names, constraints, refused_by
from gateway.http.settings import CertificateFiles, HttpSettings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def settings(folder: Path, *names: str, **more: object) -> HttpSettings:
    return HttpSettings(data_dir=folder, names=names, **more)  # type: ignore[arg-type] # each test its own


def test_telnyx_stands_for_every_host_that_the_sdks_have_compiled_in() -> None:
    names = certificate_names(HttpSettings(names=("gateway.lan", "telnyx")))

    assert set(TELNYX_NAMES) <= set(names) and "gateway.lan" in names and "telnyx" not in names
    assert {f"{region}.rtc.telnyx.com" for region in REGIONS} | {"rtc.telnyx.com", "sip.telnyx.com"} <= set(names)


def test_the_names_are_those_of_listeners_public_url_and_settings() -> None:
    names = certificate_names(
        HttpSettings(listen=("https://192.0.2.1:443",), public_url="https://gw.lan:8443", names=("other.lan",))
    )

    assert names == ["192.0.2.1", "gw.lan", "other.lan"]


def test_a_list_that_changes_gives_a_new_certificate_of_the_same_authority(tmp_path: Path) -> None:
    from_own_authority(tmp_path, ["rtc.telnyx.com"], now=NOW)
    authority, first = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()

    from_own_authority(tmp_path, [*TELNYX_NAMES], now=NOW)

    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert (tmp_path / "server.pem").read_bytes() != first
    assert set(TELNYX_NAMES) <= names_of(read_certificate(tmp_path / "server.pem"))


@pytest.mark.parametrize(
    "name",
    ["bank.example.com.evil.net", "mybank.com", "eviltelnyx.com", "8.8.8.8", "2606:4700::1111", "gateway", "*.com"],
)
def test_an_authority_may_not_sign_what_it_was_not_made_for(tmp_path: Path, name: str) -> None:
    from_own_authority(tmp_path, ["gateway.lan"], now=NOW)

    with pytest.raises(CertificateError, match="may not sign"):
        from_own_authority(tmp_path, [name], now=NOW)
    with pytest.raises(CertificateError, match="may not sign"):
        view(settings(tmp_path, name), now=NOW)


@pytest.mark.parametrize(
    "name", ["a.b.lan", "printer.local", "rtc.telnyx.com", "10.1.2.3", "fd00::1", "192.168.7.7", "ci.internal", "*.lan"]
)
def test_an_authority_may_sign_private_names_and_telnyx_own(tmp_path: Path, name: str) -> None:
    from_own_authority(tmp_path, [], now=NOW)

    from_own_authority(tmp_path, [name], now=NOW)

    assert name in names_of(read_certificate(tmp_path / "server.pem"))


@pytest.mark.parametrize("name", ["gateway", "gw.example.com", "8.8.8.8", "2606:4700::1111", "*.example.com"])
def test_an_authority_may_sign_what_the_settings_named_when_it_was_made(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        from_own_authority(tmp_path, [name], now=NOW)

    extension = read_certificate(tmp_path / "ca.pem").extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical  # RFC 5280 section 4.2.1.10
    assert refused_by(read_certificate(tmp_path / "ca.pem"), [name]) == []


def test_an_authority_of_before_may_go_on_signing_anything(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    unlimited = read_certificate(tmp_path / "server.pem")  # any certificate without constraints

    assert refused_by(unlimited, ["mybank.com"]) == []


def test_constraints_are_no_longer_than_they_must_be() -> None:
    assert constraints(["a.lan", "127.0.0.1", "rtc.telnyx.com"]) == constraints([])


# ---- what check-config and doctor show


def test_the_view_of_a_certificate_that_is_not_made_yet_writes_nothing(tmp_path: Path) -> None:
    found = view(settings(tmp_path, "telnyx"), now=NOW)

    assert found is not None
    assert (found.source, found.not_after) == ("auto", None)
    assert {"localhost", "127.0.0.1", "rtc.telnyx.com"} <= set(found.names)
    assert list(tmp_path.iterdir()) == []


def test_the_view_knows_whether_the_certificate_will_be_made_anew(tmp_path: Path) -> None:
    wanted = settings(tmp_path, "gateway.lan")
    from_own_authority(tmp_path, certificate_names(wanted), now=NOW)

    same, other = view(wanted, now=NOW), view(settings(tmp_path, "other.lan"), now=NOW)

    assert same is not None and same.not_after is not None
    assert same.not_after - NOW > timedelta(days=390)
    assert other is not None and other.not_after is None


def test_the_view_opens_the_operators_files(tmp_path: Path) -> None:
    from_own_authority(tmp_path, ["gw.lan"], now=NOW)
    files = CertificateFiles(cert=tmp_path / "server.pem", key=tmp_path / "server.key")

    found = view(settings(tmp_path, certificate=files), now=NOW)

    assert found is not None and found.authority is None and "gw.lan" in found.names
    (tmp_path / "server.key").write_text("no key")
    with pytest.raises(CertificateError, match=r"server\.key"):
        view(settings(tmp_path, certificate=files), now=NOW)


def test_without_https_there_is_no_certificate(tmp_path: Path) -> None:
    assert view(settings(tmp_path, listen=("http://127.0.0.1:0",)), now=NOW) is None


def test_the_profile_for_ios_holds_the_authority_and_is_the_same_each_time(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    authority = read_authority(tmp_path / "ca.pem")

    profile = plistlib.loads(authority.mobileconfig())

    (payload,) = profile["PayloadContent"]
    assert payload["PayloadType"] == "com.apple.security.root"
    assert x509.load_der_x509_certificate(payload["PayloadContent"]) == authority.certificate
    assert read_authority(tmp_path / "ca.pem").mobileconfig() == authority.mobileconfig()
    assert profile["PayloadUUID"] != payload["PayloadUUID"]
