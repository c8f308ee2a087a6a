"""The 49 messages of RFC 4475 on the wire, over UDP, TCP and TLS; after all of them a call works.

Each answer is that of a fresh user agent, because several messages share branch and sender, and would be repeats of one
another. A second one gets all of them and must then be able to talk.
"""

import asyncio
import os
import ssl
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

from gateway.sip.call import Ended
from gateway.sip.core.capabilities import find_refusal
from gateway.sip.core.message import Request, parse, serialize
from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.transport.flow import Transport
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.unit.sip.core.messages import request
from tests.wire.sip.agents import PATIENCE, Agent, connected, running, settings
from tests.wire.sip.certificates import TestAuthority

FOLDER: Final = Path(__file__).parents[2] / "data" / "rfc4475"
ANSWERS: Final = tomllib.loads((FOLDER / "answers.toml").read_text())
MESSAGES: Final = {name: (FOLDER / f"{name}.dat").read_bytes() for name in ANSWERS}

BUSY: Final = 486
"""What the user agent says to a call that it is offered."""


@dataclass(frozen=True)
class Answer:
    """A final response, read without our parser: a 400 repeats what was broken."""

    status: int
    head: bytes

    @classmethod
    def of(cls, data: bytes) -> "Answer | None":
        """None for a provisional one."""
        assert data.startswith(b"SIP/2.0 "), data
        status = int(data[8:11])
        return None if status < 200 else cls(status, data.partition(b"\r\n\r\n")[0])

    def is_of_probe(self, name: str) -> bool:
        return f"Call-ID: probe-{name}\r\n".encode() in self.head


