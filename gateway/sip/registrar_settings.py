"""Settings of the registrar: `[registrar]`."""

from dataclasses import dataclass
from typing import Final

from gateway.sip.core.digest_server import Algorithm

LONGEST: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarSettings:
    """Whether SIP phones may register, and how. Times are seconds.

    Raises:
        ValueError: a value that cannot work; the message starts with the field's name and a colon.
    """

    enabled: bool = False
    """Whether SIP phones may register and call with the user names and passwords of connections and credentials, from
    any address that reaches `[sip] listen`. `demo` turns it on."""

    digest_algorithms: tuple[Algorithm, ...] = ("SHA-256", "MD5")
    """What phones are challenged with, the strongest first (RFC 8760). A few older phones understand only the first
    challenge that they read: for them `["MD5"]`. For phones that all know it, `["SHA-256"]` alone is safest."""

    nonce_lifetime: float = 300.0
    """Seconds that a challenge may be answered. A phone that comes later gets another one (`stale`), and asks nobody
    for the password."""

    min_expires: int = 60
    """Seconds; who wants a shorter registration is told so (423). Phones behind a NAT use short ones to keep it
    open."""

    max_expires: int = 3600
    """Seconds after which a registration must be refreshed; longer ones are cut down to it. Over TCP also not longer
    than `[sip] idle_timeout`, or the connection would be gone first."""

    max_contacts: int = 10
    """Phones of one user at once; a call rings all of them. One more is refused with 403."""

    max_registrations: int = 10_000
    """Phones at once, of all users; further ones are refused with 503."""

    codecs: tuple[str, ...] = ("opus", "G722", "PCMU", "PCMA")
    """Codecs offered to and accepted from phones, in order of preference. A connection's own `inbound.codecs` count
    before them for calls to its phones."""

    def __post_init__(self) -> None:
        _check("nonce_lifetime", self.nonce_lifetime, 1, LONGEST)
        _check("min_expires", self.min_expires, 1, LONGEST)
        _check("max_expires", self.max_expires, self.min_expires, LONGEST)
        _check("max_contacts", self.max_contacts, 1, 100)
        _check("max_registrations", self.max_registrations, 1, 1_000_000)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise ValueError(f"{name}: expected {lowest} to {highest}, got {value}")
