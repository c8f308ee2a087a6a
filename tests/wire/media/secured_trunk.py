"""The far end of an RTP leg that is encrypted: a trunk with keys in its SDP, or with a handshake on its sockets."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import pylibsrtp

from gateway.domain.ids import Sdp
from gateway.media.core.crypto_line import AES_CM_80, CryptoLine, Suite
from gateway.media.core.rtp import RtpPacket, parse, serialize
from gateway.media.core.sdp import Setup
from gateway.media.core.sdp_parser import parse as parse_sdp
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState
from gateway.media.engines.srtp import SrtpKey, receiver, sender

from .trunk import Trunk

KEY = base64.b64decode("WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz")


@dataclass
class SdesTrunk(Trunk):
    """Writes `a=crypto`, and speaks SRTP with the keys that were exchanged."""

    protocol: str = "RTP/SAVP"
    suite: Suite = AES_CM_80
    key: bytes = b""
    """Empty: one that is as long as the suite wants."""
    tag: int = 1
    lines: Sequence[str] = ()
    """Instead of its own `a=crypto`: whatever a test wants to say."""
    ours: CryptoLine | None = None
    """The gateway's line."""
    _inbound: pylibsrtp.Session | None = None
    _outbound: pylibsrtp.Session | None = None
    _key_in_use: bytes = b""

    def __post_init__(self) -> None:
        if not self.key:
            self.key = KEY if self.suite.length == len(KEY) else bytes(range(self.suite.length))

    def describe(self, *extra: str) -> Sdp:
        text = super().describe(*extra)
        line = f"a=crypto:{self.tag} {self.suite.name} inline:{base64.b64encode(self.key).decode()}"
        for each in self.lines or (line,):
            text = Sdp(text + each + "\r\n")
        return Sdp(text.replace("RTP/AVP", self.protocol))

    def use(self, sdp: Sdp) -> None:
        """Also takes the gateway's key: of the suite that this trunk speaks."""
        super().use(sdp)
        found = [line for line in parse_sdp(sdp).audio.crypto if line.suite == self.suite]
        if not found or found[0] == self.ours:
            return
        self.ours, self.tag = found[0], found[0].tag
        self._inbound = receiver(SrtpKey(self.suite, self.ours.key))

    def rekey(self, key: bytes) -> None:
        """Another key from the next description on; `send` goes on under the one that is in use until then."""
        self.key = key

    @property
    def protection(self) -> pylibsrtp.Session:
        """What protects its packets: begun anew with each key."""
        if self._outbound is None or self._key_in_use != self.key:
            self._outbound, self._key_in_use = sender(SrtpKey(self.suite, self.key)), self.key
        return self._outbound

    def send(self, packet: RtpPacket) -> None:
        self.send_raw(self.protected(packet))

    def protected(self, packet: RtpPacket) -> bytes:
        """The packet as it goes out."""
        return bytes(self.protection.protect(serialize(packet)))

    def send_report(self, report: bytes) -> None:
        self.send_rtcp(bytes(self.protection.protect_rtcp(report)))

    async def packet(self) -> RtpPacket:
        data, _ = await self.received.get()
        return self.read(data)

    def read(self, data: bytes) -> RtpPacket:
        """What the gateway has sent. Raises pylibsrtp.Error when it is not under the gateway's key."""
        assert self._inbound is not None
        return parse(bytes(self._inbound.unprotect(data)))

    async def report(self) -> bytes:
        """The next RTCP packet."""
        assert self._inbound is not None
        data, _ = await self.reports.get()
        return bytes(self._inbound.unprotect_rtcp(data))


@dataclass
class DtlsTrunk(Trunk):
    """Says `a=fingerprint` and `a=setup`, and shakes hands on its RTP socket, and on the RTCP one without rtcp-mux."""

    protocol: str = "UDP/TLS/RTP/SAVP"
    setup: Setup = Setup.ACTPASS
    has_mux: bool = True
    certificate: Certificate = field(default_factory=Certificate)
    told: Certificate | None = None
    """Whose fingerprint it tells, if not its own."""
    association: DtlsAssociation | None = None
    rtcp_association: DtlsAssociation | None = None

    async def open(self) -> Self:
        await super().open()
        self._packets: asyncio.Queue[bytes] = asyncio.Queue(5000)
        self.connected = asyncio.Event()
        self.sources: set[tuple[str, int]] = set()
        loop = asyncio.get_running_loop()
        self._rtp.on_datagram = lambda data, source: self._receive(data, source, loop.time())
        self._rtcp.on_datagram = lambda data, _source: self._receive_rtcp(data, loop.time())
        return self

    def describe(self, *extra: str) -> Sdp:
        fingerprint = (self.told or self.certificate).fingerprint
        lines = [f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}", f"a=setup:{self.setup.value}"]
        lines += ["a=rtcp-mux"] if self.has_mux else []
        return Sdp(super().describe(*lines, *extra).replace("RTP/AVP", self.protocol))

    def use(self, sdp: Sdp) -> None:
        """Take the gateway's description; begin, or wait for its hello, as the roles say."""
        super().use(sdp)
        audio = parse_sdp(sdp).audio
        is_client = audio.setup is Setup.PASSIVE or (audio.setup is Setup.ACTPASS and self.setup is Setup.ACTIVE)
        if self.association is not None and self.association.fingerprints == frozenset(audio.fingerprints):
            return
        now = asyncio.get_running_loop().time()
        self.association = DtlsAssociation(
            self.certificate, is_client=is_client, fingerprints=audio.fingerprints, send=self.send_raw
        )
        self.association.start(now)
        if not (self.has_mux and audio.is_rtcp_mux):
            self.rtcp_association = DtlsAssociation(
                self.certificate, is_client=is_client, fingerprints=audio.fingerprints, send=self.send_rtcp
            )
            self.rtcp_association.start(now)

    def _receive(self, data: bytes, source: tuple[str, int], now: float) -> None:
        if 19 < data[0] < 64:
            if self.association is not None:
                self.association.receive(data, now)
                self.sources.add(source)
                if self.association.state is DtlsState.CONNECTED:
                    self.connected.set()
        elif self.association is not None and self.association.state is DtlsState.CONNECTED:
            self._packets.put_nowait(data)

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        if 19 < data[0] < 64:
            if self.rtcp_association is not None:
                self.rtcp_association.receive(data, now)
        else:
            self.reports.put_nowait((data, ("", 0)))

    def send(self, packet: RtpPacket) -> None:
        """Lost before the handshake is through."""
        if self.association is not None and self.association.state is DtlsState.CONNECTED:
            self.send_raw(self.association.protect(serialize(packet)))

    async def packet(self) -> RtpPacket:
        assert self.association is not None
        while True:
            data = await self._packets.get()
            if not 192 <= data[1] <= 223:
                return parse(self.association.unprotect(data))

    async def report(self) -> bytes:
        """The next RTCP packet, with rtcp-mux or without."""
        if self.rtcp_association is not None:
            return self.rtcp_association.unprotect_rtcp((await self.reports.get())[0])
        assert self.association is not None
        while True:
            data = await self._packets.get()
            if 192 <= data[1] <= 223:
                return self.association.unprotect_rtcp(data)


__all__ = ["KEY", "DtlsTrunk", "SdesTrunk"]
