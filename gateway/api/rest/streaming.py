"""Answers that are written while they are read: whatever their length, they cost the memory of a piece."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from aiohttp import web

from gateway.domain.errors import GatewayError
from gateway.observability.logging import get_logger

MAX_PAUSE: Final = 60.0
"""Seconds that a reader may take for a piece."""

_log = get_logger()


async def stream(
    request: web.Request,
    pieces: AsyncGenerator[bytes, None],
    *,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send all pieces. An answer that breaks off has no last chunk, so that no reader takes it for whole.

    Raises:
        GatewayError: from the first piece, whatever `pieces` raises; then nothing has been sent.
    """
    response = web.StreamResponse(headers=headers)
    response.content_type, response.charset = content_type, "utf-8"
    async with contextlib.aclosing(pieces):
        first = b""
        with contextlib.suppress(StopAsyncIteration):
            first = await anext(pieces)
        try:
            await response.prepare(request)
            await _send(response, first)
            async for piece in pieces:
                await _send(response, piece)
            await response.write_eof()
        except (GatewayError, TimeoutError, ConnectionError) as error:
            _log.warning("answer_broken_off", path=request.path, error=type(error).__name__, detail=str(error))
            if request.transport is not None:
                request.transport.abort()
    return response


async def _send(response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(MAX_PAUSE):
        await response.write(piece)
