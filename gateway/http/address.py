"""The URLs of the setting `listen`."""

import ipaddress
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.domain.errors import GatewayError


class ListenRefused(GatewayError):
    """A `listen` URL that cannot be served, or an address that cannot be bound."""

    code: ClassVar[str] = "listen_refused"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """One listener."""

    is_tls: bool
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "ListenAddress":
        """Read `https://host:port`; the port may be left out (443, 80) and 0 takes a free one."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ListenRefused(f"{url}: the port is not a number below 65536") from None
        if parts.scheme not in ("http", "https"):
            raise ListenRefused(f"{url}: a listener begins with https:// or http://")
        if not parts.hostname or parts.username is not None:
            raise ListenRefused(f"{url}: a listener needs a host and no user")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ListenRefused(f"{url}: a listener has no path")
        is_tls = parts.scheme == "https"
        return cls(is_tls, parts.hostname, port if port is not None else 443 if is_tls else 80)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self, *, behind_proxy: bool) -> None:
        """Refuse plain http where others could listen in: passwords and call audio keys travel here."""
        if not self.is_tls and not self.is_loopback and not behind_proxy:
            raise ListenRefused(
                f"{self.url(self.port)}: plain http is for loopback; use https, "
                "or set behind_proxy when a proxy ends TLS before us"
            )

    def url(self, port: int) -> str:
        """The URL with the port that was really bound."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{port}"
