"""The network between a client and the gateway, for TCP: a proxy on loopback that a test cuts and mends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

CHUNK: Final = 65_536
"""Bytes read at once."""


class Cable:
    """What goes in at `address` comes out at the target, as long as nobody cuts it."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None and parts.port is not None
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_whole = True
        self.address = ""
        """The same URL as the target's, with the port of this end."""
        self.refused = 0
        """Connections that came while it was cut."""

    def cut(self) -> None:
        """Lose every connection at once, and each new one until `mend`."""
        self._is_whole = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let new connections through again."""
        self._is_whole = True

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"{self._scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_whole:
            self.refused += 1
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer))
                group.create_task(_pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, and end the other side with it."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:  # the other direction may have ended both, and a socket may be gone before it is closed
        writer.transport.abort()


@asynccontextmanager
async def cable(target: str) -> AsyncIterator[Cable]:
    """A cable to that URL (its path is not kept)."""
    laid = Cable(target)
    server = await laid.serve()
    try:
        yield laid
    finally:
        laid.cut()
        server.close()
        await server.wait_closed()
