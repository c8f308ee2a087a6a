"""ICE of one browser leg on the shared socket: we answer checks and make none (RFC 8445 section 2.5, ICE-lite).

The core answers, from a table of all credentials in force; here is what descriptions know of them.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.media.core.sdp import Candidate, IceCredentials
from gateway.media.core.source_lock import Address


class CheckTable(Protocol):
    """What the core does for a leg; see `NativeLeg`."""

    def add_generation(self, ufrag: str, password: str) -> int: ...
    def remove_generation(self, ufrag: str) -> None: ...
    def use_generation(self, generation: int) -> None: ...
    def leave_path(self, generation: int) -> None: ...
    def send_on_path(self, datagram: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class LitePath:
    """Where packets go: our port, and the far end."""

    port: int
    remote: Address


class LiteGeneration:
    """One pair of credentials of ours, and of theirs once they are known.

    Attributes:
        number: what the core knows it by.
        found: the path that the far end has nominated.
        is_running: whether both sides are known.
        has_consent: whether the far end still asks for consent.
    """

    def __init__(self, number: int, credentials: IceCredentials, candidates: tuple[Candidate, ...]) -> None:
        self.number, self.credentials, self.candidates = number, credentials, candidates
        self.remote: IceCredentials | None = None
        self.found: LitePath | None = None
        self.is_running = False
        self.has_consent = True

    def set_remote(self, credentials: IceCredentials) -> None:
        """The far end's. They sign nothing here: we ask nothing."""
        self.remote = credentials


class LiteIce:
    """See `Ice`. Media stays on the old path until a restart has found a new one."""

    def __init__(
        self,
        native: CheckTable,
        addresses: Sequence[Address],
        *,
        timeout: float,
        on_path: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """
        Args:
            addresses: ours, as the far end is told them.
            timeout: seconds from the moment both sides are known until there must be a path.
            on_path: `path` was found or has changed.
            on_failed: no path, and none to come: `ice_failed` or `consent_lost`.
        """
        self.path: LitePath | None = None
        self._native = native
        self._addresses = tuple(addresses)
        self._timeout = timeout
        self._on_path, self._on_failed = on_path, on_failed
        self._loop = asyncio.get_running_loop()
        self._current: LiteGeneration | None = None
        self._next: LiteGeneration | None = None
        self._old: list[LiteGeneration] = []
        """Left behind; answered until the next one is made, for what is still in flight."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def latest(self) -> LiteGeneration | None:
        """The generation that descriptions speak of: the one to come, else the one in use."""
        return self._next or self._current

    def port(self, address: int) -> int:
        """Ours, of the address with that number."""
        return self._addresses[address][1]

    def open(self) -> None:
        """The socket is open as long as the engine runs."""

    def begin(self, *, is_controlling: bool) -> LiteGeneration:
        """Make the generation of the next exchange; it replaces one that was made and never used.

        Whoever is lite is controlled, whatever the exchange says (RFC 8445 section 6.1.1).
        """
        self._drop(self._next, *self._old)
        credentials = IceCredentials(secrets.token_hex(8), secrets.token_hex(16))
        number = self._native.add_generation(credentials.ufrag, credentials.password)
        self._next, self._old = LiteGeneration(number, credentials, self._candidates()), []
        return self._next

    def _candidates(self) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(
                foundation=str(index + 1),
                component=1,
                transport="udp",
                priority=_priority(index),
                address=address,
                port=port,
                kind="host",
            )
            for index, (address, port) in enumerate(self._addresses)
        )

    def resume(self, remote: IceCredentials) -> bool:
        """Whether the far end's offer, with these credentials, goes on with a generation that is there: no restart.

        A restart of ours that was offered and not answered is dropped then: both offered at once, theirs counts.
        """
        if self._next is not None and self._next.remote == remote:
            return True
        if self._current is None or self._current.remote != remote:
            return False
        self._drop(self._next)
        self._next = None
        return True

    def abandon(self) -> None:
        """Another peer connection takes over: leave the path of the old one, if the new one has a generation."""
        if self._next is not None and self._current is not None:
            self._drop(self._current)
            self._native.leave_path(self._next.number)
            self._current = self.path = None

    def run(self) -> None:
        """Both sides are known: from now on the path that the far end nominates is used."""
        generation = self._next
        if generation is None or generation.is_running:
            return
        generation.is_running = True
        self._native.use_generation(generation.number)
        if generation.found is not None:
            self._use(generation, generation.found)
        else:
            self._stop_timer()
            self._timer = self._loop.call_later(self._timeout, self._give_up, generation)

    def found(self, number: int, address: int, remote: Address) -> None:
        """The far end has nominated a path. Before its description is known that is only remembered."""
        path = LitePath(self.port(address), remote)
        for generation in (self._next, self._current):
            if generation is not None and generation.number == number:
                generation.found = path
                if generation.is_running:
                    self._use(generation, path)

    def _use(self, generation: LiteGeneration, path: LitePath) -> None:
        if generation is self._next:
            self._stop_timer()
            if self._current is not None:
                self._old.append(self._current)
            self._current, self._next = generation, None
        self.path = path
        self._on_path()

    def lost(self, number: int) -> None:
        """Nobody has asked for consent on that generation's path for too long."""
        current = self._current
        if current is None or current.number != number:
            return
        current.has_consent = False
        if self._next is None or not self._next.is_running:  # a restart under way may still save the call
            self._on_failed("consent_lost")

    def _give_up(self, generation: LiteGeneration) -> None:
        if generation is not self._next:
            return
        self._drop(generation)
        self._next = None
        if self._current is None:
            self._on_failed("ice_failed")
        elif not self._current.has_consent:
            self._on_failed("consent_lost")

    async def add_candidates(self, remote: IceCredentials, candidates: Sequence[Candidate]) -> None:
        """We make no checks: the far end's own checks show where it is."""

    async def trickle(self, candidate: Candidate) -> None:
        """As `add_candidates`."""

    def send(self, datagram: bytes) -> bool:
        """Send on the path; False when there is none."""
        return self.path is not None and self._native.send_on_path(datagram)

    def is_allowed(self, local_port: int, source: Address) -> bool:
        """Whether the far end has nominated this source."""
        return self.path == LitePath(local_port, source)

    def is_asking(self, local_port: int, source: Address) -> bool:
        """Whether this source may be about to be nominated: the core only hands up what comes from one with checks."""
        return self._next is not None

    async def close(self) -> None:
        """Answer no checks any more; idempotent."""
        self._stop_timer()
        self._drop(self._current, self._next, *self._old)
        self._current = self._next = self.path = None
        self._old = []

    def _drop(self, *generations: LiteGeneration | None) -> None:
        for generation in generations:
            if generation is not None:
                self._native.remove_generation(generation.credentials.ufrag)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _priority(index: int) -> int:
    """Of a host candidate (RFC 8445 section 5.1.2.1), the first address before the others."""
    return (126 << 24) | ((65535 - index) << 8) | (256 - 1)
