"""DTLS on one socket of an RTP leg, where no ICE has proved who is there (RFC 5763, RFC 5764).

Whoever can reach the socket can say hello. A hello is heard only from where the description says, as plain RTP would be
(`source_lock`); behind a NAT that may be several sources, and each gets an association of its own. The first that ends
with the certificate of the signalling's fingerprint is the far end, so that a stranger costs the call nothing.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.media.core.sdp import Fingerprint
from gateway.media.core.source_lock import Address, SourceLock
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState
from gateway.media.engines.early_flights import EarlyFlights

MAX_CANDIDATES: Final = 4
"""Sources that may be in a handshake at once; further ones are not heard."""

_LIVE: Final = (DtlsState.HANDSHAKING, DtlsState.CONNECTED)


class HandshakeChannel:
    """The far end's association, once one of the candidates turns out to be it."""

    def __init__(self, certificate: Certificate, send: Callable[[bytes, Address], None]) -> None:
        self._certificate, self._send = certificate, send
        self._early = EarlyFlights()
        self._candidates: dict[Address, DtlsAssociation] = {}
        self._lock = SourceLock(None, any_address=False)
        self._fingerprints: frozenset[Fingerprint] = frozenset()
        self._deadline: float | None = None
        self.is_client = False
        self.is_begun = False
        self.failure: str | None = None
        """Why there will be no keys, or no more: `dtls_failed dtls_closed`, as in `MediaFailed`."""
        self.source: Address | None = None
        """Where the far end is, once its handshake is through."""

    @property
    def association(self) -> DtlsAssociation | None:
        """The far end's, once its handshake is through."""
        return None if self.source is None else self._candidates.get(self.source)

    def is_same_peer(self, fingerprints: Sequence[Fingerprint]) -> bool:
        """Whether a description with these names the far end that we already have, or wait for."""
        return self.is_begun and self.failure is None and self._fingerprints == frozenset(fingerprints)

    def begin(
        self, *, is_client: bool, fingerprints: Sequence[Fingerprint], lock: SourceLock, now: float, timeout: float
    ) -> None:
        """Begin anew with the far end of a description, at the sources that its lock lets through."""
        self.close()
        self.is_begun, self.failure, self.source = True, None, None
        self.is_client, self._fingerprints, self._lock = is_client, frozenset(fingerprints), lock
        self._deadline = now + timeout
        if is_client:
            self._call(now)
        for source, datagrams in self._early.drain():
            for datagram in datagrams:
                self.receive(datagram, source, now)

    def move(self, lock: SourceLock, now: float) -> None:
        """A new description of the same far end: from now on it is there."""
        self._lock = lock
        if self.source is None and self.is_client:
            self._call(now)
        elif self.source is not None and lock.destination is not None and not lock.may_be_elsewhere:
            self._candidates = {lock.destination: self._candidates[self.source]}
            self.source = lock.destination

    def receive(self, datagram: bytes, source: Address, now: float) -> bool:
        """Take a datagram of a handshake; False when nobody there is heard."""
        if not self.is_begun:
            return self._early.keep(0, source, datagram)
        association = self._candidates.get(source)
        if association is None and self.source is None and not self.is_client and self._lock.may_lock(source):
            association = self._candidate(source, now)
        if association is None:
            return False
        association.receive(datagram, now)
        self._follow(source, association)
        return True

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        if self.source is not None or self._deadline is None:
            return None
        flights = (association.next_deadline() for association in self._candidates.values())
        return min([self._deadline, *(flight for flight in flights if flight is not None)])

    def handle_timeout(self, now: float) -> None:
        """Send again what was not answered, or give up."""
        if self.source is None and self._deadline is not None and now >= self._deadline:
            self._fail("dtls_failed")
        for source, association in tuple(self._candidates.items()):
            association.handle_timeout(now)
            self._follow(source, association)

    def abandon(self) -> None:
        """There is no handshake in the session any more."""
        self.close()
        self._early.clear()
        self.is_begun, self.failure, self.source = False, None, None

    def close(self) -> None:
        """Say goodbye; nothing is expected any more."""
        for association in self._candidates.values():
            association.close()
        self._candidates.clear()
        self._deadline = None

    def _call(self, now: float) -> None:
        destination = self._lock.destination
        if destination is not None and destination not in self._candidates:
            self._candidates.clear()
            self._candidate(destination, now)

    def _candidate(self, source: Address, now: float) -> DtlsAssociation | None:
        if len(self._candidates) >= MAX_CANDIDATES:
            return None
        association = self._candidates[source] = DtlsAssociation(
            self._certificate,
            is_client=self.is_client,
            fingerprints=tuple(self._fingerprints),
            send=lambda flight: self._send(flight, self._address_of(association)),
        )
        association.start(now)
        return association

    def _address_of(self, association: DtlsAssociation) -> Address:
        return next(address for address, each in self._candidates.items() if each is association)

    def _follow(self, source: Address, association: DtlsAssociation) -> None:
        """See what has become of a candidate."""
        if association.state is DtlsState.CONNECTED and self.source is None:
            self.source = source
            self._deadline = None
            self._candidates = {source: association}
        elif association.state in _LIVE or source not in self._candidates:
            return
        elif source == self.source:
            self._fail("dtls_closed")
        elif self.is_client:
            self._fail("dtls_failed")
        else:
            del self._candidates[source]  # not the far end, or one that may begin again

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.close()
