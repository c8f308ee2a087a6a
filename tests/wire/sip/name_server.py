"""A small name server on loopback: real packets, a zone that a test writes down."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.wire.sip.wire import HOST

Zone = Mapping[tuple[str, str], list[str]]
"""By name and type, the records as a zone file has them."""


class NameServer(asyncio.DatagramProtocol):
    """Answers from its zone, counts the questions. `is_silent` makes it deaf."""

    def __init__(self, zone: Zone, *, ttl: int = 300) -> None:
        self.zone, self.ttl = dict(zone), ttl
        self.asked: Counter[tuple[str, str]] = Counter()
        self.is_silent = False
        self.rcode = dns.rcode.NOERROR
        self.address = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = (HOST, transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # Any: as asyncio types it
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
        self.asked[key] += 1
        if self.is_silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if records := self.zone.get(key):
            answer.answer.append(dns.rrset.from_text_list(question.name, self.ttl, "IN", key[1], records))
        elif not any(name == key[0] for name, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if self.rcode != dns.rcode.NOERROR:
            answer.set_rcode(self.rcode)
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server(zone: Zone, *, ttl: int = 300) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(zone, ttl=ttl), local_addr=(HOST, 0))
    try:
        yield server
    finally:
        transport.close()
