"""From a URI to the addresses that our listeners can reach, with a real name server on loopback (RFC 3263)."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import dns.rcode
import pytest

from gateway.sip.core.errors import SipParseError, UnresolvedHost, UnsupportedUri
from gateway.sip.endpoint import Destination
from gateway.sip.transport.flow import Transport
from gateway.sip.transport.locate import Locator
from gateway.sip.transport.names import Names
from tests.wire.sip.name_server import NameServer, name_server

Families = Sequence[tuple[Transport, bool]]

IPV4: Families = (("udp", False), ("tcp", False))
SECURE: Families = (*IPV4, ("tls", False))
BOTH: Families = (*IPV4, ("udp", True))

A = {
    ("a.example", "A"): ["192.0.2.1"],
    ("b.example", "A"): ["192.0.2.2"],
    ("c.example", "A"): ["192.0.2.3"],
    ("many.example", "A"): ["192.0.2.5", "192.0.2.6"],
}


async def locate(
    uri: str, server: NameServer | None = None, *, families: Families = IPV4, timeout: float = 5, random: float = 0.0
) -> list[str]:
    names = Names([] if server is None else [server.address], timeout=timeout / 2)
    found = await Locator(names, random=lambda: random, timeout=timeout).locate(uri, families=families)
    return [str(destination) for destination in found]


# Without a name service


@pytest.mark.parametrize(
    ("uri", "destination"),
    [
        ("sip:192.0.2.7", "udp:192.0.2.7:5060"),
        ("sip:x@192.0.2.7:5070;transport=TCP", "tcp:192.0.2.7:5070"),
        ("sip:x@example.invalid;maddr=192.0.2.8;transport=udp", "udp:192.0.2.8:5060"),
        ("sips:192.0.2.7", "tls:192.0.2.7:5061"),
        ("sips:192.0.2.7:5070;transport=tcp", "tls:192.0.2.7:5070"),
        ("sip:192.0.2.7;transport=tls", "tls:192.0.2.7:5061"),
    ],
)
async def test_address_needs_no_name_service(uri: str, destination: str) -> None:
    async with name_server({}) as server:
        assert await locate(uri, server, families=SECURE) == [destination]
        assert not server.asked


async def test_ipv6_address_needs_an_ipv6_listener() -> None:
    assert await locate("sip:[2001:db8::7]", families=[("udp", True)]) == ["udp:[2001:db8::7]:5060"]
    with pytest.raises(UnresolvedHost):
        await locate("sip:[2001:db8::7]")


async def test_name_is_resolved_to_an_address_of_a_family_that_we_have() -> None:
    assert await locate("sip:localhost:5080") == ["udp:127.0.0.1:5080"]
    assert await locate("sip:localhost") == ["udp:127.0.0.1:5060"]


@pytest.mark.parametrize(
    "uri",
    [
        *("sips:192.0.2.7", "sips:192.0.2.7;transport=tcp", "sip:192.0.2.7;transport=tls"),
        *("sips:192.0.2.7;transport=udp", "sip:192.0.2.7;transport=ws", "tel:+1", "http://a/b"),
    ],
)
async def test_what_we_do_not_speak_is_refused_clearly(uri: str) -> None:
    with pytest.raises(UnsupportedUri):
        await locate(uri)


async def test_transport_without_a_listener_is_refused() -> None:
    with pytest.raises(UnsupportedUri, match="no tcp listener"):
        await locate("sip:192.0.2.7;transport=tcp", families=[("udp", False)])


async def test_broken_uri_is_refused() -> None:
    with pytest.raises(SipParseError):
        await locate("sip:a@b@c")


@pytest.mark.parametrize("outcome", [socket.gaierror(socket.EAI_AGAIN, "later"), UnicodeError("label too long")])
async def test_name_that_does_not_resolve_is_told(outcome: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object, **_options: object) -> Any:  # Any: never returns
        raise outcome

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)

    with pytest.raises(UnresolvedHost, match="cannot resolve"):
        await locate("sip:trunk.example.com:5060")


async def test_system_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_args: object, **_options: object) -> Any:  # Any: never returns
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)

    with pytest.raises(UnresolvedHost, match="no answer"):
        await locate("sip:trunk.example.com:5060", timeout=0.01)


async def test_address_of_the_system_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answer(host: str, *_args: object, **_options: object) -> Any:  # Any: as getaddrinfo has it
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    locator = Locator(Names([], timeout=1), random=lambda: 0.0, timeout=1)
    for _ in range(3):
        await locator.locate("sip:trunk.example:5060", families=IPV4)

    assert asked == ["trunk.example"]


# Names


async def test_naptr_says_transport_and_service() -> None:
    zone = A | {
        ("trunk.example", "NAPTR"): [
            '20 10 "s" "SIP+D2U" "" _sip._udp.trunk.example.',
            '10 20 "s" "SIP+D2T" "" _sip._tcp.other.example.',
            '10 10 "s" "SIPS+D2T" "" _sips._tcp.trunk.example.',
            '5 10 "s" "E2U+email" "" _mail.trunk.example.',
        ],
        ("_sips._tcp.trunk.example", "SRV"): ["0 0 5071 a.example."],
        ("_sip._tcp.other.example", "SRV"): ["0 0 5072 b.example."],
        ("_sip._udp.trunk.example", "SRV"): ["0 0 5073 c.example."],
    }
    tcp_then_udp = ["tcp:192.0.2.2:5072", "udp:192.0.2.3:5073"]
    async with name_server(zone) as server:
        assert await locate("sip:trunk.example", server, families=SECURE) == ["tls:192.0.2.1:5071", *tcp_then_udp]
        assert await locate("sip:trunk.example", server) == tcp_then_udp
        assert await locate("sips:trunk.example", server, families=SECURE) == ["tls:192.0.2.1:5071"]


async def test_without_naptr_each_transport_that_we_have_is_asked_for_its_service() -> None:
    zone = A | {
        ("_sip._tcp.trunk.example", "SRV"): ["0 0 5072 b.example."],
        ("_sip._udp.trunk.example", "SRV"): ["0 0 5073 a.example."],
        ("_sips._tcp.trunk.example", "SRV"): ["0 0 5071 a.example."],
    }
    async with name_server(zone) as server:
        assert await locate("sip:trunk.example", server) == ["udp:192.0.2.1:5073", "tcp:192.0.2.2:5072"]
        assert await locate("sip:trunk.example;transport=tcp", server) == ["tcp:192.0.2.2:5072"]
        assert await locate("sips:trunk.example", server, families=SECURE) == ["tls:192.0.2.1:5071"]


async def test_servers_are_tried_by_priority_and_then_by_weight() -> None:
    zone = A | {
        ("_sip._udp.trunk.example", "SRV"): [
            *("20 0 5060 c.example.", "10 30 5061 a.example.", "10 70 5062 b.example."),
        ]
    }
    last = "udp:192.0.2.3:5060"
    first, second = "udp:192.0.2.1:5061", "udp:192.0.2.2:5062"
    async with name_server(zone) as server:
        assert await locate("sip:trunk.example", server, random=0.29) == [first, second, last]
        assert await locate("sip:trunk.example", server, random=0.31) == [second, first, last]


async def test_explicit_port_asks_for_no_service() -> None:
    zone = A | {("_sip._udp.a.example", "SRV"): ["0 0 5099 b.example."]}
    async with name_server(zone) as server:
        assert await locate("sip:a.example:5060", server) == ["udp:192.0.2.1:5060"]
        assert set(server.asked) == {("a.example", "A")}


async def test_host_without_services_is_taken_at_its_address() -> None:
    async with name_server(A) as server:
        assert await locate("sip:a.example", server) == ["udp:192.0.2.1:5060"]
        assert await locate("sips:a.example", server, families=SECURE) == ["tls:192.0.2.1:5061"]
        assert await locate("sip:a.example;transport=tcp", server) == ["tcp:192.0.2.1:5060"]


async def test_service_that_is_declared_absent_is_not_looked_for_elsewhere() -> None:
    async with name_server(A | {("_sip._tcp.a.example", "SRV"): ["0 0 0 ."]}) as server:
        with pytest.raises(UnresolvedHost, match="no such service"):
            await locate("sip:a.example;transport=tcp", server)


async def test_both_families_are_tried_server_by_server() -> None:
    zone = A | {
        ("a.example", "AAAA"): ["2001:db8::1"],
        ("_sip._udp.trunk.example", "SRV"): ["1 0 5060 a.example.", "2 0 5060 b.example."],
    }
    async with name_server(zone) as server:
        found = await locate("sip:trunk.example", server, families=BOTH)

    assert found == ["udp:[2001:db8::1]:5060", "udp:192.0.2.1:5060", "udp:192.0.2.2:5060"]


async def test_all_addresses_of_a_host_are_tried() -> None:
    async with name_server(A) as server:
        found = await locate("sip:many.example", server)

    assert sorted(found) == ["udp:192.0.2.5:5060", "udp:192.0.2.6:5060"]


async def test_certificate_must_name_the_uri_and_not_what_the_name_service_made_of_it() -> None:
    zone = A | {("_sips._tcp.trunk.example", "SRV"): ["0 0 5071 a.example."]}
    async with name_server(zone) as server:
        locator = Locator(Names([server.address], timeout=1), random=lambda: 0.0, timeout=2)

        assert await locator.locate("sips:trunk.example", families=SECURE) == (
            Destination("tls", "192.0.2.1", 5071, domain="trunk.example"),
        )


async def test_large_requests_may_leave_udp_unless_the_uri_wants_it() -> None:
    locator = Locator(Names([], timeout=1), random=lambda: 0.0, timeout=1)

    assert (await locator.locate("sip:192.0.2.1", families=IPV4))[0].may_switch
    assert not (await locator.locate("sip:192.0.2.1;transport=udp", families=IPV4))[0].may_switch


async def test_answers_are_asked_for_once_within_their_time_to_live() -> None:
    async with name_server(A | {("_sip._udp.trunk.example", "SRV"): ["0 0 5060 a.example."]}) as server:
        locator = Locator(Names([server.address], timeout=1), random=lambda: 0.0, timeout=2)
        for _ in range(3):
            await locator.locate("sip:trunk.example", families=IPV4)

        assert set(server.asked.values()) == {1}


async def test_answers_without_a_time_to_live_are_asked_for_each_time() -> None:
    async with name_server(A, ttl=0) as server:
        locator = Locator(Names([server.address], timeout=1), random=lambda: 0.0, timeout=2)
        for _ in range(3):
            await locator.locate("sip:a.example:5060", families=IPV4)

        assert server.asked[("a.example", "A")] == 3


async def test_second_name_server_is_asked_when_the_first_is_silent() -> None:
    async with name_server(A) as deaf, name_server(A) as server:
        deaf.is_silent = True
        names = Names([deaf.address, server.address], timeout=0.6)
        found = await Locator(names, random=lambda: 0.0, timeout=5).locate("sip:a.example:5060", families=IPV4)

    assert [str(one) for one in found] == ["udp:192.0.2.1:5060"]
    assert deaf.asked


@pytest.mark.parametrize("is_silent", [True, False])
async def test_name_server_that_cannot_tell_ends_the_search_with_its_reason(is_silent: bool) -> None:
    async with name_server(A) as server:
        server.is_silent, server.rcode = is_silent, dns.rcode.SERVFAIL

        with pytest.raises(UnresolvedHost, match=r"no answer|NoNameservers"):
            await locate("sip:a.example", server, timeout=0.3)


async def test_name_that_nobody_has_is_unresolved() -> None:
    async with name_server(A) as server:
        with pytest.raises(UnresolvedHost, match="no address of"):
            await locate("sip:nobody.example", server)


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a" * 250 + ".ex"])
async def test_name_that_no_name_server_takes_is_unresolved(host: str) -> None:
    async with name_server(A) as server:
        with pytest.raises(UnresolvedHost):
            await locate(f"sip:{host}", server)
