"""UDP ports for media: taken from a configured range, at rest for a while after use."""

import secrets
import socket
from collections import deque
from collections.abc import Callable, Sequence

from gateway.media.engine import NoFreePort
from gateway.observability import metrics


class PortPool:
    """The ports of `rtp_ports`. Hands out bound sockets and takes them back."""

    def __init__(
        self,
        ports: range,
        *,
        quarantine: float,
        clock: Callable[[], float],
        choose: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """
        Args:
            quarantine: seconds that a port rests after use: late packets of the last call must not meet the next.
            clock: seconds; the running loop's.
            choose: a number from 0 up to below its argument: where a search begins. Random, because a port that
                can be guessed can be sprayed before the call begins.
        """
        self._ports = ports
        self._quarantine = quarantine
        self._clock = clock
        self._choose = choose
        self._taken: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()

    def open_single(self, address: str) -> socket.socket:
        """A non-blocking UDP socket on `address` and a port of the range.

        Raises:
            NoFreePort: all are in use, at rest, or cannot be bound.
        """
        (opened,) = self._open(address, 1)
        return opened

    def open_pair(self, address: str) -> tuple[socket.socket, socket.socket]:
        """Sockets for RTP on an even port and RTCP on the next one (RFC 3550 section 11). Raises NoFreePort."""
        rtp, rtcp = self._open(address, 2)
        return rtp, rtcp

    def reserve(self, address: str) -> int:
        """A free port of the range, for somebody who opens it without this pool; nobody else gets it from here.

        It belongs to no call, so the metric does not count it. Raises NoFreePort.
        """
        opened = self.open_single(address)
        port = int(opened.getsockname()[1])
        opened.close()
        metrics.RTP_PORTS_IN_USE.dec()
        return port

    def close(self, sockets: Sequence[socket.socket]) -> None:
        """Close sockets of this pool; their ports begin to rest."""
        ports = [each.getsockname()[1] for each in sockets]
        for each in sockets:
            each.close()
        self.give_back(ports)

    def give_back(self, ports: Sequence[int]) -> None:
        """Ports whose sockets somebody else has closed, or will in a moment, begin to rest."""
        ready_at = self._clock() + self._quarantine
        for port in ports:
            self._resting.append((ready_at, port))
            metrics.RTP_PORTS_IN_USE.dec()

    def _open(self, address: str, count: int) -> list[socket.socket]:
        self._wake()
        first = self._ports[0] + (self._ports[0] % count)
        starts = range(first, self._ports[-1] - count + 2, count)
        offset = self._choose(len(starts)) if starts else 0
        for at in range(len(starts)):
            start = starts[(at + offset) % len(starts)]
            wanted = range(start, start + count)
            if self._taken.isdisjoint(wanted) and (sockets := _bind(address, wanted)) is not None:
                self._taken.update(wanted)
                metrics.RTP_PORTS_IN_USE.inc(count)
                return sockets
        raise NoFreePort(f"none of the ports {self._ports[0]}-{self._ports[-1]} of {address} is free")

    def _wake(self) -> None:
        now = self._clock()
        while self._resting and self._resting[0][0] <= now:
            self._taken.discard(self._resting.popleft()[1])


def _bind(address: str, ports: Sequence[int]) -> list[socket.socket] | None:
    """Bound non-blocking sockets; None, and nothing left open, when another program has one of the ports."""
    sockets: list[socket.socket] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        for port in ports:
            sockets.append(socket.socket(family, socket.SOCK_DGRAM))
            sockets[-1].setblocking(False)
            sockets[-1].bind((address, port))
    except OSError:
        for each in sockets:
            each.close()
        return None
    return sockets
