"""From a URI to an address that one of our listeners can reach."""

import asyncio
import socket
from typing import Any

import pytest

from gateway.sip.core.errors import SipParseError, UnresolvedHost, UnsupportedUri
from gateway.sip.endpoint import Destination
from gateway.sip.transport.flow import Transport
from gateway.sip.transport.locate import locate

IPV4: tuple[tuple[Transport, bool], ...] = (("udp", False), ("tcp", False))


@pytest.mark.parametrize(
    ("uri", "destination"),
    [
        ("sip:192.0.2.7", Destination("udp", "192.0.2.7", 5060)),
        ("sip:x@192.0.2.7:5070;transport=TCP", Destination("tcp", "192.0.2.7", 5070)),
        ("sip:x@example.invalid;maddr=192.0.2.8;transport=udp", Destination("udp", "192.0.2.8", 5060)),
    ],
)
async def test_address_needs_no_name_service(uri: str, destination: Destination) -> None:
    assert await locate(uri, families=IPV4, timeout=1) == destination


async def test_ipv6_address_needs_an_ipv6_listener() -> None:
    assert await locate("sip:[2001:db8::7]", families=[("udp", True)], timeout=1) == Destination(
        "udp", "2001:db8::7", 5060
    )
    with pytest.raises(UnresolvedHost):
        await locate("sip:[2001:db8::7]", families=IPV4, timeout=1)


async def test_name_is_resolved_to_an_address_of_a_family_that_we_have() -> None:
    assert await locate("sip:localhost:5080", families=IPV4, timeout=5) == Destination("udp", "127.0.0.1", 5080)


@pytest.mark.parametrize(
    "uri", ["sips:192.0.2.7", "sip:192.0.2.7;transport=tls", "sip:192.0.2.7;transport=ws", "tel:+1", "http://a/b"]
)
async def test_what_we_do_not_speak_is_refused_clearly(uri: str) -> None:
    with pytest.raises(UnsupportedUri):
        await locate(uri, families=IPV4, timeout=1)


async def test_transport_without_a_listener_is_refused() -> None:
    with pytest.raises(UnsupportedUri, match="no tcp listener"):
        await locate("sip:192.0.2.7;transport=tcp", families=[("udp", False)], timeout=1)


async def test_broken_uri_is_refused() -> None:
    with pytest.raises(SipParseError):
        await locate("sip:a@b@c", families=IPV4, timeout=1)


@pytest.mark.parametrize("outcome", [socket.gaierror("no such name"), UnicodeError("label too long")])
async def test_name_that_does_not_resolve_is_told(outcome: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object, **_options: object) -> Any:  # Any: never returns
        raise outcome

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)

    with pytest.raises(UnresolvedHost, match="cannot resolve"):
        await locate("sip:trunk.example.com", families=IPV4, timeout=1)


async def test_name_service_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_args: object, **_options: object) -> Any:  # Any: never returns
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)

    with pytest.raises(UnresolvedHost, match="no answer"):
        await locate("sip:trunk.example.com", families=IPV4, timeout=0.01)
