"""Every section of the configuration, and the rules that settings classes do not know about each other."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.accounts.settings import BillingSettings, RateSettings
from gateway.auth.settings import AuthSettings
from gateway.b2bua.settings import CallSettings
from gateway.config.convert import Parser, address_and_port, name_server, sip_listener
from gateway.domain.headers import HeaderList
from gateway.http.address import ListenAddress, ListenRefused
from gateway.http.settings import HttpSettings
from gateway.lab.settings import LabSettings
from gateway.media.settings import MediaSettings
from gateway.observability.settings import LogSettings, MetricsSettings
from gateway.reports.settings import ReportSettings
from gateway.sip.registrar_settings import RegistrarSettings
from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings
from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.store.settings import StoreSettings
from gateway.traces.settings import HepSettings, TraceSettings, collector
from gateway.trunks.core.numbers import NumberRule
from gateway.vsp.settings import VspSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a gateway, each package's own class.

    Attributes:
        file: the file they were read from, None without one.
        data_dir: folder of what the gateway makes itself: database, keys, certificates.
        trunks: in the order in which they are tried.
        rates: what a minute to certain numbers costs.
    """

    file: Path | None = None
    data_dir: Path = Path("var")
    http: HttpSettings = field(default_factory=HttpSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    verto: VspSettings = field(default_factory=VspSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    sip: SipSettings = field(default_factory=SipSettings)
    registrar: RegistrarSettings = field(default_factory=RegistrarSettings)
    sip_security: SipSecuritySettings = field(default_factory=SipSecuritySettings)
    sip_tls: SipTlsSettings = field(default_factory=SipTlsSettings)
    trunks: tuple[TrunkSettings, ...] = ()
    media: MediaSettings = field(default_factory=MediaSettings)
    reports: ReportSettings = field(default_factory=ReportSettings)
    traces: TraceSettings = field(default_factory=TraceSettings)
    traces_hep: HepSettings = field(default_factory=HepSettings)
    billing: BillingSettings = field(default_factory=BillingSettings)
    rates: tuple[RateSettings, ...] = ()
    lab: LabSettings = field(default_factory=LabSettings)

    @property
    def certified(self) -> HttpSettings:
        """`http`, and among the names of its `auto` certificate those of the SIP listeners that show it, too."""
        listeners = [(index, host) for index, (transport, host, _) in enumerate(self.sip.listen) if transport == "tls"]
        if not listeners or self.sip_tls.certificate != "auto":
            return self.http
        addresses = [name for index, host in listeners for name in (host, self.sip.advertised(index)[0]) if name]
        return replace(self.http, names=(*self.http.names, *dict.fromkeys(addresses)))


SECTIONS: Final[Mapping[str, type[Any]]] = {  # Any: settings classes share no base
    "http": HttpSettings,
    "metrics": MetricsSettings,
    "log": LogSettings,
    "store": StoreSettings,
    "auth": AuthSettings,
    "verto": VspSettings,
    "calls": CallSettings,
    "sip": SipSettings,
    "registrar": RegistrarSettings,
    "sip_security": SipSecuritySettings,
    "sip_tls": SipTlsSettings,
    "media": MediaSettings,
    "reports": ReportSettings,
    "traces": TraceSettings,
    "traces.hep": HepSettings,
    "billing": BillingSettings,
    "lab": LabSettings,
}
"""In the order of the reference. One with a dot is a section within another: `[traces.hep]`."""


def attribute_of(section: str) -> str:
    """The attribute of `Config` that holds a section."""
    return section.replace(".", "_")


ARRAYS: Final[Mapping[str, type[Any]]] = {  # Any: as above
    "trunks": TrunkSettings,
    "rates": RateSettings,
}

RESERVED_TRUNK: Final = "lab"


def _http_listener(text: str) -> str:
    try:
        ListenAddress.parse(text)
    except (ListenRefused, ValueError) as error:
        raise ValueError("expected https://ADDRESS:PORT or http://ADDRESS:PORT") from error
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or parts.query):
        raise ValueError("expected https://HOST[:PORT]")
    return text.rstrip("/")


def _codec(text: str) -> str:
    if text not in ("opus", "G722", "PCMU", "PCMA"):
        raise ValueError("expected one of opus, G722, PCMU, PCMA")
    return text


def _host_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", text):
        raise ValueError("expected a host name")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise ValueError("expected an IP address") from error


def _address_or_nothing(text: str) -> str:
    return _address(text) if text else ""


def _trunk_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise ValueError("expected letters, digits and _ . - (64 at most)")
    if text == RESERVED_TRUNK:
        raise ValueError("expected another name: the built-in trunk is called so")
    return text


_TRUNK_URI: Final = re.compile(
    r"(?P<scheme>sips?):(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:;transport=(?P<transport>udp|tcp|tls))?"
)


def _trunk_uri(text: str) -> str:
    found = _TRUNK_URI.fullmatch(text)
    port = int(found["port"]) if found is not None and found["port"] else 5060
    if found is None or not 1 <= port <= 65535:
        raise ValueError("expected sip:HOST[:PORT][;transport=udp|tcp|tls] or sips:HOST[:PORT] without a user part")
    if found["scheme"] == "sips" and found["transport"] == "udp":
        raise ValueError("expected no transport=udp: sips: goes over TLS")
    if found["v6"]:
        _address(found["v6"])
    return text


def _number_rule(text: str) -> str:
    NumberRule.parse(text)
    return text


def _header_pattern(text: str) -> str:
    HeaderList((text,))
    return text


def _store_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme == "sqlite+aiosqlite":
        if not text.startswith("sqlite+aiosqlite:///") or parts.path in ("", "/", "/:memory:"):
            raise ValueError(
                "expected sqlite+aiosqlite:///PATH with a file (///var/x.db, or ////var/x.db from the root)"
            )
    elif parts.scheme != "postgresql+asyncpg" or not parts.path.strip("/"):
        raise ValueError("expected sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/NAME")
    elif parts.password is not None:
        raise ValueError("expected no password in the address: use store.password_file")
    return text


PARSERS: Final[Mapping[str, Parser]] = {
    "http.listen": _http_listener,
    "http.public_url": _public_url,
    "metrics.listen": address_and_port,
    "store.url": _store_url,
    "calls.browser_codecs": _codec,
    "sip.listen": sip_listener,
    "traces.hep.collector": collector,
    "sip.domain": _host_name,
    "sip.nameservers": name_server,
    "sip.advertise": _address_or_nothing,
    "trunks.name": _trunk_name,
    "trunks.uri": _trunk_uri,
    "trunks.domain": lambda text: _host_name(text) if text else "",
    "trunks.codecs": _codec,
    "trunks.rewrite_called_out": _number_rule,
    "trunks.rewrite_caller_out": _number_rule,
    "trunks.rewrite_called_in": _number_rule,
    "trunks.rewrite_caller_in": _number_rule,
    "trunks.headers_out": _header_pattern,
    "trunks.headers_in": _header_pattern,
    "lab.codecs": _codec,
    "registrar.codecs": _codec,
    "lab.host": _address,
}
"""Keys whose text has a grammar that the settings class does not check itself; for a list, of each element."""


def refused_together(section: str, values: Mapping[str, object]) -> list[tuple[str, str]]:
    """What is wrong only because of another setting of the same section: key (with index) and message."""
    if section != "http" or values.get("behind_proxy", False):
        return []
    listen = values.get("listen", ())
    assert isinstance(listen, tuple)
    exposed = [
        i for i, url in enumerate(listen) if not (found := ListenAddress.parse(url)).is_tls and not found.is_loopback
    ]
    hint = "expected https://: plain http is for loopback, or for a proxy that ends TLS (http.behind_proxy)"
    return [(f"listen[{index}]", hint) for index in exposed]


NOT_EMPTY: Final = frozenset(
    {
        "http.listen",
        "sip.listen",
        "calls.browser_codecs",
        "trunks.codecs",
        "lab.codecs",
        "registrar.codecs",
        "registrar.digest_algorithms",
    }
)
"""Lists that make no sense without an element. None of ours may name an element twice."""

_MAY_BE_ZERO: Final = frozenset(
    {
        "calls.max_setup_delay",
        "calls.stop_grace",
        "sip_security.stranger_rate",
        "sip_security.ban_time",
        "sip.keepalive_interval",
        "media.rtp_timeout",
        "media.tick",
        "media.port_quarantine",
        "traces.keep",
        "verto.reattach_window",
        "verto.refused_login_linger",
        "verto.speed_test_max_bytes",
        "auth.clock_skew",
        "auth.remember_logins",
        "auth.max_wrong_logins",
        "auth.max_wrong_logins_per_address",
        "auth.max_wrong_logins_per_user",
        "auth.max_wrong_keys",
    }
)
_PORTS: Final = frozenset({"lab.port"})


def number_limits(key: str, default: object) -> tuple[bool, float, float]:
    """What a number may be: whether the lowest value itself is allowed, the lowest, the highest.

    Rules of thumb that keep nonsense out (a timeout below zero, a queue of none); a settings class that
    knows better checks that by itself.
    """
    if key in _PORTS:
        return True, 0, 65_535
    highest = 86_400 if key.endswith(("_timeout", "_interval", "_linger", "_window", "_grace")) else 2**40
    return default == 0 or key in _MAY_BE_ZERO, 0, highest
