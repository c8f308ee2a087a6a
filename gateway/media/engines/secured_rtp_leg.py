"""An RTP leg that is, or may become, encrypted: its packets as SRTP.

A class of its own, so that a plain leg does not pay for it.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.ids import LegName
from gateway.media.core.rtp import HEADER_SIZE, RtpPacket, is_rtcp, serialize
from gateway.media.core.source_lock import Address, SourceLock
from gateway.media.core.unbroken_sequence import UnbrokenSequence
from gateway.media.engine import LegOptions
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.handshake_channel import HandshakeChannel
from gateway.media.engines.packet_leg import PacketObserver
from gateway.media.engines.rtp_leg import RtpLeg
from gateway.media.engines.secured_trunk_leg import SecuredTrunkLeg
from gateway.media.engines.srtp import MAX_PLAIN, Protection, SrtpError
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings


class SecuredRtpLeg(SecuredTrunkLeg[PacketObserver], RtpLeg):
    """See `SecuredTrunkLeg`."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        certificate: Certificate,
        observer: PacketObserver,
        options: LegOptions,
    ) -> None:
        super().__init__(
            name,
            allowed=allowed,
            settings=settings,
            ports=ports,
            certificate=certificate,
            observer=observer,
            options=options,
        )
        self._sequence = UnbrokenSequence()

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
        lock = self._rtp_lock
        if source != lock.locked and (lock.follow(source, last=self._last, data=data) or lock.try_lock(source)):
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
            lock.try_lock(source)
        self._observer.rtcp_received(self, report)

    def _receive_handshake(self, channel: HandshakeChannel, data: bytes, source: Address) -> None:
        was_ready = self.is_ready
        if not channel.receive(data, source, self._loop.time()):
            self.reject("source")
            return
        self._follow_handshake(was_ready=was_ready)

    def _source_locked(self, source: Address) -> None:
        self._rtcp_follows(source)

    def _keys_changed(self) -> None:
        """They are asked for with each packet."""

    def _send_flight(self, data: bytes, destination: Address) -> None:
        if self._rtp is not None:
            self._rtp.send(data, destination)

    def _send_rtcp_flight(self, data: bytes, destination: Address) -> None:
        if self._rtcp is not None:
            self._rtcp.send(data, destination)
