"""`ca`: the gateway's own certificate authority, for those who are to trust it. Its key is never shown."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.options import ConfigOption, JsonOption, load_config
from gateway.cli.output import fail, print_json, print_row

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.http.certificate_view import Authority, CertificateView

ca = typer.Typer(
    help="The gateway's own certificate authority, for clients to trust.", no_args_is_help=True, rich_markup_mode=None
)


class Format(StrEnum):
    """What a client's system wants to be given."""

    PEM = "pem"
    DER = "der"
    MOBILECONFIG = "mobileconfig"


@ca.command("show", epilog="Example: rtc-gateway ca show --config /etc/rtc-gateway.toml")
def show_authority(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show where it is, its fingerprint and what it may sign. Made if there is none yet."""
    authority = _authority(load_config(config))
    row = {
        "file": str(authority.file),
        "sha256": authority.fingerprint,
        "not_after": authority.certificate.not_valid_after_utc.isoformat(),
        "may_sign": list(authority.permitted) or None,
    }
    print_json(row) if as_json else print_row({**row, "may_sign": ", ".join(authority.permitted) or "anything"})


@ca.command("export", epilog="Example: rtc-gateway ca export --format mobileconfig --output rtc-gateway.mobileconfig")
def export_authority(
    as_format: Annotated[
        Format, typer.Option("--format", help="pem; der for Android and Java; mobileconfig for iOS and macOS.")
    ] = Format.PEM,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Standard output without it.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write its certificate in a form that a client takes. Made if there is none yet."""
    authority = _authority(load_config(config))
    content = {Format.PEM: authority.pem, Format.DER: authority.der, Format.MOBILECONFIG: authority.mobileconfig}[
        as_format
    ]()
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        fail(f"{output}: {error.strerror or error}")


def certificate_of(config: "Config") -> "CertificateView | None":
    """The certificate that would be served; one that cannot be ends the command."""
    from gateway.http.certificate_view import view
    from gateway.http.certificates import CertificateError
    from gateway.observability.clock import utc_now

    try:
        return view(config.certified, now=utc_now())
    except CertificateError as error:
        fail(f"http.certificate: {error}")


def _authority(config: "Config") -> "Authority":
    from gateway.http.certificate_view import read_authority
    from gateway.http.certificates import CertificateError, from_own_authority
    from gateway.http.names import certificate_names
    from gateway.observability.clock import utc_now

    if config.http.certificate != "auto":
        fail("http.certificate names files: there is no authority of ours")
    try:
        made = from_own_authority(config.http.data_dir, certificate_names(config.certified), now=utc_now())
        assert made.authority is not None, "ours has one"
        return read_authority(made.authority)
    except CertificateError as error:
        fail(str(error))
