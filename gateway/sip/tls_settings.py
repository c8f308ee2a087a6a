"""Settings of SIP over TLS: `[sip_tls]` in the configuration file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate chain and its private key, both PEM."""

    cert: Path
    """Our certificate first, then the intermediate ones."""

    key: Path
    """The private key, not encrypted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipTlsSettings:
    """Certificates of the `tls:` listeners of `[sip]`, and whom we trust when we call over TLS.

    Files that change are taken over while the gateway runs: connections that stand keep what they were made with.
    """

    certificate: Literal["auto"] | KeyPair = "auto"
    """What our listeners show. `auto`: the certificate of our own authority, the one of `http.certificate`; it is good
    for `http.names`, and for the addresses of `sip.listen` and `sip.advertise`."""

    client_certificate: KeyPair | None = None
    """What we show to a far end that asks for it when we connect (mutual TLS)."""

    ca: Path | None = None
    """PEM file of the authorities that may vouch for whom we connect to; without one, those that this system trusts.
    A trunk may have its own (`trunks.ca`)."""

    client_ca: Path | None = None
    """PEM file of authorities. With it, whoever connects to our TLS listeners must show a certificate of one of them;
    whether it may call still depends on `trunks.accept_from`."""

    handshake_timeout: float = 10.0
    """Seconds for a TLS handshake."""

    reload_interval: float = 10.0
    """Seconds between two looks at the files."""

    def __post_init__(self) -> None:
        """Raises ValueError for a time that cannot work; the message starts with the field's name and a colon."""
        for name in ("handshake_timeout", "reload_interval"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")
