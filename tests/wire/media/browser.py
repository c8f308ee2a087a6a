"""The far end of a browser leg: aioice and aiortc's DTLS transport, so nothing of the engine under test.

RTP goes in and out as packets, below aiortc's tracks and jitter buffers, so that a test can compare payloads.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import aioice
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
    generate_certificate,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket, parse, serialize
from gateway.media.engines.tasks import OwnedTasks, end

LOOPBACK: Final = "127.0.0.1"
CODEC_LINES: Final = {
    "opus": (111, "opus/48000/2"),
    "G722": (9, "G722/8000"),
    "PCMU": (0, "PCMU/8000"),
    "PCMA": (8, "PCMA/8000"),
}
EVENT_LINES: Final = ((110, "telephone-event/48000"), (126, "telephone-event/8000"))


class _Path:
    """What `RTCDtlsTransport` takes for an ICE transport; ICE connections may change below it."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.connection: aioice.Connection | None = None
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue(1000)

    async def _recv(self) -> bytes:
        return await self.inbox.get()

    async def _send(self, data: bytes) -> None:
        if self.connection is not None:
            await self.connection.send(data)


class _Dtls(RTCDtlsTransport):
    """Hands over plain packets instead of decoding them."""

    on_rtp: Callable[[bytes], None]
    on_rtcp: Callable[[bytes], None]

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self.on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.on_rtcp(data)


class RsaCertificate(RTCCertificate):
    """What browsers have whose application asked for RSA (W3C webrtc 4.10.2); aiortc itself knows ECDSA only."""

    @classmethod
    def generate(cls) -> "RsaCertificate":
        key = rsa.generate_private_key(65537, 2048)
        return cls(key, generate_certificate(key))  # type: ignore[arg-type] # it signs with either

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
        return context


@dataclass(frozen=True, slots=True)
class Description:
    """What a browser reads out of the gateway's SDP."""

    lines: Sequence[str]

    def first(self, name: str) -> str:
        return next(line.partition(":")[2] for line in self.lines if line.startswith(f"a={name}:"))

    def all(self, name: str) -> list[str]:
        return [line.partition(":")[2] for line in self.lines if line.startswith(f"a={name}:")]

    @property
    def payload_types(self) -> list[int]:
        media = next(line for line in self.lines if line.startswith("m=audio"))
        return [int(word) for word in media.split()[3:]]


def read(sdp: Sdp) -> Description:
    return Description(sdp.split("\r\n"))


