"""Bounds the memory of messages that are still coming in: a frame may be megabytes, and the sockets many."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

SLACK: Final = 512 * 1024
"""Bytes that a socket may hold beyond one message of its largest size: small ones that came in one read."""

Reason = Literal["too_large", "memory"]


class Receiving:
    """What all sockets together hold of messages that nobody has read yet."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._meters: set[Meter] = set()
        self.held = 0

    @contextmanager
    def metered(
        self, transport: asyncio.Transport, *, limit: Callable[[], int], on_excess: Callable[[Reason], None]
    ) -> Iterator["Meter"]:
        """Count what a socket holds while the block lasts.

        Args:
            limit: the largest message that the socket may send now, in bytes.
            on_excess: closes the socket, which sent more (`too_large`), or the most when it was too much in all.
        """
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        meter = Meter(inner, self, limit, on_excess)
        self._meters.add(meter)
        transport.set_protocol(meter)
        try:
            yield meter
        finally:
            if not transport.is_closing():  # a TLS transport that is closed has nothing to set it in
                transport.set_protocol(inner)
            self._meters.discard(meter)
            meter.message_taken()

    def count(self, size: int) -> None:
        """So many bytes more; as long as that is too many, the socket that holds the most is cut off."""
        self.held += size
        while self.held > self._max_bytes:
            max(self._meters, key=lambda meter: meter.held).cut_off("memory")


class Meter(asyncio.Protocol):
    """Stands between a transport and its protocol, and counts."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        receiving: Receiving,
        limit: Callable[[], int],
        on_excess: Callable[[Reason], None],
    ) -> None:
        self.held = 0
        self._inner, self._receiving, self._limit, self._on_excess = inner, receiving, limit, on_excess
        self._is_cut_off = False

    def message_taken(self) -> None:
        """The socket's reader has got a message: the buffers are empty again, but for what came with it."""
        held, self.held = self.held, 0
        self._receiving.count(-held)

    def cut_off(self, reason: Reason) -> None:
        """Let nothing more in; what is held goes with the socket."""
        self.message_taken()
        if not self._is_cut_off:
            self._is_cut_off = True
            self._on_excess(reason)

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless the socket is past its limit."""
        if self._is_cut_off:
            return
        self.held += len(data)
        if self.held > self._limit() + SLACK:
            # It was not counted yet, so that it cannot push anybody else out.
            self.held -= len(data)
            self.cut_off("too_large")
            return
        self._receiving.count(len(data))
        if not self._is_cut_off:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """As the protocol wants it."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """For the protocol."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """For the protocol."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """For the protocol."""
        self._inner.resume_writing()
