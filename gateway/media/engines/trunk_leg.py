"""A SIP trunk's leg: RTP/AVP, RTCP beside it, and the descriptions that set it up. Packets are its engine's."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.ids import LegName
from gateway.media.core.keying import PLAIN
from gateway.media.core.negotiate import Agreement
from gateway.media.core.sdp import Audio, Direction, Format, SessionDescription, is_ip_address
from gateway.media.core.source_lock import SourceLock, is_behind_nat
from gateway.media.engine import DEFAULT_OPTIONS, BadSdp, EncryptionRefused, LegOptions
from gateway.media.engines.leg import PACKET_TIME, Leg, Observer, UnsupportedMedia
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings

_ENCRYPTED: Final = ("/SAVP", "/SAVPF")
"""How the names of the protocols end that are SRTP, whatever the keys come by (RFC 4568, RFC 5764)."""
_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104 - what a peer writes to hold a call (RFC 3264 section 8.4)


class TrunkLeg(Leg[Observer]):
    """See `Leg`. Ready as soon as the far end's address is known."""

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        observer: Observer,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(name, allowed=allowed, address=settings.advertised[0], observer=observer, options=options)
        self._settings = settings
        self._ports = ports
        self._port: int | None = None
        """Of RTP, once it is open."""
        self._rtp_lock = SourceLock(None, any_address=False)
        self._rtcp_lock = SourceLock(None, any_address=False)
        self._is_mux = False
        self._has_failed = False
        self._loop = asyncio.get_running_loop()

    @property
    def is_ready(self) -> bool:
        """Whether the first exchange is through. A held leg, which named no address, is ready too."""
        return self.agreement is not None and self._port is not None

    def next_deadline(self) -> float | None:
        """See `Leg`. Descriptions know no time."""
        return None

    def handle_timeout(self, now: float) -> None:
        """See `Leg`."""

    def _fail(self, reason: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._observer.leg_failed(self, reason)

    async def close(self) -> None:
        """See `Leg`."""
        self._port = None

    async def add_candidate(self, candidate: str | None) -> None:
        """Plain RTP has no candidates: nothing to do."""

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

    @abstractmethod
    def _open(self) -> None:
        """Open the sockets, and set `_port`, unless that has been done. Raises NoFreePort."""

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
        rtp = (remote.address, remote.port)
        self._rtp_lock = self._rtp_lock.renewed(None if is_held else rtp, any_address=any_address)
        self._rtcp_lock = self._rtcp_lock.renewed(None if is_held else rtcp, any_address=False)
        self._is_mux = remote.is_rtcp_mux
        self._sources_changed()
        self._observer.leg_noted(
            self, f"{remote.protocol}, our port {self._port or 0}, {remote.address} port {remote.port}"
        )

    @abstractmethod
    def _sources_changed(self) -> None:
        """Packets come from, and go to, where the locks say."""

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
        assert self._port is not None
        return Audio(port=self._port, protocol="RTP/AVP", formats=formats, address=self._address, ptime=PACKET_TIME)

    def _adapt_answer(self, local: Audio, offer: SessionDescription) -> Audio:
        return replace(local, is_rtcp_mux=offer.audio.is_rtcp_mux)
