"""A UDP link between two SIP agents that loses what a test says: a relay on loopback that both take for the other.

It puts its own addresses into Contact fields, so that requests within a dialog pass it as well.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

Loses = Callable[[str, str], bool]
"""Whether a message is lost: its sender (`caller` or `callee`), and `INVITE`, `200 BYE` and the like."""

_CONTACT: Final = re.compile(rb"(?im)^(Contact|m)(\s*:[^\r\n]*?sips?:(?:[^@>\r\n]*@)?)[^;>\r\n]+")
_CSEQ: Final = re.compile(rb"(?im)^CSeq\s*:\s*[0-9]+\s+([A-Z]+)")


def loses_nothing(_sender: str, _message: str) -> bool:
    """A good link."""
    return False


class LosesFirst:
    """Loses the first sendings of one message of the caller or callee."""

    def __init__(self, sender: str, message: str, count: int = 1) -> None:
        self._lost, self._left = (sender, message), count

    def __call__(self, sender: str, message: str) -> bool:
        if (sender, message) != self._lost or not self._left:
            return False
        self._left -= 1
        return True


class LosesShare:
    """Loses a share of all messages, but none more than `burst` times in a row; which ones, the seed says.

    So a call comes about in any case: without a bound, one of a hundred would not within 64*T1.
    """

    def __init__(self, share: float, seed: int, *, burst: int = 2) -> None:
        self._burst = burst
        self._share, self._coin = share, random.Random(seed)
        self._in_a_row: Counter[tuple[str, str]] = Counter()
        self.count = 0

    def __call__(self, sender: str, message: str) -> bool:
        is_lost = self._coin.random() < self._share and self._in_a_row[sender, message] < self._burst
        self._in_a_row[sender, message] = self._in_a_row[sender, message] + 1 if is_lost else 0
        self.count += is_lost
        return is_lost


class LossyLink:
    """The relay. The caller calls `address`; what it sends goes to the callee, and back."""

    def __init__(self, callee: tuple[str, int], loses: Loses) -> None:
        self.callee, self.loses = callee, loses
        self.caller: tuple[str, int] | None = None
        self.seen: list[tuple[str, str, bool]] = []
        """Sender, message, and whether it was lost."""
        self._news = asyncio.Event()
        self.near: asyncio.DatagramTransport | None = None
        self.far: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> tuple[str, int]:
        """What the caller takes for the callee."""
        assert self.near is not None
        host, port = self.near.get_extra_info("sockname")
        return host, port

    async def carries(self, sender: str, message: str) -> None:
        """Wait until that message has come through."""
        while (sender, message, False) not in self.seen:
            self._news.clear()
            await self._news.wait()

    def pass_on(self, sender: str, data: bytes, source: tuple[str, int]) -> None:
        """Carry one datagram over, or lose it."""
        if sender == "caller":
            self.caller = source
        message = _label(data)
        is_lost = self.loses(sender, message)
        self.seen.append((sender, message, is_lost))
        self._news.set()
        out, to = (self.far, self.callee) if sender == "caller" else (self.near, self.caller)
        if is_lost or out is None or to is None:
            return
        host, port = out.get_extra_info("sockname")
        here = f"{host}:{port}".encode()
        out.sendto(_CONTACT.sub(lambda found: found.group(1) + found.group(2) + here, data), to)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, link: LossyLink, sender: str) -> None:
        self._link, self._sender = link, sender

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._link.pass_on(self._sender, data, addr)


@asynccontextmanager
async def lossy_link(callee: tuple[str, int], loses: Loses, *, host: str = "127.0.0.1") -> AsyncIterator[LossyLink]:
    """The link, until the block ends. `host` is the relay's own address towards both."""
    loop = asyncio.get_running_loop()
    link = LossyLink(callee, loses)
    link.near, _ = await loop.create_datagram_endpoint(lambda: _Socket(link, "caller"), local_addr=(host, 0))
    link.far, _ = await loop.create_datagram_endpoint(lambda: _Socket(link, "callee"), local_addr=(host, 0))
    try:
        yield link
    finally:
        link.near.close()
        link.far.close()


def _label(data: bytes) -> str:
    first = data.split(b"\r\n", 1)[0].decode("latin-1")
    if not first.startswith("SIP/2.0 "):
        return first.split(" ", 1)[0]
    method = _CSEQ.search(data)
    return f"{first.split(' ', 2)[1]} {'' if method is None else method.group(1).decode()}"
