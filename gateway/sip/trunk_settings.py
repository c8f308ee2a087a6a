"""Settings of the trunks: each `[[trunks]]` in the configuration file."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, Literal

from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.reliability import Reliability
from gateway.sip.transport.flow import TRANSPORTS

NumberFormat = Literal["as_is", "e164", "digits", "national"]
"""How a trunk writes numbers; see `TrunkSettings.number_format`."""

DtmfForm = Literal["rfc2833", "inband", "info"]
"""How a trunk takes digits; see `TrunkSettings.dtmf`."""

IdentityField = Literal["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"]
"""Header fields that say who calls."""

SHORTEST_REGISTRATION: Final = 30
"""Seconds; a registration for less would be renewed all the time."""

LONGEST_REGISTRATION: Final = 86_400
"""Seconds; a binding must not outlive us by more than a day."""

LONGEST_PREFIX: Final = 6
"""Digits of a country code or a prefix."""

SHORTEST_HEALTH_INTERVAL: Final = 1.0
"""Seconds; more often is no question, it is a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSettings:
    """One `[[trunks]]` entry.

    Raises:
        ValueError: a value that cannot work; the message starts with the field's name and a colon.
    """

    name: str
    """Its name in logs and routes."""

    uri: str
    """Where its calls go, for example `sip:127.0.0.2:5060;transport=udp`. `;transport=tls` goes over TLS to this trunk,
    `sips:` asks every proxy behind it for TLS, too. Over TLS the host of the URI must be in the trunk's certificate."""

    ca: Path | None = None
    """PEM file of the authorities that may vouch for this trunk over TLS, in place of `sip_tls.ca`."""

    username: str | None = None
    """User name for the digest; None: the trunk does not challenge."""

    password: str | None = field(default=None, repr=False)
    """Password for the digest, from `password_file` or the environment."""

    realm: str | None = None
    """The realm of the digest; a challenge of another one is not answered. None: any realm, but only of the host in
    `uri` and of the address that it stands for."""

    register: bool = False
    """Whether we keep a registration there (RFC 3261 section 10), as `username`. While it holds and `accept_from` is
    empty, calls are taken from the address that answered it; while it does not, calls out take other trunks first."""

    register_expires: int = 3600
    """Seconds that a registration is asked for; it is refreshed after four fifths of what the trunk grants."""

    domain: str = ""
    """Host of the address of record that we register, and of our From towards this trunk. Empty: that of `uri` for
    the registration, `[sip] domain` for calls."""

    health_interval: float = 0.0
    """Seconds between two OPTIONS that ask whether the trunk is alive; 0 asks never. Any answer but 408 and 503 is
    one. After three silences it is down, and passed over as long as another trunk is not; after two answers up."""

    priority: int = 0
    """Trunks of the lowest number are tried first; those of higher ones when they fail before anything rings."""

    weight: int = 0
    """Share of the calls among trunks of the same priority: of two with 3 and 1, the first gets three calls of four.
    Trunks with 0 have none: they come behind, in the order of the file."""

    max_calls: int = 0
    """Calls at once, both ways together; 0 for no limit. A call in beyond gets 503, a call out the next trunk."""

    max_calls_per_second: float = 0.0
    """New calls a second, both ways together; 0 for no limit. As `max_calls`."""

    keepalive: float = 0.0
    """Seconds between two CRLF datagrams that keep the way to this trunk open through a NAT, over UDP only; 0 sends
    none."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """Codecs offered to and accepted from this trunk, in order of preference."""

    dtmf: DtmfForm = "rfc2833"
    """How it gets digits: `rfc2833` as telephone-events in RTP (RFC 4733), or by SIP INFO where it does not take those
    but has INFO in its Allow; `info` by SIP INFO (application/dtmf-relay); `inband` as tones in the audio. With the
    last two telephone-event is not negotiated. Digits that the trunk itself sends by INFO are always understood."""

    accept_from: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks from which its calls may come; empty: none."""

    srtp: Literal["off", "optional", "required", "dtls"] = "off"
    """Encryption of its media, both ways. `optional`: keys are offered beside plain RTP, and it chooses. `required`:
    SRTP with keys in SDP, or DTLS-SRTP where it offers that, and nothing in plain. `dtls`: DTLS-SRTP alone. Keys stand
    in SDP only where signalling is encrypted itself: `uri` names TLS, and calls of it come over TLS."""

    srtp_over_plain_sip: bool = False
    """Whether keys may stand in SDP where signalling is not encrypted: whoever reads it can hear the calls then."""

    number_format: NumberFormat = "as_is"
    """How the trunk writes numbers: `e164` (+41441234567), `digits` (41441234567), `national` (0441234567 within the
    country of `country_code`, the rest with `international_prefix`), or `as_is`: nothing is changed on the way out.
    Numbers that come in are turned into E.164 with the same four settings before they are looked up."""

    country_code: str = ""
    """Of the trunk's country, without +, for example `41`. Empty: national numbers are left as they are."""

    national_prefix: str = ""
    """Before a national number, for example `0`."""

    international_prefix: str = ""
    """Before a country code, for example `00`. Empty: +."""

    rewrite_called_out: tuple[str, ...] = ()
    """Rules `STRIP|KEEP -> PREPEND` for numbers that we call there; the first that matches counts, and then not
    `number_format`. `9|. ->` cuts off a 9, `NXXXXXX -> +1212` adds a prefix. X is any digit, Z 1 to 9, N 2 to 9, `.`
    at the end one or more characters."""

    rewrite_caller_out: tuple[str, ...] = ()
    """The same for the caller's number, as the trunk sees it."""

    rewrite_called_in: tuple[str, ...] = ()
    """The same for numbers that the trunk calls; the result should be E.164 or a user name."""

    rewrite_caller_in: tuple[str, ...] = ()
    """The same for the caller's number of calls from the trunk."""

    identity_out: tuple[IdentityField, ...] = ()
    """Header fields beside From that tell the trunk who calls, also when the caller hides. Only a trunk that keeps
    them to itself should get any (RFC 3325)."""

    from_username: bool = False
    """Whether From names the account (`username`), as trunks for single lines want it. The caller's number then stands
    in `identity_out` alone."""

    identity_in: tuple[IdentityField, ...] = ()
    """Header fields of its INVITEs that are believed, best first, before From; with one, Privacy is kept to as well.
    Empty: none is believed, for whoever calls through the trunk could have written them."""

    diversion: bool = False
    """Whether the trunk is told who sent a call on (Diversion, RFC 5806), when a transfer makes a call there."""

    headers_out: tuple[str, ...] = ("X-*", "User-to-User")
    """Custom header fields of clients that reach the trunk's INVITE; `X-*` is every name that begins so."""

    headers_in: tuple[str, ...] = ("X-*", "User-to-User")
    """Header fields of the trunk's INVITE that reach the client."""

    reliable_provisional: Reliability = "supported"
    """Whether ringing and early media are acknowledged (RFC 3262, 100rel): `off`; `supported`, where the trunk can do
    so; `required`: calls without it are refused, both ways."""

    follow_redirects: bool = False
    """Whether a 300, 301 or 302 of this trunk sends the call to its Contacts, at most 5 of them and with `sip:` or
    `sips:`; they may name any host and number, but get no password of ours. Else the call ends."""

    def __post_init__(self) -> None:
        if self.keepalive < 0:
            raise ValueError("keepalive: must be 0 or above")
        self._check_uri()
        self._check_numbers()
        self._check_account()

    def _check_numbers(self) -> None:
        for name in ("country_code", "national_prefix", "international_prefix"):
            prefix = getattr(self, name)
            if not (len(prefix) <= LONGEST_PREFIX and (not prefix or (prefix.isascii() and prefix.isdigit()))):
                raise ValueError(f"{name}: expected at most {LONGEST_PREFIX} digits")
        if self.number_format == "national" and not self.country_code:
            raise ValueError("number_format: national needs a country_code")

    def _check_account(self) -> None:
        if self.from_username and self.username is None:
            raise ValueError("from_username: expected a username beside it")
        if self.register and (self.username is None or self.password is None):
            raise ValueError("register: expected a username and a password beside it")
        if not SHORTEST_REGISTRATION <= self.register_expires <= LONGEST_REGISTRATION:
            limits = f"{SHORTEST_REGISTRATION} to {LONGEST_REGISTRATION}"
            raise ValueError(f"register_expires: expected {limits} seconds")
        if self.health_interval and self.health_interval < SHORTEST_HEALTH_INTERVAL:
            raise ValueError(f"health_interval: expected 0, or at least {SHORTEST_HEALTH_INTERVAL} seconds")

    def _check_uri(self) -> None:
        try:
            uri = SipUri.parse(self.uri)
        except SipError as exc:
            raise ValueError(f"uri: {exc}") from exc
        transport = (uri.param("transport") or "").lower()
        if uri.scheme not in ("sip", "sips") or transport not in ("", *TRANSPORTS):
            raise ValueError("uri: expected sip: over udp, tcp or tls, or sips:")
        if uri.scheme == "sips" and transport == "udp":
            raise ValueError("uri: sips: is never over udp")
        if self.has_open_keys and not self.srtp_over_plain_sip:
            raise ValueError(
                f"srtp: {self.srtp} puts keys into SDP, and uri does not name TLS; expected srtp_over_plain_sip = true "
                "as well, or dtls"
            )

    @property
    def has_open_keys(self) -> bool:
        """Whether keys of media stand in SDP that goes out unencrypted."""
        uri = SipUri.parse(self.uri)
        is_secure = uri.scheme == "sips" or (uri.param("transport") or "").lower() == "tls"
        return self.srtp in ("optional", "required") and not is_secure
