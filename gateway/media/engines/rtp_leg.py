"""A leg of plain RTP, as SIP trunks speak it: RTP/AVP, RTCP beside it, symmetric and locked to its source."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.ids import LegName
from gateway.media.core.keying import PLAIN
from gateway.media.core.negotiate import Agreement
from gateway.media.core.rtp import HEADER_SIZE, RtpPacket, is_rtcp, serialize
from gateway.media.core.sdp import Audio, Direction, Format, SessionDescription, is_ip_address
from gateway.media.core.source_lock import Address, SourceLock, is_behind_nat
from gateway.media.engine import DEFAULT_OPTIONS, BadSdp, EncryptionRefused, LegOptions
from gateway.media.engines.leg import PACKET_TIME, Leg, LegObserver, UnsupportedMedia
from gateway.media.engines.udp import UdpSocket
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings

_ENCRYPTED: Final = ("/SAVP", "/SAVPF")
"""How the names of the protocols end that are SRTP, whatever the keys come by (RFC 4568, RFC 5764)."""
_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104 - what a peer writes to hold a call (RFC 3264 section 8.4)


class RtpLeg(Leg):
    """See `Leg`. Ready as soon as the far end's address is known."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        observer: LegObserver,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(name, allowed=allowed, address=settings.advertised[0], observer=observer, options=options)
        self._settings = settings
        self._ports = ports
        self._sockets: tuple[socket.socket, ...] = ()
        self._rtp: UdpSocket | None = None
        self._rtcp: UdpSocket | None = None
        self._rtp_lock = SourceLock(None, any_address=False)
        self._rtcp_lock = SourceLock(None, any_address=False)
        self._last = b""
        """The last packet from the locked source."""
        self._is_mux = False
        self._silent_since = 0.0
        self._has_failed = False
        self._loop = asyncio.get_running_loop()

    @property
    def is_ready(self) -> bool:
        """Whether the first exchange is through. A held leg, which named no address, is ready too."""
        return self.agreement is not None and self._rtp is not None

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

    def _fail(self, reason: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._observer.leg_failed(self, reason)

    def set_held(self, is_held: bool) -> None:
        """See `Leg`. The silence of the far end counts from the end of a hold."""
        super().set_held(is_held)
        self._silent_since = self._loop.time()
        self._observer.deadline_changed(self)

    async def add_candidate(self, candidate: str | None) -> None:
        """Plain RTP has no candidates: nothing to do."""

    async def close(self) -> None:
        """See `Leg`."""
        for udp in (self._rtp, self._rtcp):
            if udp is not None:
                udp.detach()
        sockets, self._sockets = self._sockets, ()
        self._ports.close(sockets)
        self._rtp = self._rtcp = None

    def _check(self, description: SessionDescription, *, is_offer: bool) -> None:
        audio, protocol = description.audio, description.audio.protocol.upper()
        if protocol not in PLAIN and not protocol.endswith(_ENCRYPTED):
            raise UnsupportedMedia(f"transport {audio.protocol!r}, this leg speaks {' or '.join(PLAIN)}")
        self._check_encryption(audio, is_offer=is_offer)
        if audio.address is None:
            raise BadSdp("no c= line")
        if not is_ip_address(audio.address):
            raise BadSdp(f"c= names {audio.address!r}, which is not an IP address")
        if audio.rtcp is not None and audio.rtcp[1] is not None and not is_ip_address(audio.rtcp[1]):
            raise BadSdp(f"a=rtcp names {audio.rtcp[1]!r}, which is not an IP address")
        if (":" in audio.address) is not (":" in self._settings.addresses[0]):
            raise UnsupportedMedia(f"address {audio.address} is not of the family of {self._settings.addresses[0]}")

    def _check_encryption(self, audio: Audio, *, is_offer: bool) -> None:
        """Raise EncryptionRefused for keys that this leg cannot use, or for none where it demands them."""
        if audio.protocol.upper() not in PLAIN:
            raise EncryptionRefused(f"transport {audio.protocol!r}, this leg is not encrypted")

    async def _prepare_answer(self, description: SessionDescription) -> None:
        self._open()

    async def _prepare_offer(self) -> None:
        self._open()

    def _open(self) -> None:
        if not self._sockets:
            self._sockets = self._ports.open_pair(self._settings.addresses[0])
            rtp, rtcp = self._sockets
            self._rtp = UdpSocket(rtp, self._receive)
            self._rtcp = UdpSocket(rtcp, self._receive_rtcp)

    async def _complete_answer(self, description: SessionDescription) -> None:
        self._use(description.audio)

    async def _complete_offer(self, description: SessionDescription) -> None:
        # RFC 5761 section 5.1.1: both must say so, and our offers do not
        self._use(replace(description.audio, is_rtcp_mux=False))

    def _use(self, remote: Audio) -> None:
        """Send to, and listen to, what the far end's new description names. A new one always unlocks."""
        assert remote.address is not None
        any_address = is_behind_nat(remote.address, self._settings.advertised[0])
        is_held = remote.address in _UNSPECIFIED or remote.port == 0
        rtcp_port, rtcp_address = remote.rtcp or (remote.port + 1, None)
        rtcp = (rtcp_address or remote.address, min(rtcp_port, 65535))
        self._rtp_lock = SourceLock(None if is_held else (remote.address, remote.port), any_address=any_address)
        self._rtcp_lock = SourceLock(None if is_held else rtcp, any_address=False)
        self._is_mux = remote.is_rtcp_mux
        self._silent_since = self._loop.time()
        ours = 0 if self._rtp is None else self._rtp.port
        self._observer.leg_noted(self, f"{remote.protocol}, our port {ours}, {remote.address} port {remote.port}")

    def _agree(self, agreement: Agreement, remote: Audio) -> None:
        was_ready = self.is_ready
        super()._agree(agreement, remote)
        if not was_ready and self.is_ready:
            self._observer.leg_ready(self)
        self._observer.deadline_changed(self)

    def _direction(self, remote: Audio) -> Direction:
        """As written, but nobody can send to `0.0.0.0`: that is how a call was held before `sendonly`."""
        if remote.address in _UNSPECIFIED:
            return Direction.of(is_sending=remote.direction.is_sending, is_receiving=False)
        return remote.direction

    def _local_audio(self, formats: tuple[Format, ...]) -> Audio:
        assert self._rtp is not None
        return Audio(port=self._rtp.port, protocol="RTP/AVP", formats=formats, address=self._address, ptime=PACKET_TIME)

    def _adapt_answer(self, local: Audio, offer: SessionDescription) -> Audio:
        return replace(local, is_rtcp_mux=offer.audio.is_rtcp_mux)

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
        if destination is not None and destination[0] != source[0]:
            self._rtcp_lock = SourceLock((source[0], source[1] + 1), any_address=False)

    def _receive_rtcp(self, data: bytes, source: Address) -> None:
        self._take_rtcp(data, source, self._rtcp_lock)

    def _take_rtcp(self, data: bytes, source: Address, lock: SourceLock) -> None:
        # Another port of the same host may be learned for RTCP alone: with mux, RTP decides
        if source != lock.destination and (self._is_mux or not is_rtcp(data) or not lock.try_lock(source)):
            self.reject("source")
            return
        self._observer.rtcp_received(self, data)
