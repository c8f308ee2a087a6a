"""A browser's leg: SRTP over the path of `ice_transport` with the keys of `dtls`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import pylibsrtp

from gateway.domain.ids import LegName
from gateway.media.core.rtp import RtpPacket, is_rtcp, serialize
from gateway.media.core.source_lock import Address
from gateway.media.core.unbroken_sequence import UnbrokenSequence
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions
from gateway.media.engines.browser_leg import BrowserLeg
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState
from gateway.media.engines.ice_transport import IceTransport
from gateway.media.engines.packet_leg import PacketLeg, PacketObserver
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings

_MAX_PLAIN: Final = 1300
"""Longest packet that still fits a datagram once it is protected."""


class WebRtcLeg(BrowserLeg[PacketObserver], PacketLeg):
    """See `BrowserLeg`."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        certificate: Certificate,
        cname: str,
        observer: PacketObserver,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(
            name,
            allowed=allowed,
            settings=settings,
            certificate=certificate,
            cname=cname,
            observer=observer,
            options=options,
        )
        self._transport = IceTransport(
            settings, ports, on_datagram=self._receive, on_path=self._take_path, on_failed=self._fail
        )
        self._sequence = UnbrokenSequence()

    @property
    def _ice(self) -> IceTransport:
        return self._transport

    def _keys_changed(self) -> None:
        """They are asked for with each packet."""

    def send_rtp(self, packet: RtpPacket) -> None:
        """See `Leg`."""
        if not self.may_send:
            self._sequence.skip()
            return
        number = self._sequence.number(packet.sequence)
        if number != packet.sequence:
            packet = replace(packet, sequence=number)
        if self._send_protected(serialize(packet), DtlsAssociation.protect):
            self.packets_sent += 1
            self.bytes_sent += len(packet.payload)

    def send_rtcp(self, data: bytes) -> None:
        """See `Leg`."""
        self._send_protected(data, DtlsAssociation.protect_rtcp)

    def _send_protected(self, data: bytes, protect: Callable[[DtlsAssociation, bytes], bytes]) -> bool:
        dtls = self._dtls
        if dtls is None or dtls.state is not DtlsState.CONNECTED or len(data) > _MAX_PLAIN:
            return False
        try:
            protected = protect(dtls, data)
        except pylibsrtp.Error:  # a sequence number that went out before: libsrtp will not use a key stream twice
            return False
        return self._transport.send(protected)

    # Datagrams

    def _receive(self, local_port: int, data: bytes, source: Address) -> None:
        """Demultiplex by the first byte (RFC 7983 section 7)."""
        first = data[0]
        if 127 < first < 192:
            self._receive_srtp(local_port, data, source)
        elif 19 < first < 64:
            self._receive_dtls(local_port, data, source)
        elif first < 4:
            self._receive_stun(local_port, data, source)
        else:
            self.reject("not_rtp")

    def _receive_srtp(self, local_port: int, data: bytes, source: Address) -> None:
        dtls = self._dtls
        if dtls is None or dtls.state is not DtlsState.CONNECTED:
            return  # before the handshake is through nobody could read it
        if not self._transport.may_send_srtp(local_port, source):
            self.reject("source")
            return
        try:
            if is_rtcp(data):
                self._observer.rtcp_received(self, dtls.unprotect_rtcp(data))
                return
            packet = dtls.unprotect(data)
        except pylibsrtp.Error:
            self.reject("srtp")
            return
        if self.may_receive:
            self._observer.rtp_received(self, packet)

    def _receive_stun(self, local_port: int, data: bytes, source: Address) -> None:
        reason = self._transport.receive_stun(local_port, data, source)
        if reason is not None:
            self.reject(reason)
