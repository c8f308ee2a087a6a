"""A leg of plain RTP, as SIP trunks speak it: its packets, symmetric and locked to their source."""

import socket
from collections.abc import Sequence

from gateway.domain.ids import LegName
from gateway.media.core.rtp import HEADER_SIZE, RtpPacket, is_rtcp, serialize
from gateway.media.core.source_lock import Address, SourceLock
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions
from gateway.media.engines.packet_leg import PacketLeg, PacketObserver
from gateway.media.engines.trunk_leg import TrunkLeg
from gateway.media.engines.udp import UdpSocket
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings


class RtpLeg(TrunkLeg[PacketObserver], PacketLeg):
    """See `TrunkLeg`."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        observer: PacketObserver,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(name, allowed=allowed, settings=settings, ports=ports, observer=observer, options=options)
        self._sockets: tuple[socket.socket, ...] = ()
        self._rtp: UdpSocket | None = None
        self._rtcp: UdpSocket | None = None
        self._last = b""
        """The last packet from the locked source."""
        self._silent_since = 0.0

    def _open(self) -> None:
        if not self._sockets:
            self._sockets = self._ports.open_pair(self._settings.addresses[0])
            rtp, rtcp = self._sockets
            self._rtp = UdpSocket(rtp, self._receive)
            self._rtcp = UdpSocket(rtcp, self._receive_rtcp)
            self._port = self._rtp.port

    def _sources_changed(self) -> None:
        self._silent_since = self._loop.time()

    def send_rtp(self, packet: RtpPacket) -> None:
        """See `Leg`."""
        destination = self._rtp_lock.destination
        if self._rtp is None or destination is None or not self.may_send:
            return
        if self._rtp.send(serialize(packet), destination):
            self.packets_sent += 1
            self.bytes_sent += len(packet.payload)

    def send_rtcp(self, data: bytes) -> None:
        """See `Leg`. Goes on while held (RFC 3264 section 5.1)."""
        udp, lock = (self._rtp, self._rtp_lock) if self._is_mux else (self._rtcp, self._rtcp_lock)
        if udp is not None and (destination := lock.destination) is not None:
            udp.send(data, destination)

    def next_deadline(self) -> float | None:
        """When the far end has been silent for too long."""
        return self._silence_ends()

    def _silence_ends(self) -> float | None:
        may_be_silent = self.is_held or not self.is_ready or not self.may_receive
        if not self._settings.rtp_timeout or may_be_silent or self._has_failed:
            return None
        return max(self._silent_since, self.last_received or 0.0) + self._settings.rtp_timeout

    def handle_timeout(self, now: float) -> None:
        """See `Leg`."""
        silence = self._silence_ends()
        if silence is not None and now >= silence:
            self._fail("rtp_timeout")

    def set_held(self, is_held: bool) -> None:
        """See `Leg`. The silence of the far end counts from the end of a hold."""
        super().set_held(is_held)
        self._silent_since = self._loop.time()
        self._observer.deadline_changed(self)

    async def close(self) -> None:
        """See `Leg`."""
        for udp in (self._rtp, self._rtcp):
            if udp is not None:
                udp.detach()
        sockets, self._sockets = self._sockets, ()
        self._ports.close(sockets)
        self._rtp = self._rtcp = None
        await super().close()

    def _receive(self, data: bytes, source: Address) -> None:
        if self._is_mux and is_rtcp(data):
            self._take_rtcp(data, source, self._rtp_lock)
        elif source == self._rtp_lock.locked:
            if self.may_receive:
                self._last = data
                self._observer.rtp_received(self, data)
        else:
            self._receive_unlocked(data, source)

    def _receive_unlocked(self, data: bytes, source: Address) -> None:
        """From a source that is not the locked one: taken if it may be, and shows a packet of this call."""
        is_rtp = len(data) >= HEADER_SIZE and data[0] >> 6 == 2
        is_of_call = is_rtp and self.may_receive and data[1] & 0x7F in self.payload_types
        lock = self._rtp_lock
        if not is_of_call or not (lock.try_lock(source) or lock.follow(source, last=self._last, data=data)):
            self.reject("source")
            return
        self._last = data
        self._rtcp_follows(source)
        self._observer.rtp_received(self, data)

    def _rtcp_follows(self, source: Address) -> None:
        """RTCP comes from the learned host too, from whatever port its NAT gave it."""
        destination = self._rtcp_lock.destination
        if source == self._rtp_lock.locked and destination is not None and destination[0] != source[0]:
            self._rtcp_lock = SourceLock((source[0], source[1] + 1), any_address=False)

    def _receive_rtcp(self, data: bytes, source: Address) -> None:
        self._take_rtcp(data, source, self._rtcp_lock)

    def _take_rtcp(self, data: bytes, source: Address, lock: SourceLock) -> None:
        # Another port of the same host may be learned for RTCP alone: with mux, RTP decides
        if source != lock.destination and (self._is_mux or not is_rtcp(data) or not lock.try_lock(source)):
            self.reject("source")
            return
        self._observer.rtcp_received(self, data)