class Sender(asyncio.DatagramProtocol):
    """A UDP socket at the port that the message's Via names, on a loopback address of its own."""

    def __init__(self) -> None:
        self.finals: asyncio.Queue[Answer] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # no subclass of the documented one

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # Any: as asyncio types it
        if (answer := Answer.of(data)) is not None:
            self.finals.put_nowait(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()

    async def close(self) -> None:
        """Give the port back, which another sender will want."""
        assert self.transport is not None
        self.transport.close()
        await self._lost.wait()

    def send(self, data: bytes, to: Agent) -> None:
        assert self.transport is not None
        listener = to.endpoint.listeners[0]
        self.transport.sendto(data, (listener.host, listener.port))

    async def final(self) -> Answer:
        async with asyncio.timeout(PATIENCE):
            return await self.finals.get()


@asynccontextmanager
async def sender(number: int, message: bytes) -> AsyncIterator[Sender]:
    """The answer goes to the address that the message came from and, without rport, to the port in its Via."""
    port = 5050 if b"192.0.2.59:5050" in message else 5060
    process = os.getpid()
    host = f"127.{64 + process % 128}.{process // 128 % 256}.{number + 1}"
    _, made = await asyncio.get_running_loop().create_datagram_endpoint(Sender, local_addr=(host, port))
    try:
        yield made
    finally:
        await made.close()


def probe(name: str, via: str = "SIP/2.0/UDP 192.0.2.9") -> bytes:
    return serialize(request(call_id=f"probe-{name}", branch=f"z9hG4bKprobe{name}", via=via))


async def takes(agent: Agent) -> None:
    """The user agent is offered a call, and refuses it."""
    call = await agent.gets_call()
    call.call.reject(BUSY, "Busy Here")


async def over_udp(agent: Agent, name: str, number: int) -> None:
    expected = ANSWERS[name]["udp"]
    async with sender(number, MESSAGES[name]) as peer:
        peer.send(MESSAGES[name], agent)
        if expected == "taken":
            await takes(agent)
            expected = BUSY
        elif expected == "dropped":
            peer.send(probe(name), agent)
            assert (await peer.final()).is_of_probe(name), name
            return
        assert (await peer.final()).status == expected, name


async def test_every_message_gets_the_answer_of_the_rfc_over_udp_and_then_a_call_works() -> None:
    config = settings("udp", t1=0.5)
    async with running(config) as survivor, running(config) as caller:
        for number, name in enumerate(ANSWERS):
            async with running(config) as agent:
                await over_udp(agent, name, number)
                assert agent.came.empty(), name
            async with sender(number, MESSAGES[name]) as peer:
                peer.send(MESSAGES[name], survivor)

        await talks(caller, survivor)


async def talks(caller: Agent, survivor: Agent) -> None:
    """A call between them comes through, when those that the messages asked for have been refused."""
    for name in [
        name
        for name, answer in ANSWERS.items()
        if "taken" in str(answer["udp" if survivor.endpoint.listeners[0].transport == "udp" else "tcp"])
    ]:
        (await survivor.gets_call()).call.reject(BUSY, name)
    out, into = await connected(caller, survivor)
    out.call.hangup()
    await into.ear.hears(Ended)


class Connection:
    """A TCP or TLS connection that reads responses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def final(self) -> Answer:
        while True:
            async with asyncio.timeout(PATIENCE):
                head = await self._reader.readuntil(b"\r\n\r\n")  # no answer of these has a body
            if (answer := Answer.of(head)) is not None:
                return answer

    async def is_closed(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read() == b""


@asynccontextmanager
async def connection(to: Agent, tls: ssl.SSLContext | None) -> AsyncIterator[Connection]:
    listener = to.endpoint.listeners[0]
    reader, writer = await asyncio.open_connection(listener.host, listener.port, ssl=tls)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def over_stream(agent: Agent, name: str, transport: Transport, tls: ssl.SSLContext | None) -> None:
    words = str(ANSWERS[name]["tcp"]).split()
    async with connection(agent, tls) as peer:
        peer.writer.write(MESSAGES[name])
        for word in words:
            if word == "taken":
                await takes(agent)
                assert (await peer.final()).status == BUSY, name
            elif word.isdigit():
                assert (await peer.final()).status == int(word), name
        if words[-1] in ("cut", "closed"):
            assert await peer.is_closed(), name
        else:
            peer.writer.write(probe(name, via=f"SIP/2.0/{transport.upper()} 192.0.2.9"))
            assert (await peer.final()).is_of_probe(name), name


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_every_message_gets_the_answer_of_the_rfc_over_a_stream_and_then_a_call_works(
    transport: Transport, tmp_path: Path
) -> None:
    authority = TestAuthority.made(tmp_path)
    contexts = TlsContexts(
        SipTlsSettings(certificate=authority.signs("agent", addresses=["127.0.0.1"]), ca=authority.file)
    )
    client = ssl.create_default_context(cafile=authority.file) if transport == "tls" else None
    config = replace(settings(transport, t1=0.5), message_timeout=PATIENCE)
    hasty = replace(config, message_timeout=0.8)
    async with running(config, tls=lambda: contexts) as survivor, running(config, tls=lambda: contexts) as caller:
        for name, answer in ANSWERS.items():
            one = hasty if "cut" in str(answer["tcp"]) else config
            async with running(one, tls=lambda: contexts) as agent:
                await over_stream(agent, name, transport, client)
                assert agent.came.empty(), name
            async with connection(survivor, client) as peer:
                peer.writer.write(MESSAGES[name])
                await peer.writer.drain()

        await talks(caller, survivor)


def test_all_messages_of_the_rfc_are_here() -> None:
    assert len(ANSWERS) == 49
    assert {path.stem for path in FOLDER.glob("*.dat")} == set(ANSWERS)


def test_unsupported_of_a_420_names_what_require_asked_for() -> None:
    asked = parse(MESSAGES["bext01"])
    assert isinstance(asked, Request)

    refusal = find_refusal(asked)

    assert refusal is not None
    assert refusal.headers == (("Unsupported", "nothingSupportsThis, nothingSupportsThisEither"),)
