"""Settings of the HTTP listeners: WSS, REST, console, lab and uploads share them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.http.address import ListenAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A certificate chain and its private key, both PEM. Renewed files are taken over while we run."""

    cert: Path
    """The server's certificate first, then the intermediate ones."""

    key: Path
    """The private key, not encrypted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Where the gateway listens, and how much a stranger may ask of it there."""

    listen: tuple[str, ...] = ("https://127.0.0.1:8443", "http://127.0.0.1:8080")
    """`https://host:port` or `http://host:port`; port 0 takes a free one. Plain http is for loopback, which browsers
    count as secure, or for a proxy."""

    certificate: Literal["auto"] | CertificateFiles = "auto"
    """`auto`: our own certificate authority and a server certificate under `data_dir`."""

    data_dir: Path = Path("var")
    """Where `auto` keeps `ca.pem` (to be trusted by browsers) and the keys."""

    names: tuple[str, ...] = ()
    """Host names or addresses that the `auto` certificate is good for, beside loopback, listeners and `public_url`.
    `telnyx` stands for the names that the SDKs have compiled in: `rtc.telnyx.com` and its regions, `rtcdev.telnyx.com`
    and its regions, `sip.telnyx.com`. The certificate is made anew when the list changes."""

    public_url: str = ""
    """Address under which people reach us, as the console shows it; empty: that of the first listener."""

    behind_proxy: bool = False
    """A reverse proxy stands before us: plain http is accepted beyond loopback, and the client's address is the last
    one in `X-Forwarded-For`. Never switch it on without one: anybody could choose their address."""

    max_body_size: int = 4 * 1024 * 1024
    """Largest request body in bytes. The uploads of the SDKs have limits of their own, in `[reports]`."""

    max_connections: int = 8192
    """Open TCP connections over all listeners; further ones are closed at once."""

    request_timeout: float = 30.0
    """Seconds that a connection may stay without a request, or with half of one."""

    handshake_timeout: float = 10.0
    """Seconds for a TLS handshake."""

    stop_timeout: float = 5.0
    """Seconds that requests under way have to finish when we stop."""

    def __post_init__(self) -> None:
        """Raises ListenRefused for a URL that cannot be served."""
        for url in self.listen:
            ListenAddress.parse(url).check(behind_proxy=self.behind_proxy)
