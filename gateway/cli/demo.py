"""What `demo` prints once the gateway is ready."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from gateway.cli.output import print_json, print_line, print_table

if TYPE_CHECKING:
    from gateway.demo import DemoAccess


class Ready(Protocol):
    """What a started gateway says about itself: `gateway.app.ReadyInfo`."""

    @property
    def http(self) -> Sequence[str]:
        """Where WebSocket, REST and console answer, with the real ports: `http://127.0.0.1:8080`."""

    @property
    def sip(self) -> Sequence[str]:
        """`udp:127.0.0.1:5060`, with the real ports."""

    @property
    def metrics(self) -> str:
        """Where metrics and health answer."""

    @property
    def certificate_authority(self) -> str | None:
        """Path of our own authority's certificate, when we have one."""


def show(ready: Ready, access: "DemoAccess", *, as_json: bool) -> None:
    """Print how to get in: URLs, a SIP user, a token, the API key, the magic numbers, a line to paste."""
    facts = _facts(ready, access)
    if as_json:
        print_json(facts | {"magic_numbers": [{"number": n, "description": d} for n, d in _magic_numbers()]})
        return
    print_line("")
    for name, value in (
        ("console", facts["console_url"]),
        ("WebSocket", "  ".join(map(_websocket, ready.http))),
        ("REST", "  ".join(f"{url}/v2" for url in ready.http)),
        ("SIP", "  ".join(ready.sip)),
        ("metrics", f"{ready.metrics}/metrics"),
        ("CA", ready.certificate_authority or "-"),
        ("SIP user", access.user_name),
        ("password", access.password),
        ("number", access.number or "-"),
        ("API key", access.api_key),
        ("token", access.token),
    ):
        print_line(f"{name:>10}  {value}")
    print_line("")
    print_line(f"{'paste':>10}  {facts['sdk']}")
    print_table(("number", "the far end"), list(_magic_numbers()))
    print_line("ready; Ctrl-C stops it")


def _facts(ready: Ready, access: "DemoAccess") -> dict[str, object]:
    plain = _in_browser(ready.http)
    return {
        "console_url": f"{plain}/#{_console_login(access)}",
        "http_urls": list(ready.http),
        "websocket_url": _websocket(plain),
        "sip_listeners": list(ready.sip),
        "metrics_url": ready.metrics,
        "certificate_authority": ready.certificate_authority,
        "sip_user": access.user_name,
        "sip_password": access.password,
        "connection_id": access.connection_id,
        "credential_id": access.credential_id,
        "sip_username": access.sip_username,
        "number": access.number,
        "token": access.token,
        "api_key": access.api_key,
        "sdk": _sdk_options(access, _websocket(plain)),
    }


def _sdk_options(access: "DemoAccess", host: str) -> str:
    """The line to paste. Why `iceServers: []`: the SDK would wait for public STUN servers, which CI cannot reach."""
    options = f'host: "{host}", login: "{access.user_name}", password: "{access.password}", iceServers: []'
    return f"new TelnyxRTC({{ {options} }})"


def _console_login(access: "DemoAccess") -> str:
    """In the fragment, which no browser sends to anybody; the console takes it out of the address at once."""
    return urlencode({"key": access.api_key, "login": access.user_name, "password": access.password})


def _in_browser(urls: Sequence[str]) -> str:
    """Plain http if there is one: on loopback browsers trust it, and there is no certificate to accept."""
    return next((url for url in urls if url.startswith("http://")), urls[0]).rstrip("/")


def _websocket(url: str) -> str:
    return url.replace("http", "ws", 1)


def _magic_numbers() -> tuple[tuple[str, str], ...]:
    from gateway.lab.numbers import MAGIC_NUMBERS

    return tuple((entry.number, entry.description) for entry in MAGIC_NUMBERS if entry.is_available)
