"""From where a plain RTP leg takes packets: the defence against injected media (RTP Bleed and its kin).

Packets come from the address that SDP named. A device behind a NAT names one that is not where its packets come
from; the first source that shows it knows the call is then taken instead, once. When a device's NAT gives it
another port in the middle of a call, its stream goes on from there: that is followed, nothing else is.
"""

import ipaddress
from typing import Final

Address = tuple[str, int]
"""IP address and port."""

MAX_GAP: Final = 1500
"""Packets that may be missing between the last one from the old port and the first from the new: 30 s of frames."""

MAX_LATE: Final = 25
"""Packets that may still be on their way from the source that a new description has left: half a second of frames."""

_PRIVATE_BLOCKS: Final = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")
) + tuple(ipaddress.ip_network(block) for block in ("fc00::/7", "fe80::/10", "::1/128"))
"""RFC 1918, 6598, 3927, 1122; RFC 4193, 4291."""


def is_behind_nat(signalled: str, local: str) -> bool:
    """Whether packets from the signalled address would reach us with another address.

    So it is when that address is private and we are not in the same private block. A peer in our own block is
    reached directly, and gets no such leniency. On loopback only this machine reaches us: a phone on it that names
    the machine's public address (baresip 1.0.0 does) still sends from a loopback address.
    """
    if ipaddress.ip_address(local).is_loopback:
        return not ipaddress.ip_address(signalled).is_loopback
    block = _block(signalled)
    return block is not None and block != _block(local)


def _block(text: str) -> object:
    address = ipaddress.ip_address(text)
    return next((block for block in _PRIVATE_BLOCKS if address in block), None)


class SourceLock:
    """The source that one socket of one leg takes packets from, renewed with each description of the far end."""

    __slots__ = ("_any_address", "_former", "_late", "_signalled", "locked")

    def __init__(self, signalled: Address | None, *, any_address: bool) -> None:
        """
        Args:
            signalled: what SDP named, None when it named none that can send (hold by `0.0.0.0`).
            any_address: whether another IP address may be learned, not only another port of the signalled one.
        """
        self._signalled = signalled
        self._any_address = any_address
        self.locked: Address | None = None
        """The source that is taken; None until the first valid packet. Compare with it before anything else."""
        self._former: tuple[Address, Address] | None = None
        """What a description before this one signalled, and the source that was locked then."""
        self._late = 0
        """Packets from there since."""

    def renewed(self, signalled: Address | None, *, any_address: bool) -> "SourceLock":
        """The lock of a new description of the far end: nothing is locked.

        Where that names another address than before, packets of the source that was locked may still be on their way.
        They are taken, but do not lock; more than `MAX_LATE` of them show that the far end has stayed where it was.
        """
        renewed = SourceLock(signalled, any_address=any_address)
        former = self._former
        if self._signalled is not None and self.locked is not None:
            former = self._signalled, self.locked
        if former is not None and former[0] != signalled:
            renewed._former = former
        return renewed

    @property
    def destination(self) -> Address | None:
        """Where to send: to the learned source, else to the signalled address."""
        return self.locked or self._signalled

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether the far end may be at another IP address than the signalled one: it is behind a NAT."""
        return self._any_address

    def may_follow(self, source: Address, *, last: bytes, data: bytes) -> bool:
        """Whether a packet from another port of the locked address may be the stream's new source.

        Only when the same stream goes on: the SSRC is the same, which nobody off the path can guess, and the sequence
        number is a little ahead.

        Args:
            last: the last packet from the locked source.
            data: a valid packet from `source`.
        """
        if self.locked is None or source[0] != self.locked[0] or last[8:12] != data[8:12]:
            return False
        return 0 < (int.from_bytes(data[2:4], "big") - int.from_bytes(last[2:4], "big")) & 0xFFFF <= MAX_GAP

    def follow(self, source: Address, *, last: bytes, data: bytes) -> bool:
        """As `may_follow`; the source is locked then."""
        if not self.may_follow(source, last=last, data=data):
            return False
        self.locked = source
        return True

    def may_lock(self, source: Address) -> bool:
        """Whether a source that is not `locked` may be taken.

        The signalled address is always taken, also when a stranger was quicker: so nobody keeps a direct peer out.
        """
        if self._signalled is None or source == self._signalled:
            return self._signalled is not None
        return self.locked is None and (self._any_address or source[0] == self._signalled[0])

    def try_lock(self, source: Address) -> bool:
        """As `may_lock`; the source is locked then, unless the far end has just left it.

        Call it with a valid packet only.
        """
        if not self.may_lock(source):
            return False
        if not self._is_late(source):
            self.locked = source
        return True

    def _is_late(self, source: Address) -> bool:
        """Whether a packet from there may have been on its way when the far end left that source."""
        if self._former is None or source != self._former[1] or source == self._signalled or self._late >= MAX_LATE:
            return False
        self._late += 1
        return True
