"""A browser's leg: the descriptions that set up ICE and DTLS, and the handshake. Packets are its engine's.

The two change at their own pace: an ICE restart finds another path and keeps the DTLS association, another
certificate (which is another peer connection, such as a reloaded page) makes a new association on a new path.
Sources: RFC 8829, 8839, 8842.
"""

import asyncio
import secrets
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.domain.ids import LegName
from gateway.media.core.sdp import Audio, Candidate, Format, IceCredentials, SessionDescription, Setup
from gateway.media.core.sdp_parser import parse_candidate
from gateway.media.core.source_lock import Address
from gateway.media.engine import DEFAULT_OPTIONS, BadSdp, LegOptions
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState, is_checkable
from gateway.media.engines.early_flights import EarlyFlights
from gateway.media.engines.leg import PACKET_TIME, Leg, Observer, UnsupportedMedia
from gateway.media.settings import MediaSettings


class Generation(Protocol):
    """One pair of credentials of ours, and of theirs once they are known."""

    @property
    def credentials(self) -> IceCredentials: ...
    @property
    def candidates(self) -> tuple[Candidate, ...]: ...
    @property
    def remote(self) -> IceCredentials | None: ...

    is_running: bool
    """Whether both sides are known, and a path is looked for."""

    def set_remote(self, credentials: IceCredentials) -> None: ...


class FoundPath(Protocol):
    """Where packets go."""

    @property
    def port(self) -> int:
        """Ours."""

    @property
    def remote(self) -> Address: ...


class Ice(Protocol):
    """How a path is found; see `ice_transport.IceTransport`, which says what each method does."""

    @property
    def path(self) -> FoundPath | None: ...
    @property
    def latest(self) -> Generation | None: ...
    def open(self) -> None: ...
    def begin(self, *, is_controlling: bool) -> Generation: ...
    def resume(self, remote: IceCredentials) -> bool: ...
    def abandon(self) -> None: ...
    def run(self) -> None: ...
    async def add_candidates(self, remote: IceCredentials, candidates: Sequence[Candidate]) -> None: ...
    async def trickle(self, candidate: Candidate) -> None: ...
    def send(self, datagram: bytes) -> bool: ...
    def is_allowed(self, local_port: int, source: Address) -> bool: ...
    def is_asking(self, local_port: int, source: Address) -> bool: ...
    async def close(self) -> None: ...


class BrowserLeg(Leg[Observer]):
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
        certificate: Certificate,
        cname: str,
        observer: Observer,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(name, allowed=allowed, address=settings.advertised[0], observer=observer, options=options)
        self._settings = settings
        self._certificate = certificate
        self._cname = cname
        self._msid = f"{secrets.token_hex(8)} {secrets.token_hex(8)}"
        self._loop = asyncio.get_running_loop()
        self._dtls: DtlsAssociation | None = None
        self._dtls_deadline: float | None = None
        self._early = EarlyFlights()
        self._has_failed = False
        self._is_path_awaited = False
        """An offer of ours was answered by the peer connection that was there: its new path makes the leg ready."""

    @property
    @abstractmethod
    def _ice(self) -> Ice:
        """How its path is found."""

    @abstractmethod
    def _keys_changed(self) -> None:
        """Another association, or the one that is there has its keys now."""

    @property
    def is_ready(self) -> bool:
        """See `Leg`."""
        return self._ice.path is not None and self._dtls is not None and self._dtls.state is DtlsState.CONNECTED

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
        self._keys_changed()
        self._begin_handshake()

    def _is_kept(self, audio: Audio, *, is_client: bool) -> bool:
        return self._is_same_peer(audio) and self._dtls is not None and self._dtls.is_client is is_client

    def _take_path(self) -> None:
        """A path was found, or has changed: the association that is there goes on upon it, or one begins."""
        self._begin_handshake()
        if (path := self._ice.path) is not None:
            self._observer.leg_noted(self, f"ICE path, our port {path.port}, {path.remote[0]} port {path.remote[1]}")
            for datagram in self._early.take(path.port, path.remote):
                self._receive_dtls(path.port, datagram, path.remote)
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
        for datagram in self._early.take(self._ice.path.port, self._ice.path.remote):
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
                self._keys_changed()
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
