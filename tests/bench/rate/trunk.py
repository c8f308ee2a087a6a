"""A SIP trunk that costs next to nothing: it answers what comes, and remembers nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

from tests.bench.media.network import ADDRESS

_ECHOED: Final = ("via", "v", "from", "f", "call-id", "i", "cseq", "record-route")
_ANSWERED: Final = ("INVITE", "BYE", "OPTIONS", "CANCEL")


class QuickTrunk(asyncio.DatagramProtocol):
    """Answers each INVITE with a 200 at once. A request that comes again is answered again."""

    def __init__(self, describe: Callable[[str], str]) -> None:
        """
        Args:
            describe: makes the answer to an offer.
        """
        self.describe = describe

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class does not say so (3.11)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, _, body = data.decode().partition("\r\n\r\n")
        request, *headers = head.split("\r\n")
        method = request.partition(" ")[0]
        if method in _ANSWERED:
            description = self.describe(body) if method == "INVITE" else ""
            self._transport.sendto(answer(headers, self.address, description), addr)

    @property
    def address(self) -> str:
        """Host and port."""
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["QuickTrunk"]:
        """Open it; close it at the end."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(ADDRESS, 0))
        try:
            yield self
        finally:
            transport.close()


def answer(headers: list[str], address: str, description: str) -> bytes:
    """A 200 from there to a request with these header fields."""
    lines = ["SIP/2.0 200 OK", *(line for line in headers if line.partition(":")[0].strip().lower() in _ECHOED)]
    for line in headers:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("to", "t"):
            lines.append(f"To:{value}" if ";tag=" in value else f"To:{value};tag=bench")
    lines.append(f"Contact: <sip:bench@{address}>")
    if description:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(description)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + description).encode()
