"""A browser's leg: SRTP over the path of `ice_transport` with the keys of `dtls`, and the SDP that sets up both.

The two change at their own pace: an ICE restart finds another path and keeps the DTLS association, another
certificate (which is another peer connection, such as a reloaded page) makes a new association on a new path.
Sources: RFC 8829, 8839, 8842.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import pylibsrtp

from gateway.domain.ids import LegName
from gateway.media.core.rtp import RtpPacket, is_rtcp, serialize
from gateway.media.core.sdp import Audio, Format, SessionDescription, Setup
from gateway.media.core.sdp_parser import parse_candidate
from gateway.media.core.source_lock import Address
from gateway.media.core.unbroken_sequence import UnbrokenSequence
from gateway.media.engine import DEFAULT_OPTIONS, BadSdp, LegOptions
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState, is_checkable
from gateway.media.engines.early_flights import EarlyFlights
from gateway.media.engines.ice_transport import IceTransport
from gateway.media.engines.leg import PACKET_TIME, Leg, LegObserver, UnsupportedMedia
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings

_MAX_PLAIN: Final = 1300
"""Longest packet that still fits a datagram once it is protected."""


class WebRtcLeg(Leg):
    """See `Leg`. Ready when a path is found and the handshake on it is through."""

    may_keep_opus = True
    needs_continuity = True
    longest_pause = 0.150  # far above jitter, below what an ear or a trunk takes for an end: a page that reloads

    def __init__(
        self,
        name: LegName,
        *,
        allowed: Sequence[str],
        settings: MediaSettings,
        ports: PortPool,
        certificate: Certificate,
        cname: str,
        observer: LegObserver,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(name, allowed=allowed, address=settings.advertised[0], observer=observer, options=options)
        self._settings = settings
        self._certificate = certificate
        self._cname = cname
        self._msid = f"{secrets.token_hex(8)} {secrets.token_hex(8)}"
        self._loop = asyncio.get_running_loop()
        self._ice = IceTransport(
            settings, ports, on_datagram=self._receive, on_path=self._take_path, on_failed=self._fail
        )
        self._dtls: DtlsAssociation | None = None
        self._dtls_deadline: float | None = None
        self._early = EarlyFlights()
        self._sequence = UnbrokenSequence()
        self._has_failed = False
        self._is_path_awaited = False
        """An offer of ours was answered by the peer connection that was there: its new path makes the leg ready."""

    @property
    def is_ready(self) -> bool:
        """See `Leg`."""
        return self._ice.path is not None and self._dtls is not None and self._dtls.state is DtlsState.CONNECTED

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
        return self._ice.send(protected)

    def next_deadline(self) -> float | None:
        """The next step of the handshake, or its end."""
        if self._dtls is None or self._dtls.state is not DtlsState.HANDSHAKING or self._dtls_deadline is None:
            return None
        flight = self._dtls.next_deadline()
        return self._dtls_deadline if flight is None else min(flight, self._dtls_deadline)

    def handle_timeout(self, now: float) -> None:
        """See `Leg`."""
        if self._dtls is None or self._dtls.state is not DtlsState.HANDSHAKING:
            return
        if self._dtls_deadline is not None and now >= self._dtls_deadline:
            self._fail("dtls_failed")
            return
        self._dtls.handle_timeout(now)
        self._follow_dtls(was=DtlsState.HANDSHAKING)

    async def add_candidate(self, candidate: str | None) -> None:
        """See `Leg`. None changes nothing: checks end at their deadline, not with the last candidate."""
        parsed = parse_candidate(candidate) if candidate else None
        if parsed is not None:
            await self._ice.trickle(parsed)

    async def close(self) -> None:
        """See `Leg`."""
        if self._dtls is not None:
            self._dtls.close()
        await self._ice.close()

    # SDP

    def _check(self, description: SessionDescription, *, is_offer: bool) -> None:
        audio = description.audio
        if "SAVP" not in audio.protocol.upper():
            raise UnsupportedMedia(f"transport {audio.protocol!r}, this leg speaks UDP/TLS/RTP/SAVPF")
        if audio.ice is None:
            raise BadSdp("no ICE credentials")
        if not is_checkable(audio.fingerprints):
            raise BadSdp("no a=fingerprint with sha-256, sha-384 or sha-512")
        if not audio.is_rtcp_mux:
            raise UnsupportedMedia("no a=rtcp-mux")  # RFC 8834 section 4.5
        if audio.setup is Setup.HOLDCONN or (audio.setup is Setup.ACTPASS and not is_offer):
            raise BadSdp(f"a=setup:{audio.setup.value} is of no use here")

    async def _prepare_answer(self, description: SessionDescription) -> None:
        self._ice.open()
        audio = description.audio
        assert audio.ice is not None
        if not self._ice.resume(audio.ice):
            # RFC 8839 section 4.4.1.1.1: other credentials are a restart. Its offerer controls, unless it is lite.
            self._early.clear()
            self._ice.begin(is_controlling=description.is_ice_lite).set_remote(audio.ice)
        await self._ice.add_candidates(audio.ice, audio.candidates)

    async def _complete_answer(self, description: SessionDescription) -> None:
        audio = description.audio
        self._use_association(audio, is_client=self._is_client(audio))
        self._ice.run()

    async def _prepare_offer(self) -> None:
        self._ice.open()
        # Each offer of ours restarts ICE: whether the browser is still the same page is not known here.
        self._early.clear()
        self._ice.begin(is_controlling=True)

    async def _complete_offer(self, description: SessionDescription) -> None:
        audio, latest = description.audio, self._ice.latest
        assert audio.ice is not None and latest is not None
        if latest.is_running and latest.remote != audio.ice:
            raise BadSdp("a second answer with other ICE credentials")  # one offer, one peer connection
        latest.set_remote(audio.ice)
        await self._ice.add_candidates(audio.ice, audio.candidates)
        # RFC 4145 section 4.1: an answer without a=setup is passive
        is_client = audio.setup is not Setup.ACTIVE
        self._is_path_awaited = self._is_kept(audio, is_client=is_client)
        self._use_association(audio, is_client=is_client)
        self._ice.run()

    def _is_client(self, offer: Audio) -> bool:
        """Our role in answer to an offer: the server's only if the far end insists on the client's.

        Why client: the handshake starts with our hello as soon as a path is nominated, instead of when the browser
        has found out that it may; and nobody's hello is ever read. An offer without `a=setup` is active (RFC 4145).
        """
        if self._is_same_peer(offer) and offer.setup is Setup.ACTPASS:
            assert self._dtls is not None
            return self._dtls.is_client  # RFC 8842 section 5.3: the association goes on, so do its roles
        return offer.setup in (Setup.ACTPASS, Setup.PASSIVE)

    def _is_same_peer(self, audio: Audio) -> bool:
        return (
            self._dtls is not None
            and self._dtls.state in (DtlsState.NEW, DtlsState.HANDSHAKING, DtlsState.CONNECTED)
            and self._dtls.fingerprints == frozenset(audio.fingerprints)
        )

    def _local_audio(self, formats: tuple[Format, ...]) -> Audio:
        generation = self._ice.latest
        assert generation is not None
        return Audio(
            port=generation.candidates[0].port,
            protocol="UDP/TLS/RTP/SAVPF",
            formats=formats,
            address=self._address,
            ptime=PACKET_TIME,
            rtcp=(9, "0.0.0.0"),  # noqa: S104 - RFC 8829 section 5.2.1 wants this line, and mux makes it void
            is_rtcp_mux=True,
            mid="0" if self.remote is None or self.remote.mid is None else self.remote.mid,
            ice=generation.credentials,
            candidates=generation.candidates,
            is_end_of_candidates=True,
            fingerprints=(self._certificate.fingerprint,),
            setup=Setup.ACTPASS,
            ssrc=self.ssrc,
            cname=self._cname,
            msid=self._msid,
        )

    def _adapt_answer(self, local: Audio, offer: SessionDescription) -> Audio:
        assert self._dtls is not None
        return replace(local, setup=Setup.ACTIVE if self._dtls.is_client else Setup.PASSIVE)

    # DTLS

    def _use_association(self, audio: Audio, *, is_client: bool) -> None:
        """Keep the association with a peer that is the same and plays the same role, else make a new one."""
        if self._is_kept(audio, is_client=is_client):
            return
        if self._dtls is not None:
            self._dtls.close()
            self._ice.abandon()
            self._has_failed = False
        self._dtls = DtlsAssociation(
            self._certificate, is_client=is_client, fingerprints=audio.fingerprints, send=self._send_flight
        )
        self._begin_handshake()

    def _is_kept(self, audio: Audio, *, is_client: bool) -> bool:
        return self._is_same_peer(audio) and self._dtls is not None and self._dtls.is_client is is_client

    def _take_path(self) -> None:
        """A path was found, or has changed: the association that is there goes on upon it, or one begins."""
        self._begin_handshake()
        if (path := self._ice.path) is not None:
            self._observer.leg_noted(
                self, f"ICE path, our port {path.udp.port}, {path.remote[0]} port {path.remote[1]}"
            )
            for datagram in self._early.take(path.udp.port, path.remote):
                self._receive_dtls(path.udp.port, datagram, path.remote)
        if self.is_ready:
            is_news = self._has_failed or self._is_path_awaited
            self._has_failed = self._is_path_awaited = False
            if is_news:
                self._observer.leg_ready(self)

    def _begin_handshake(self) -> None:
        dtls = self._dtls
        if dtls is None or dtls.state is not DtlsState.NEW or self._ice.path is None:
            return
        now = self._loop.time()
        self._dtls_deadline = now + self._settings.dtls_timeout
        dtls.start(now)
        for datagram in self._early.take(self._ice.path.udp.port, self._ice.path.remote):
            dtls.receive(datagram, now)
        self._follow_dtls(was=DtlsState.NEW)

    def _send_flight(self, datagram: bytes) -> None:
        self._ice.send(datagram)

    def _follow_dtls(self, *, was: DtlsState) -> None:
        """Report what has become of the association since it was in that state."""
        assert self._dtls is not None
        match self._dtls.state:
            case state if state is was:
                pass
            case DtlsState.CONNECTED:
                role = "client" if self._dtls.is_client else "server"
                self._observer.leg_noted(self, f"DTLS is through, we are the {role}, {self._dtls.profile_name}")
                self._observer.leg_ready(self)
            case DtlsState.FAILED:
                self._fail("dtls_failed")
            case DtlsState.CLOSED:
                self._fail("dtls_failed" if was is DtlsState.HANDSHAKING else "dtls_closed")
            case _:
                pass
        self._observer.deadline_changed(self)

    def _fail(self, reason: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._observer.leg_failed(self, reason)

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
        if not self._ice.may_send_srtp(local_port, source):
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

    def _receive_dtls(self, local_port: int, data: bytes, source: Address) -> None:
        is_allowed = self._ice.is_allowed(local_port, source)
        is_early = self._dtls is None or self._dtls.state is DtlsState.NEW or not is_allowed
        if is_early and (is_allowed or self._ice.is_asking(local_port, source)):
            if not self._early.keep(local_port, source, data):
                self.reject("source")
            return
        if not is_allowed or self._dtls is None:
            self.reject("source")
            return
        was = self._dtls.state
        self._dtls.receive(data, self._loop.time())
        self._follow_dtls(was=was)

    def _receive_stun(self, local_port: int, data: bytes, source: Address) -> None:
        reason = self._ice.receive_stun(local_port, data, source)
        if reason is not None:
            self.reject(reason)
