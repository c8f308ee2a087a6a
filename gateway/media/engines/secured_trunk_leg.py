"""A trunk's leg that is, or may become, encrypted: where its keys come from. Packets are its engine's."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.ids import LegName
from gateway.media.core.keying import Keying, KeyingPolicy
from gateway.media.core.sdp import Audio, SessionDescription
from gateway.media.core.source_lock import Address
from gateway.media.engine import LegOptions
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.leg import Observer
from gateway.media.engines.rtp_security import RtpSecurity
from gateway.media.engines.trunk_leg import TrunkLeg
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings


class SecuredTrunkLeg(TrunkLeg[Observer]):
    """See `Leg`. Ready as soon as the far end's address is known, and what is to encrypt it."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        certificate: Certificate,
        observer: Observer,
        options: LegOptions,
    ) -> None:
        super().__init__(name, allowed=allowed, settings=settings, ports=ports, observer=observer, options=options)
        policy = KeyingPolicy(encryption=options.encryption, may_sdes=options.may_send_keys)
        self._security = RtpSecurity(policy, certificate, send=self._send_flight, send_rtcp=self._send_rtcp_flight)
        self._offers_mux = False

    @property
    def is_ready(self) -> bool:
        """See `Leg`."""
        return super().is_ready and self._security.is_keyed

    @property
    def _is_plain(self) -> bool:
        """Whether no encryption was agreed on: `OPTIONAL`, and the far end did not want it."""
        return self._security.keying is Keying.NONE

    # Time

    def next_deadline(self) -> float | None:
        """As of a plain leg, or what happens next in a handshake."""
        deadlines = (super().next_deadline(), None if self._has_failed else self._security.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """See `Leg`."""
        super().handle_timeout(now)
        was_ready = self.is_ready
        if self._security.handle_timeout(now):
            self._follow_handshake(was_ready=was_ready)

    async def close(self) -> None:
        """See `Leg`."""
        self._security.close()
        await super().close()

    # Descriptions

    def _check_encryption(self, audio: Audio, *, is_offer: bool) -> None:
        self._security.check(audio, is_offer=is_offer)

    def _adapt_offer(self, local: Audio) -> Audio:
        adapted = self._security.in_offer(local)
        self._offers_mux = adapted.is_rtcp_mux
        return adapted

    def _adapt_answer(self, local: Audio, offer: SessionDescription) -> Audio:
        return self._security.in_answer(super()._adapt_answer(local, offer))

    async def _complete_answer(self, description: SessionDescription) -> None:
        self._use(description.audio)
        self._security.take_offer(description.audio, (self._rtp_lock, self._rtcp_lock), timing=self._timing())
        self._begin_anew()

    async def _complete_offer(self, description: SessionDescription) -> None:
        # RFC 5761 section 5.1.1: both must say so
        audio = replace(description.audio, is_rtcp_mux=description.audio.is_rtcp_mux and self._offers_mux)
        self._use(audio)
        self._security.take_answer(audio, (self._rtp_lock, self._rtcp_lock), timing=self._timing())
        self._begin_anew()

    def _timing(self) -> tuple[float, float]:
        return self._loop.time(), self._settings.dtls_timeout

    def _begin_anew(self) -> None:
        """Another description: what failed under the last one may go well under this."""
        self._has_failed = False
        if (keying := self._security.keying) is not None:
            self._observer.leg_noted(self, f"keys by {keying.value}")
        self._keys_changed()
        self._lock_on_handshake()

    # Handshakes

    def _follow_handshake(self, *, was_ready: bool) -> None:
        """Report what has become of it."""
        self._keys_changed()
        self._lock_on_handshake()
        if self._security.channel.failure is not None:
            self._fail(self._security.channel.failure)
        elif self.is_ready and not was_ready:
            self._observer.leg_noted(self, "DTLS is through")
            self._observer.leg_ready(self)
        self._observer.deadline_changed(self)

    @abstractmethod
    def _send_flight(self, data: bytes, destination: Address) -> None:
        """Send a datagram of RTP's handshake."""

    @abstractmethod
    def _send_rtcp_flight(self, data: bytes, destination: Address) -> None:
        """Send a datagram of RTCP's handshake."""

    def _lock_on_handshake(self) -> None:
        """Where the handshake came to its end is where the far end is."""
        source = self._security.channel.source
        if source is not None and self._rtp_lock.locked is None and self._rtp_lock.may_lock(source):
            self._rtp_lock.locked = source
            self._source_locked(source)

    @abstractmethod
    def _source_locked(self, source: Address) -> None:
        """Packets come from there from now on."""

    @abstractmethod
    def _keys_changed(self) -> None:
        """What `_security` says may be something else than before."""
