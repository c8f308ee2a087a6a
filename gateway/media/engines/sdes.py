"""The keys of a leg that come with its descriptions (RFC 4568), and the SRTP that they make."""

import secrets
from collections.abc import Callable

import pylibsrtp

from gateway.media.core.crypto_line import OFFERED, CryptoLine, Suite
from gateway.media.engines.srtp import SrtpError, SrtpKey, receiver, sender


class SdesKeys:
    """See `Protection`; usable once `use` was called.

    Our key of a suite is one and the same as long as the leg lives, and so is what was counted under it: whatever is
    negotiated, a key stream is never used twice (RFC 3711 section 9.1). Theirs may change with each description.
    """

    def __init__(self) -> None:
        self._ours: dict[Suite, bytes] = {}
        self._senders: dict[Suite, pylibsrtp.Session] = {}
        self._in_force: CryptoLine | None = None
        """Our line of the last exchange."""
        self._outbound: pylibsrtp.Session
        self._inbound: pylibsrtp.Session
        self._key: SrtpKey | None = None
        """Theirs."""
        self._former: pylibsrtp.Session | None = None

    @property
    def keys(self) -> tuple[SrtpKey, SrtpKey] | None:
        """Ours, and theirs, of the last exchange."""
        if self._in_force is None or self._key is None:
            return None
        return SrtpKey(self._in_force.suite, self._in_force.key), self._key

    def offer(self) -> tuple[CryptoLine, ...]:
        """The lines of an offer: every suite of ours; once one is agreed on, that one under its tag."""
        if self._in_force is not None:
            return (self._in_force,)
        return tuple(self.line(tag, suite) for tag, suite in enumerate(OFFERED, start=1))

    def line(self, tag: int, suite: Suite) -> CryptoLine:
        """Our line with that tag and suite, as an answer has it."""
        if suite not in self._ours:
            self._ours[suite] = secrets.token_bytes(suite.length)
        return CryptoLine(tag, suite, self._ours[suite])

    def use(self, ours: CryptoLine, theirs: CryptoLine) -> None:
        """Both lines of an exchange come into force.

        Until a packet comes under a new key of theirs, those under the former one are still taken: they may have left
        before our description arrived (RFC 4568 section 7.1.4).
        """
        suite = ours.suite
        if suite not in self._senders:
            self._senders[suite] = sender(SrtpKey(suite, ours.key))
        self._outbound, self._in_force = self._senders[suite], ours
        key = SrtpKey(theirs.suite, theirs.key)
        if key != self._key:
            self._former = None if self._key is None else self._inbound
            self._inbound, self._key = receiver(key), key

    def protect(self, packet: bytes) -> bytes:
        """See `Protection`."""
        return bytes(self._outbound.protect(packet))

    def protect_rtcp(self, packet: bytes) -> bytes:
        """See `Protection`."""
        return bytes(self._outbound.protect_rtcp(packet))

    def unprotect(self, packet: bytes) -> bytes:
        """See `Protection`."""
        return self._unprotect(packet, pylibsrtp.Session.unprotect)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """See `Protection`."""
        return self._unprotect(packet, pylibsrtp.Session.unprotect_rtcp)

    def _unprotect(self, packet: bytes, unprotect: Callable[[pylibsrtp.Session, bytes], bytes]) -> bytes:
        former = self._former
        try:
            plain = bytes(unprotect(self._inbound, packet))
        except SrtpError:
            if former is None:
                raise
            return bytes(unprotect(former, packet))
        self._former = None
        return plain
