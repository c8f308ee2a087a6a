"""The embedded media engine: aioice for ICE, OpenSSL for DTLS, libsrtp for SRTP, and the RTP itself is ours.

The name is that of the stack it grew from. aiortc's own transports and tracks are not used: they decode, buffer
and queue every packet, which costs ten times the work and some 80 ms.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from gateway.domain.ids import CallId, LegName
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions, MediaEvent, MediaNote, Profile, unnoted
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.packet_leg import PacketLeg, PacketObserver
from gateway.media.engines.packet_session import PacketSession
from gateway.media.engines.rtp_leg import RtpLeg
from gateway.media.engines.secured_rtp_leg import SecuredRtpLeg
from gateway.media.engines.webrtc_leg import WebRtcLeg
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings
from gateway.media.sounds import Sounds


class AiortcEngine:
    """See `MediaEngine`."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._certificate: Certificate | None = None
        self._ports: PortPool | None = None
        self._sessions: set[PacketSession] = set()
        self._sounds = Sounds()

    async def start(self) -> None:
        """See `MediaEngine`. Nothing is shared but a certificate, made here, and the ports."""
        self._certificate = Certificate()
        self._ports = PortPool(
            self._settings.port_range,
            quarantine=self._settings.port_quarantine,
            clock=asyncio.get_running_loop().time,
        )

    async def open(
        self,
        *,
        call_id: CallId,
        a: Profile,
        b: Profile,
        codecs_a: Sequence[str],
        codecs_b: Sequence[str],
        on_event: Callable[[MediaEvent], None],
        options_a: LegOptions = DEFAULT_OPTIONS,
        options_b: LegOptions = DEFAULT_OPTIONS,
        on_note: Callable[[MediaNote], None] = unnoted,
    ) -> PacketSession:
        """See `MediaEngine`. Takes no port yet: each leg does with its first description.

        Raises:
            ValueError: before `start`, or no codec is allowed.
        """
        cname = secrets.token_urlsafe(12)  # RFC 7022 section 4.2: short-term, random
        session = PacketSession(
            on_event=on_event,
            preference=self._settings.preference,
            cname=cname,
            sounds=self._sounds,
            on_note=on_note,
        )
        session.make_leg = partial(self._leg, cname, session)
        session.add_legs(
            session.make_leg(LegName.A, a, codecs_a, options_a), session.make_leg(LegName.B, b, codecs_b, options_b)
        )
        session.on_closed = lambda: self._sessions.discard(session)
        self._sessions.add(session)
        return session

    async def stop(self) -> None:
        """See `MediaEngine`."""
        for session in tuple(self._sessions):
            await session.close()
        await self._sounds.close()

    def _leg(
        self,
        cname: str,
        observer: PacketObserver,
        name: LegName,
        profile: Profile,
        codecs: Sequence[str],
        options: LegOptions,
    ) -> PacketLeg:
        if self._certificate is None or self._ports is None:
            raise ValueError("the engine has not been started")
        if not codecs:
            raise ValueError(f"no codec is allowed for leg {name.value}")
        if profile is Profile.RTP and options.encryption is not MediaEncryption.OFF:
            return SecuredRtpLeg(
                name,
                allowed=codecs,
                settings=self._settings,
                ports=self._ports,
                certificate=self._certificate,
                observer=observer,
                options=options,
            )
        if profile is Profile.RTP:
            return RtpLeg(
                name,
                allowed=codecs,
                settings=self._settings,
                ports=self._ports,
                observer=observer,
                options=options,
            )
        return WebRtcLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            ports=self._ports,
            certificate=self._certificate,
            cname=cname,
            observer=observer,
            options=options,
        )
