"""The ICE side of a browser leg: sockets, generations, and the path that packets take now (RFC 8445, 8838)."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from gateway.media.core.sdp import Candidate, IceCredentials
from gateway.media.core.source_lock import Address
from gateway.media.engines.ice import IceGeneration, IceSocket, Path, local_ufrag, parse_stun
from gateway.media.engines.tasks import OwnedTasks
from gateway.media.engines.udp import UdpSocket
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings

_MAX_EARLY_CANDIDATES: Final = 64


class IceTransport:
    """One browser leg's way through the network. Media stays on the old path until a restart has found a new one.

    Attributes:
        path: where packets go; None before the first nomination, and while another peer connection takes over.
    """

    def __init__(
        self,
        settings: MediaSettings,
        ports: PortPool,
        *,
        on_datagram: Callable[[int, bytes, Address], None],
        on_path: Callable[[], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """
        Args:
            on_datagram: local port, datagram and source of everything that comes in.
            on_path: `path` was found or has changed.
            on_failed: no path, and none to come: `ice_failed` or `consent_lost`.
        """
        self.path: Path | None = None
        self._settings = settings
        self._ports = ports
        self._on_datagram = on_datagram
        self._on_path = on_path
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._tasks = OwnedTasks()
        self._raw: list[socket.socket] = []
        self._sockets: list[IceSocket] = []
        self._current: IceGeneration | None = None
        self._next: IceGeneration | None = None
        self._old_sources: frozenset[tuple[int, Address]] = frozenset()
        self._early_candidates: list[Candidate] = []

    @property
    def latest(self) -> IceGeneration | None:
        """The generation that descriptions speak of: the one to come, else the one in use."""
        return self._next or self._current

    def open(self) -> None:
        """Open the sockets, one for each of our addresses, unless they are open. Raises NoFreePort."""
        if self._sockets:
            return
        opened: list[socket.socket] = []
        try:
            opened.extend(self._ports.open_single(address) for address in self._settings.addresses)
        except BaseException:
            self._ports.close(opened)
            raise
        self._raw = opened
        for raw, advertised in zip(opened, self._settings.advertised, strict=True):
            udp = UdpSocket(raw, partial(self._on_datagram, raw.getsockname()[1]))
            self._sockets.append(IceSocket(udp, advertised))

    def begin(self, *, is_controlling: bool) -> IceGeneration:
        """Make the generation of the next exchange; it replaces one that was made and never used."""
        if self._next is not None:
            self._tasks.start(self._next.close())
        self._next = IceGeneration(
            self._sockets,
            is_controlling=is_controlling,
            consent_interval=self._settings.consent_interval,
            consent_timeout=self._settings.consent_timeout,
            on_path=self._follow_path,
        )
        return self._next

    def resume(self, remote: IceCredentials) -> bool:
        """Whether the far end's offer, with these credentials, goes on with a generation that is there: no restart.

        A restart of ours that was offered and not answered is dropped then: both offered at once, theirs counts.
        """
        if self._next is not None and self._next.remote == remote:
            return True
        if self._current is None or self._current.remote != remote:
            return False
        if self._next is not None:
            self._tasks.start(self._next.close())
            self._next = None
        return True

    def abandon(self) -> None:
        """Another peer connection takes over: leave the path of the old one, if the new one has a generation."""
        if self._next is not None and self._current is not None:
            self._tasks.start(self._current.close())
            self._current = self.path = None

    def run(self) -> None:
        """Both sides are known: start the checks of the next generation, unless they run already."""
        if self._next is not None and not self._next.is_running:
            self._tasks.start(self._find_path(self._next))

    async def add_candidates(self, remote: IceCredentials, candidates: Sequence[Candidate]) -> None:
        """Add those of a description to the latest generation, and those that overtook it."""
        early = [each for each in self._early_candidates if each.ufrag in ("", remote.ufrag)]
        self._early_candidates.clear()
        if self.latest is not None:
            await self.latest.add_candidates([*candidates, *early])

    async def trickle(self, candidate: Candidate) -> None:
        """Add one that came by itself; one for a generation that is still to come is kept for it."""
        latest = self.latest
        is_known = latest is not None and latest.remote_username is not None
        if latest is not None and is_known and candidate.ufrag in ("", latest.remote_username):
            await latest.add_candidates([candidate])
        elif len(self._early_candidates) < _MAX_EARLY_CANDIDATES:
            self._early_candidates.append(candidate)

    def send(self, datagram: bytes) -> bool:
        """Send on the path; False when there is none, or the kernel refused."""
        return self.path is not None and self.path.udp.send(datagram, self.path.remote)

    def is_allowed(self, local_port: int, source: Address) -> bool:
        """Whether the far end has proved, by answering a check of ours, that this source is its own."""
        key = (local_port, source)
        for generation in (self._current, self._next):
            if generation is not None and key in generation.sources:
                return True
        return key in self._old_sources

    def may_send_srtp(self, local_port: int, source: Address) -> bool:
        """Whether packets that sign themselves may come from there: also after a signed check that we took.

        For DTLS that is not enough: a hello is not signed, and a check can be repeated by whoever saw it pass.
        """
        key = (local_port, source)
        generations = (self._current, self._next)
        is_asker = any(generation is not None and key in generation.askers for generation in generations)
        return is_asker or self.is_allowed(local_port, source)

    def is_asking(self, local_port: int, source: Address) -> bool:
        """Whether a signed check of the generation to come was made from there: it may be about to be proved."""
        return self._next is not None and (local_port, source) in self._next.askers

    def receive_stun(self, local_port: int, data: bytes, source: Address) -> str | None:
        """Take a STUN message; why it was not taken (`not_rtp`, `source`), else None.

        Checks for somebody else, or for a generation that is gone, get no answer: nobody is found by asking.
        """
        message = parse_stun(data)
        if message is None:
            return "not_rtp"
        ufrag = local_ufrag(message)
        for generation in (self._next, self._current):
            if generation is None:
                continue
            if ufrag == generation.local_username or generation.is_answer_expected(message.transaction_id):
                generation.receive(message, source, local_port)
                return None
        return "source"

    async def close(self) -> None:
        """Stop all checks, close the sockets; idempotent."""
        generations = [each for each in (self._current, self._next) if each is not None]
        self._current = self._next = self.path = None
        for generation in generations:
            await generation.close()
        await self._tasks.close()
        for each in self._sockets:
            each.udp.detach()
        raw, self._raw, self._sockets = self._raw, [], []
        self._ports.close(raw)

    async def _find_path(self, generation: IceGeneration) -> None:
        if await generation.run(self._loop.time() + self._settings.ice_timeout) or generation is not self._next:
            return
        self._next = None
        await generation.close()
        if self._current is None:
            self._on_failed("ice_failed")
        elif not self._current.has_consent:
            self._on_failed("consent_lost")

    def _follow_path(self, generation: IceGeneration) -> None:
        """A generation has found its path, changed it, or lost the consent to use it."""
        if not generation.has_consent:
            # A restart under way may still save the call
            if generation is self._current and (self._next is None or not self._next.is_running):
                self._on_failed("consent_lost")
            return
        if generation is self._next:
            if self._current is not None:
                self._old_sources = self._current.sources  # for what is still in flight
                self._tasks.start(self._current.close())
            self._current, self._next = generation, None
        if generation is self._current:
            self.path = generation.path
            self._on_path()
