"""The reference media engine: aioice for ICE, OpenSSL for DTLS, libsrtp for SRTP, and the RTP itself is ours.

The name is that of the stack it grew from. aiortc's own transports and tracks are not used: they decode, buffer
and queue every packet, which costs ten times the work and some 80 ms.
"""

from collections.abc import Callable, Sequence

from gateway.domain.ids import LegName
from gateway.media.engine import LegOptions, MediaEvent, MediaNote
from gateway.media.engines.base import Engine
from gateway.media.engines.packet_leg import PacketLeg
from gateway.media.engines.packet_session import PacketSession
from gateway.media.engines.rtp_leg import RtpLeg
from gateway.media.engines.secured_rtp_leg import SecuredRtpLeg
from gateway.media.engines.webrtc_leg import WebRtcLeg


class AiortcEngine(Engine[PacketLeg, PacketSession]):
    """See `MediaEngine`."""

    def _session(
        self, cname: str, on_event: Callable[[MediaEvent], None], on_note: Callable[[MediaNote], None]
    ) -> PacketSession:
        return PacketSession(
            on_event=on_event,
            preference=self._settings.preference,
            cname=cname,
            sounds=self._sounds,
            on_note=on_note,
            shows_reports=self._shows_reports,
        )

    def _browser_leg(
        self, session: PacketSession, name: LegName, codecs: Sequence[str], options: LegOptions, cname: str
    ) -> PacketLeg:
        return WebRtcLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            ports=self._ports,
            certificate=self._certificate,
            cname=cname,
            observer=session,
            options=options,
        )

    def _plain_leg(
        self, session: PacketSession, name: LegName, codecs: Sequence[str], options: LegOptions
    ) -> PacketLeg:
        return RtpLeg(
            name, allowed=codecs, settings=self._settings, ports=self._ports, observer=session, options=options
        )

    def _secured_leg(
        self, session: PacketSession, name: LegName, codecs: Sequence[str], options: LegOptions
    ) -> PacketLeg:
        return SecuredRtpLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            ports=self._ports,
            certificate=self._certificate,
            observer=session,
            options=options,
        )
