"""ICE of one browser leg, on aioice (RFC 8445, 8838, 7675).

aioice does the checks. The sockets are ours: they stay open over an ICE restart, take their ports from the
configured range, and carry DTLS and SRTP past aioice's queues. One `IceGeneration` is one pair of ufrags; a restart
makes another one on the same sockets.

aioice has no public way to bring sockets of one's own, so `_local_candidates`, `_local_candidates_end`,
`_protocols` and `_nominated` are used here, and only here. Its version is pinned for that reason.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Final

import aioice
import aioice.ice
from aioice import stun
from aioice.candidate import candidate_priority

from gateway.media.core.sdp import Candidate, IceCredentials
from gateway.media.core.source_lock import Address
from gateway.media.engines.udp import UdpSocket

MAX_REMOTE_CANDIDATES: Final = 64
"""Of one generation, trickled ones included; what comes later is left out."""

_RANDOM: Final = SystemRandom()


@dataclass(frozen=True, slots=True)
class IceSocket:
    """One of our sockets, and the address under which the far end reaches it."""

    udp: UdpSocket
    address: str


@dataclass(frozen=True, slots=True)
class Path:
    """Where packets go: out of which socket of ours, to which address of theirs."""

    udp: UdpSocket
    remote: Address

    @property
    def port(self) -> int:
        """Ours."""
        return self.udp.port


class _StunTransport(asyncio.DatagramTransport):
    """What aioice sees of a socket: it may send, and its closing ends aioice's use of it, not the socket."""

    def __init__(self, udp: UdpSocket, protocol: aioice.ice.StunProtocol) -> None:
        super().__init__()
        self._udp = udp
        self._protocol = protocol

    def sendto(self, data: Any, addr: Any = None) -> None:  # the signature of asyncio's class
        self._udp.send(data, addr)

    def close(self) -> None:
        self._protocol.connection_lost(None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # the signature of asyncio's class
        return default


class _StunProtocol(aioice.ice.StunProtocol):
    """aioice's STUN transactions over one of our sockets."""

    def __init__(self, receiver: aioice.Connection, udp: UdpSocket, local_candidate: aioice.Candidate) -> None:
        super().__init__(receiver)
        self.udp = udp
        self.local_candidate = local_candidate
        self._unanswered: dict[Address, stun.Message] = {}
        self._repeated: set[bytes] = set()
        self.connection_made(_StunTransport(udp, self))

    def receive(self, message: stun.Message, source: Address) -> None:
        if message.message_class == stun.Class.REQUEST:
            self.receiver.request_received(message, source, self)
        elif (transaction := self.transactions.get(message.transaction_id)) is not None:
            transaction.response_received(message, source)

    async def request(
        self,
        request: stun.Message,
        addr: Address,
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, Address]:
        """aioice's, which remembers the checks that wait for an answer. One without retransmissions asks consent."""
        if retransmissions is None:
            self._unanswered[addr] = request
        try:
            return await super().request(request, addr, integrity_key, retransmissions)
        finally:
            if self._unanswered.get(addr) is request:
                del self._unanswered[addr]

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        """aioice's. A good answer goes only to whoever has signed the check."""
        if message.message_class == stun.Class.RESPONSE and isinstance(self.receiver, IceGeneration):
            self.receiver.note_asker(self.udp.port, addr)
        super().send_stun(message, addr)

    def repeat(self, addr: Address) -> None:
        """Send the check that waits for an answer from there once more, now."""
        request = self._unanswered.get(addr)
        if request is not None:
            self._repeated.add(request.transaction_id)
            self.send_stun(request, addr)

    def is_answer_expected(self, transaction_id: bytes) -> bool:
        """Whether a response with that id is for a check of ours; one that was repeated may get two."""
        return transaction_id in self.transactions or transaction_id in self._repeated


class IceGeneration(aioice.Connection):
    """The checks between one pair of credentials, and the path that they found."""

    def __init__(
        self,
        sockets: Sequence[IceSocket],
        *,
        is_controlling: bool,
        consent_interval: float,
        consent_timeout: float,
        on_path: Callable[["IceGeneration"], None],
    ) -> None:
        """
        Args:
            consent_interval, consent_timeout: as in `MediaSettings`.
            on_path: told when `path` was found or has changed.
        """
        super().__init__(ice_controlling=is_controlling)
        # Makes aioice nominate the way that RFC 8445 section 8.1.1 wants: a check first, then one with USE-CANDIDATE
        # on the best pair. Without it every check nominates, which that RFC took out.
        self.remote_is_lite = True
        self.path: Path | None = None
        self.sources: frozenset[tuple[int, Address]] = frozenset()
        """Local port and remote address of each pair that passed a check of ours: who may send us anything."""
        self.askers: frozenset[tuple[int, Address]] = frozenset()
        """The same of signed checks that we took, before ours is answered: who may send us SRTP, which is signed too.
        Chromium does at once after an ICE restart. At most `MAX_REMOTE_CANDIDATES`."""
        self.has_consent = True
        self.is_running = False
        self._consent_interval = consent_interval
        self._consent_timeout = consent_timeout
        self._on_path = on_path
        self._closed_event = asyncio.Event()
        self._stun = {socket.udp.port: self._attach(socket, at) for at, socket in enumerate(sockets)}
        self._protocols.extend(self._stun.values())
        self._local_candidates.extend(protocol.local_candidate for protocol in self._stun.values())
        self._local_candidates_end = True

    def _attach(self, socket: IceSocket, index: int) -> _StunProtocol:
        candidate = aioice.Candidate(
            foundation=str(index + 1),
            component=1,
            transport="udp",
            priority=candidate_priority(1, "host", local_pref=65535 - index),
            host=socket.address,
            port=socket.udp.port,
            type="host",
        )
        return _StunProtocol(self, socket.udp, candidate)

    @property
    def credentials(self) -> IceCredentials:
        """Ours, for SDP."""
        return IceCredentials(self.local_username, self.local_password)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Ours, for SDP."""
        return tuple(
            Candidate(
                foundation=candidate.foundation,
                component=1,
                transport="udp",
                priority=candidate.priority,
                address=candidate.host,
                port=candidate.port,
                kind="host",
            )
            for candidate in self.local_candidates
        )

    @property
    def remote(self) -> IceCredentials | None:
        """The far end's, None until `set_remote`."""
        if self.remote_username is None or self.remote_password is None:
            return None
        return IceCredentials(self.remote_username, self.remote_password)

    def set_remote(self, credentials: IceCredentials) -> None:
        """The far end's credentials; before `run`."""
        self.remote_username, self.remote_password = credentials.ufrag, credentials.password

    async def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Add remote candidates, of the description or trickled. Those that we cannot use are left out."""
        for candidate in candidates:
            if candidate.is_usable and len(self.remote_candidates) < MAX_REMOTE_CANDIDATES:
                await self.add_remote_candidate(
                    aioice.Candidate(
                        foundation=candidate.foundation,
                        component=1,
                        transport="udp",
                        priority=candidate.priority,
                        host=candidate.address,
                        port=candidate.port,
                        type="host" if candidate.kind == "prflx" else candidate.kind,
                    )
                )

    async def run(self, deadline: float) -> bool:
        """Check until a path is found; False when there is none at `deadline` (the running loop's time).

        aioice is never told that there are no more candidates: it would give up as soon as those it has have
        failed, and a browser behind a NAT, or one that hides its addresses, is found by its own checks.
        """
        self.is_running = True
        try:
            async with asyncio.timeout_at(deadline):
                await self.connect()
        except (TimeoutError, ConnectionError):
            return False
        return True

    def receive(self, message: stun.Message, source: Address, local_port: int) -> None:
        """Take a STUN message that came to one of our sockets."""
        with suppress(KeyError):  # an authenticated request without PRIORITY
            self._stun[local_port].receive(message, source)

    def is_answer_expected(self, transaction_id: bytes) -> bool:
        """Whether a response with that id is for one of our checks."""
        return any(protocol.is_answer_expected(transaction_id) for protocol in self._stun.values())

    def check_state(self, pair: aioice.ice.CandidatePair, state: aioice.ice.CandidatePair.State) -> None:
        """aioice's hook: keeps `sources` up to date."""
        super().check_state(pair, state)
        is_valid = state is aioice.ice.CandidatePair.State.SUCCEEDED
        source = (pair.local_candidate.port, pair.remote_addr)
        self.sources = self.sources | {source} if is_valid else self.sources - {source}

    def check_incoming(self, message: stun.Message, addr: Address, protocol: aioice.ice.StunProtocol) -> None:
        """aioice's hook: a check of the far end was good, so one of ours on that pair is worth another try at once.

        RFC 8445 section 7.3.1.4 wants that of a check under way too, which aioice leaves to its timer of 500 ms.
        Why: on an ICE restart Chromium 156 refuses our checks until our answer is there, without a signature, so
        that nobody may believe it (RFC 8489 section 9.1.4); then it sends its media on the new path.
        """
        super().check_incoming(message, addr, protocol)
        if isinstance(protocol, _StunProtocol):
            protocol.repeat(addr)

    def note_asker(self, local_port: int, source: Address) -> None:
        """A signed check came from there, maybe before we know the far end's credentials."""
        if len(self.askers) < MAX_REMOTE_CANDIDATES:
            self.askers = self.askers | {(local_port, source)}

    def check_complete(self, pair: aioice.ice.CandidatePair) -> None:
        """aioice's hook: a check has ended, maybe with a nomination."""
        super().check_complete(pair)
        nominated = self._nominated.get(1)
        if nominated is not None and isinstance(nominated.protocol, _StunProtocol):
            path = Path(nominated.protocol.udp, nominated.remote_addr)
            if path != self.path:
                self.path = path
                self._on_path(self)

    async def close(self) -> None:
        """Stop all checks; the sockets stay open. Idempotent."""
        self._closed_event.set()
        await super().close()

    async def query_consent(self) -> None:
        """Keep asking whether we may send (RFC 7675), until `close` or until nobody has answered for too long.

        Replaces aioice's, which counts failures and then closes itself, unheard.
        """
        loop = asyncio.get_running_loop()
        last_answer = loop.time()
        while (now := loop.time()) < last_answer + self._consent_timeout:
            next_check = now + self._consent_interval * _RANDOM.uniform(0.8, 1.2)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(next_check, last_answer + self._consent_timeout)):
                    await self._closed_event.wait()
            if await self._ask_consent():
                last_answer = loop.time()
        self.has_consent = False
        self._on_path(self)

    async def _ask_consent(self) -> bool:
        pair = self._nominated.get(1)
        if pair is None or self.remote_password is None:
            return False
        try:
            await pair.protocol.request(
                self.build_request(pair, nominate=False),
                pair.remote_addr,
                integrity_key=self.remote_password.encode(),
                retransmissions=0,
            )
        except stun.TransactionError:
            return False
        return True


def parse_stun(data: bytes) -> stun.Message | None:
    """The STUN message in a datagram, None if it is none. The first two bits of `data` are zero already."""
    try:
        return stun.parse_message(data)
    except (ValueError, struct.error):  # struct.error: an attribute of the wrong length, which aioice does not check
        return None


def local_ufrag(message: stun.Message) -> str | None:
    """Whom a request is for: the first half of its USERNAME (RFC 8445 section 7.2.2)."""
    username = message.attributes.get("USERNAME")
    return username.partition(":")[0] if isinstance(username, str) else None