@dataclass
class Browser:
    """One peer connection with one audio line."""

    codecs: Sequence[str] = ("opus", "PCMU", "PCMA")
    direction: str = "sendrecv"
    has_events: bool = True
    certificate: RTCCertificate = field(default_factory=RTCCertificate.generateCertificate)
    ssrc: int = 0x11223344
    is_mute: bool = False
    """Whether it never answers in DTLS."""
    lost_flights: int = 0
    """How many DTLS datagrams the network loses on their way to it."""

    def __post_init__(self) -> None:
        self.tasks = OwnedTasks()
        self.received: asyncio.Queue[RtpPacket] = asyncio.Queue(5000)
        self.reports: asyncio.Queue[bytes] = asyncio.Queue(1000)
        self.connected = asyncio.Event()
        self.dtls_failed = asyncio.Event()
        self.remote: Description | None = None
        self.connections: list[aioice.Connection] = []
        self._path: _Path | None = None
        self._dtls: _Dtls | None = None
        self._version = 0

    @property
    def ice(self) -> aioice.Connection:
        """The latest ICE connection."""
        return self.connections[-1]

    # Descriptions

    async def offer(self, *, candidates: Callable[[list[str]], list[str]] = list, restart: bool = False) -> Sdp:
        """An offer; `candidates` may change the candidate lines. A restart makes new credentials and sockets."""
        if restart or not self.connections:
            await self._gather(is_controlling=True)
        return self._write("actpass", candidates)

    async def answer(self, offer: Sdp, *, setup: str = "active") -> Sdp:
        """Take an offer, answer it, start ICE and DTLS."""
        self.remote = read(offer)
        # As browsers do: what both have, in the order of the offer
        numbers = [line.split()[0] for line in self.remote.all("rtpmap")]
        by_number = {str(CODEC_LINES[name][0]): name for name in self.codecs}
        self.codecs = [by_number[number] for number in numbers if number in by_number]
        await self._gather(is_controlling=False)
        answer = self._write(setup, list)
        await self._start(is_dtls_client=setup == "active")
        return answer

    async def accept(self, answer: Sdp) -> None:
        """Take the answer to the last offer, start ICE and DTLS."""
        self.remote = read(answer)
        await self._start(is_dtls_client=self.remote.first("setup") == "passive")

    def candidate_lines(self) -> list[str]:
        return [f"candidate:{candidate.to_sdp()}" for candidate in self.ice.local_candidates]

    def _write(self, setup: str, candidates: Callable[[list[str]], list[str]]) -> Sdp:
        lines = [CODEC_LINES[name] for name in self.codecs] + (list(EVENT_LINES) if self.has_events else [])
        fingerprint = self.certificate.getFingerprints()[0]
        self._version += 1
        text = [
            "v=0",
            f"o=- 4611731400430051336 {self._version} IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            "a=group:BUNDLE 0",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {' '.join(str(number) for number, _ in lines)}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self.ice.local_username}",
            f"a=ice-pwd:{self.ice.local_password}",
            f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
            f"a=setup:{setup}",
            "a=mid:0",
            f"a={self.direction}",
            "a=rtcp-mux",
            *(f"a=rtpmap:{number} {encoding}" for number, encoding in lines),
            *(f"a={line}" for line in candidates(self.candidate_lines())),
        ]
        return Sdp("\r\n".join(text) + "\r\n")

    # ICE and DTLS

    async def _gather(self, *, is_controlling: bool) -> None:
        connection = aioice.Connection(ice_controlling=is_controlling)
        # gather_candidates() leaves loopback out
        connection._local_candidates = await connection.get_component_candidates(1, [LOOPBACK])
        connection._local_candidates_end = True
        self.connections.append(connection)

    async def _start(self, *, is_dtls_client: bool) -> None:
        assert self.remote is not None
        if self.ice.remote_username is not None:
            return  # no restart
        self.ice.remote_username = self.remote.first("ice-ufrag")
        self.ice.remote_password = self.remote.first("ice-pwd")
        for line in self.remote.all("candidate"):
            await self.ice.add_remote_candidate(aioice.Candidate.from_sdp(line))
        self.tasks.start(self._connect(self.ice, is_dtls_client=is_dtls_client))

    async def _connect(self, connection: aioice.Connection, *, is_dtls_client: bool) -> None:
        try:
            await connection.connect()
        except ConnectionError:
            return
        if self._path is None:
            self._path = _Path("controlled" if is_dtls_client else "controlling")
        self._path.connection = connection
        if self.is_mute:
            return
        self.tasks.start(self._pump(connection))
        if self._dtls is None:
            await self._handshake(self._path)
        else:
            self.connected.set()

    async def _handshake(self, path: _Path) -> None:
        assert self.remote is not None
        algorithm, value = self.remote.first("fingerprint").split()
        self._dtls = _Dtls(path, [self.certificate])  # type: ignore[arg-type] # the three names of it that are used
        self._dtls.on_rtp = lambda data: self.received.put_nowait(parse(data))
        self._dtls.on_rtcp = self.reports.put_nowait
        await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)]))
        (self.connected if self._dtls._state is State.CONNECTED else self.dtls_failed).set()

    async def _pump(self, connection: aioice.Connection) -> None:
        assert self._path is not None
        try:
            while True:
                data = await connection.recv()
                if 19 < data[0] < 64 and self.lost_flights > 0:
                    self.lost_flights -= 1
                else:
                    await self._path.inbox.put(data)
        except ConnectionError:
            return

    # Packets

    def send(self, packet: RtpPacket) -> None:
        """Send one packet as SRTP, now."""
        assert self._dtls is not None
        self.send_raw(self._dtls._tx_srtp.protect(serialize(packet)))

    def send_raw(self, data: bytes) -> None:
        """Send one datagram on the selected pair as it is."""
        assert self._path is not None and self._path.connection is not None
        pair = self._path.connection._nominated[1]
        pair.protocol.transport.sendto(data, pair.remote_addr)

    async def close_dtls(self) -> None:
        """Say close_notify."""
        assert self._dtls is not None
        await self._dtls.stop()

    async def close(self) -> None:
        # First what starts: aiortc's stop() does not see the task that a start() under way is about to make
        await self.tasks.close()
        if self._dtls is not None:
            reader = self._dtls._task
            await self._dtls.stop()
            if reader is not None:
                await end([reader])
        for connection in self.connections:
            await connection.close()
