"""Certificates: our own authority, and the operator's files."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.http.certificates import (
    RENEW_BEFORE,
    SERVER_LIFE,
    CertificateError,
    from_files,
    from_own_authority,
    server_context,
)
from gateway.http.settings import CertificateFiles

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}


def test_the_authority_is_p256_lives_ten_years_and_signs_server_certificates_only(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)

    authority = read(tmp_path / "ca.pem")
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert authority.not_valid_after_utc - NOW >= timedelta(days=3650)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)


def test_the_server_certificate_is_what_browsers_take(tmp_path: Path) -> None:
    made = from_own_authority(tmp_path, ["gw.example", "192.0.2.7", "[2001:db8::1]", "[::]", ""], now=NOW)

    server, authority = read(made.cert), read(tmp_path / "ca.pem")
    server.verify_directly_issued_by(authority)
    assert names(server) == {"localhost", "127.0.0.1", "::1", "gw.example", "192.0.2.7", "2001:db8::1"}
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=397)
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usage
    assert made.authority == tmp_path / "ca.pem"
    made.load_into(server_context())


def test_private_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    from_own_authority(tmp_path / "new" / "dir", [], now=NOW)

    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "new" / "dir" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new" / "dir").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "new" / "dir").iterdir()) == [
        "ca.key",
        "ca.pem",
        "server.key",
        "server.pem",
    ]


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    from_own_authority(tmp_path, ["b.example", "a.example"], now=NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    from_own_authority(tmp_path, ["a.example", "b.example", "LOCALHOST"], now=NOW + timedelta(days=100))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_server_certificate_is_renewed_by_the_same_authority_when_30_days_are_left(tmp_path: Path) -> None:
    first = from_own_authority(tmp_path, [], now=NOW)
    authority = (tmp_path / "ca.pem").read_bytes()

    kept = from_own_authority(tmp_path, [], now=first.not_after - RENEW_BEFORE - timedelta(hours=1))
    renewed = from_own_authority(tmp_path, [], now=first.not_after - RENEW_BEFORE + timedelta(hours=1))

    assert kept.not_after == first.not_after
    assert renewed.not_after > first.not_after
    assert (tmp_path / "ca.pem").read_bytes() == authority


def test_another_name_makes_another_server_certificate(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)

    made = from_own_authority(tmp_path, ["gw.example"], now=NOW)

    assert "gw.example" in names(read(made.cert))


def test_an_authority_that_would_die_before_its_server_certificate_is_replaced(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    late = NOW + timedelta(days=3652) - SERVER_LIFE + timedelta(days=1)

    made = from_own_authority(tmp_path, [], now=late)

    read(made.cert).verify_directly_issued_by(read(tmp_path / "ca.pem"))
    assert read(tmp_path / "ca.pem").not_valid_after_utc > made.not_after


def test_a_key_that_was_replaced_without_its_certificate_is_mended(tmp_path: Path) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    (tmp_path / "server.key").write_bytes((tmp_path / "ca.key").read_bytes())

    made = from_own_authority(tmp_path, [], now=NOW)

    made.load_into(server_context())


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "server.pem"])
def test_a_broken_file_is_named_and_not_replaced(tmp_path: Path, name: str) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    (tmp_path / name).write_text("broken")

    with pytest.raises(CertificateError, match=name):
        from_own_authority(tmp_path, [], now=NOW)

    assert (tmp_path / name).read_text() == "broken"


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
def test_half_an_authority_is_refused(tmp_path: Path, name: str) -> None:
    from_own_authority(tmp_path, [], now=NOW)
    (tmp_path / name).unlink()

    with pytest.raises(CertificateError, match=f"{name}: is missing"):
        from_own_authority(tmp_path, [], now=NOW)


def test_a_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CertificateError, match="file"):
        from_own_authority(tmp_path / "file", [], now=NOW)


def test_a_name_that_no_host_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="is not a host name"):
        from_own_authority(tmp_path, ["a" * 70 + ".example"], now=NOW)


# ---- the operator's files


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    made = from_own_authority(tmp_path, ["gw.example"], now=NOW)
    return CertificateFiles(cert=made.cert, key=made.key)


def test_a_good_pair_is_taken_without_an_authority(files: CertificateFiles) -> None:
    made = from_files(files, now=NOW)

    assert made.authority is None
    context = server_context()
    made.load_into(context)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_expired_certificate_is_refused_with_its_date(files: CertificateFiles) -> None:
    with pytest.raises(CertificateError, match="expired on 2027-06-02"):
        from_files(files, now=NOW + SERVER_LIFE)


def test_a_certificate_of_the_future_is_refused(files: CertificateFiles) -> None:
    with pytest.raises(CertificateError, match="not valid before"):
        from_files(files, now=NOW - timedelta(days=1))


def test_a_key_of_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="is not the key of"):
        from_files(CertificateFiles(cert=files.cert, key=tmp_path / "ca.key"), now=NOW)


def test_a_missing_file_is_named(files: CertificateFiles, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"nowhere\.pem: No such file"):
        from_files(CertificateFiles(cert=tmp_path / "nowhere.pem", key=files.key), now=NOW)
    with pytest.raises(CertificateError, match=r"nowhere\.key: No such file"):
        from_files(CertificateFiles(cert=files.cert, key=tmp_path / "nowhere.key"), now=NOW)


def test_files_that_are_something_else_are_told_apart(files: CertificateFiles, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")

    with pytest.raises(CertificateError, match="is not a PEM certificate"):
        from_files(CertificateFiles(cert=text, key=files.key), now=NOW)
    with pytest.raises(CertificateError, match="is not a PEM private key"):
        from_files(CertificateFiles(cert=files.cert, key=text), now=NOW)


def test_an_encrypted_key_is_refused_with_what_to_do(files: CertificateFiles, tmp_path: Path) -> None:
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    with pytest.raises(CertificateError, match="is encrypted"):
        from_files(CertificateFiles(cert=files.cert, key=encrypted), now=NOW)
