"""An RTP leg that is, or may become, encrypted: SRTP with keys from its descriptions or from DTLS (`rtp_security`).

A class of its own, so that a plain leg does not pay for it.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.ids import LegName
from gateway.media.core.keying import Keying, KeyingPolicy
from gateway.media.core.rtp import HEADER_SIZE, RtpPacket, is_rtcp, serialize
from gateway.media.core.sdp import Audio, SessionDescription
from gateway.media.core.source_lock import Address, SourceLock
from gateway.media.core.unbroken_sequence import UnbrokenSequence
from gateway.media.engine import LegOptions
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.handshake_channel import HandshakeChannel
from gateway.media.engines.leg import LegObserver
from gateway.media.engines.rtp_leg import RtpLeg
from gateway.media.engines.rtp_security import RtpSecurity
from gateway.media.engines.srtp import MAX_PLAIN, Protection, SrtpError
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings


class SecuredRtpLeg(RtpLeg):
    """See `Leg`. Ready as soon as the far end's address is known, and what is to encrypt it."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        certificate: Certificate,
        observer: LegObserver,
        options: LegOptions,
    ) -> None:
        super().__init__(name, allowed=allowed, settings=settings, ports=ports, observer=observer, options=options)
        policy = KeyingPolicy(encryption=options.encryption, may_sdes=options.may_send_keys)
        self._security = RtpSecurity(policy, certificate, send=self._send_flight, send_rtcp=self._send_rtcp_flight)
        self._sequence = UnbrokenSequence()
        self._offers_mux = False

    @property
    def is_ready(self) -> bool:
        """See `Leg`."""
        return super().is_ready and self._security.is_keyed

    @property
    def _is_plain(self) -> bool:
        """Whether no encryption was agreed on: `OPTIONAL`, and the far end did not want it."""
        return self._security.keying is Keying.NONE

    # Sending

    def send_rtp(self, packet: RtpPacket) -> None:
        """See `Leg`."""
        if self._is_plain:
            super().send_rtp(packet)
        elif not self._send_protected(packet):
            self._sequence.skip()

    def _send_protected(self, packet: RtpPacket) -> bool:
        """False when it was not even numbered: no keys yet, or nobody who wants it."""
        destination, keys = self._rtp_lock.destination, self._security.rtp
        if self._rtp is None or destination is None or keys is None or not self.may_send:
            return False
        if len(packet.payload) > MAX_PLAIN - HEADER_SIZE:
            return False
        number = self._sequence.number(packet.sequence)
        if number != packet.sequence:
            packet = replace(packet, sequence=number)
        try:
            data = keys.protect(serialize(packet))
        except SrtpError:  # a sequence number that went out before
            return True
        if self._rtp.send(data, destination):
            self.packets_sent += 1
            self.bytes_sent += len(packet.payload)
        return True

    def send_rtcp(self, data: bytes) -> None:
        """See `Leg`."""
        if self._is_plain:
            super().send_rtcp(data)
        elif (keys := self._security.rtcp) is not None and len(data) <= MAX_PLAIN:
            super().send_rtcp(keys.protect_rtcp(data))

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
        self._lock_on_handshake()

    # Receiving

    def _receive(self, data: bytes, source: Address) -> None:
        """Demultiplex by the first byte (RFC 7983 section 7)."""
        if 19 < data[0] < 64:
            self._receive_handshake(self._security.channel, data, source)
        elif self._is_plain:
            super()._receive(data, source)
        elif self._is_mux and is_rtcp(data):
            self._take_protected_rtcp(data, source, self._rtp_lock)
        elif (keys := self._security.rtp) is not None:
            self._take_protected(data, source, keys)

    def _take_protected(self, data: bytes, source: Address, keys: Protection) -> None:
        """An SRTP packet: from where it may come, then authentic, then heard. Else counted, whoever sends how many."""
        if source != self._rtp_lock.locked and not self._may_be_of_call(data, source):
            self.reject("source")
            return
        try:
            packet = keys.unprotect(data)
        except SrtpError:
            self.reject("srtp")
            return
        if source != self._rtp_lock.locked:
            self._rtp_lock.locked = source
            self._rtcp_follows(source)
        self._last = data
        if self.may_receive:
            self._observer.rtp_received(self, packet)

    def _may_be_of_call(self, data: bytes, source: Address) -> bool:
        is_rtp = len(data) >= HEADER_SIZE and data[0] >> 6 == 2
        lock = self._rtp_lock
        return is_rtp and (lock.may_lock(source) or lock.may_follow(source, last=self._last, data=data))

    def _receive_rtcp(self, data: bytes, source: Address) -> None:
        if 19 < data[0] < 64:
            self._receive_handshake(self._security.rtcp_channel, data, source)
        elif self._is_plain:
            super()._receive_rtcp(data, source)
        else:
            self._take_protected_rtcp(data, source, self._rtcp_lock)

    def _take_protected_rtcp(self, data: bytes, source: Address, lock: SourceLock) -> None:
        keys = self._security.rtcp
        if keys is None:
            return  # nobody could read it yet
        if source != lock.destination and (self._is_mux or not is_rtcp(data) or not lock.may_lock(source)):
            self.reject("source")
            return
        try:
            report = keys.unprotect_rtcp(data)
        except SrtpError:
            self.reject("srtp")
            return
        if not self._is_mux:
            lock.locked = source
        self._observer.rtcp_received(self, report)

    def _receive_handshake(self, channel: HandshakeChannel, data: bytes, source: Address) -> None:
        was_ready = self.is_ready
        if not channel.receive(data, source, self._loop.time()):
            self.reject("source")
            return
        self._follow_handshake(was_ready=was_ready)

    def _follow_handshake(self, *, was_ready: bool) -> None:
        """Report what has become of it."""
        self._lock_on_handshake()
        if self._security.channel.failure is not None:
            self._fail(self._security.channel.failure)
        elif self.is_ready and not was_ready:
            self._observer.leg_noted(self, "DTLS is through")
            self._observer.leg_ready(self)
        self._observer.deadline_changed(self)

    def _lock_on_handshake(self) -> None:
        """Where the handshake came to its end is where the far end is."""
        source = self._security.channel.source
        if source is not None and self._rtp_lock.locked is None and self._rtp_lock.may_lock(source):
            self._rtp_lock.locked = source
            self._rtcp_follows(source)

    def _send_flight(self, data: bytes, destination: Address) -> None:
        if self._rtp is not None:
            self._rtp.send(data, destination)

    def _send_rtcp_flight(self, data: bytes, destination: Address) -> None:
        if self._rtcp is not None:
            self._rtcp.send(data, destination)
