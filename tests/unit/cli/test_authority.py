"""`ca`: the authority that clients are to trust."""

import plistlib
from pathlib import Path

import pytest
from cryptography import x509

from tests.unit.cli.conftest import Run


def test_show_makes_the_authority_before_the_first_start_and_says_what_it_may_sign(run: Run, tmp_path: Path) -> None:
    shown, again = run("ca", "show", "--json").record, run("ca", "show")

    assert shown["file"] == str(tmp_path / "var/ca.pem")
    assert isinstance(shown["may_sign"], list) and "telnyx.com" in shown["may_sign"]
    assert str(shown["sha256"]) in again.out


@pytest.mark.parametrize("as_format", ["pem", "der", "mobileconfig"])
def test_export_writes_the_certificate_and_never_the_key(run: Run, tmp_path: Path, as_format: str) -> None:
    file = tmp_path / "exported"

    done = run("ca", "export", "--format", as_format, "--output", str(file))

    authority = x509.load_pem_x509_certificate((tmp_path / "var/ca.pem").read_bytes())
    content = file.read_bytes()
    if as_format == "mobileconfig":
        content = plistlib.loads(content)["PayloadContent"][0]["PayloadContent"]
    load = x509.load_pem_x509_certificate if as_format == "pem" else x509.load_der_x509_certificate
    assert (done.code, done.out, load(content)) == (0, "", authority)
    assert b"PRIVATE" not in file.read_bytes()


def test_export_writes_pem_to_standard_output(run: Run, tmp_path: Path) -> None:
    assert run("ca", "export").out == (tmp_path / "var/ca.pem").read_text()


def test_a_certificate_of_the_operator_has_no_authority_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTC_GATEWAY__HTTP__CERTIFICATE", '{cert="/c", key="/k"}')

    done = run("ca", "show")

    assert (done.code, done.err) == (
        1,
        "rtc-gateway: http.certificate names files: there is no authority of ours\n",
    )


def test_a_file_that_cannot_be_written_is_said(run: Run, tmp_path: Path) -> None:
    done = run("ca", "export", "--output", str(tmp_path / "no/such/folder"))

    assert done.code == 1
    assert "no/such/folder" in done.err
