"""The browser's end of a call: ICE and DTLS on one socket, which the generator takes over afterwards."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from aioice import stun

from gateway.domain.ids import Sdp
from gateway.media.core.sdp import Fingerprint
from gateway.media.engines.dtls import Certificate, DtlsAssociation, DtlsState
from gateway.media.engines.srtp import SrtpKey
from tests.bench.media.cases import SUITE, Codec
from tests.bench.media.network import ADDRESS
from tests.bench.media.sip_end import udp_socket, value_of

DEADLINE: Final = 20.0
"""Seconds for ICE and DTLS."""

REPEAT: Final = 0.1
"""Seconds after which a check is sent again."""

PRIORITY: Final = 0x6E7FFFFF
_LIVE: Final = (DtlsState.HANDSHAKING, DtlsState.CONNECTED)


def browser_certificate() -> Certificate:
    """One for all browsers of a run; it offers the one suite that is measured."""
    certificate = Certificate()
    certificate.context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    return certificate


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of ICE."""

    ufrag: str
    password: str


class WebEnd:
    """Controlling, one candidate, one check that nominates: what a browser does, once it knows what it wants."""

    def __init__(self, codec: Codec, certificate: Certificate) -> None:
        self._codec, self._certificate = codec, certificate
        self.socket = udp_socket(0)
        self.ssrc = secrets.randbits(31) + 1
        self.local = Credentials(secrets.token_hex(4), secrets.token_hex(12))
        self.remote = Credentials("", "")
        self.server_address = ("", 0)
        self.keys: tuple[SrtpKey, SrtpKey] | None = None
        """Ours and theirs, once DTLS is through."""
        self._is_nominated = False
        self._association: DtlsAssociation | None = None

    def offer(self) -> Sdp:
        """An offer with its candidate in it."""
        port, codec, fingerprint = self.socket.getsockname()[1], self._codec, self._certificate.fingerprint
        return Sdp(
            f"v=0\r\no=- {secrets.randbits(40)} 2 IN IP4 {ADDRESS}\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
            f"m=audio {port} UDP/TLS/RTP/SAVPF {codec.payload_type}\r\nc=IN IP4 {ADDRESS}\r\n"
            f"a=candidate:1 1 udp 2130706431 {ADDRESS} {port} typ host\r\na=end-of-candidates\r\n"
            f"a=ice-ufrag:{self.local.ufrag}\r\na=ice-pwd:{self.local.password}\r\n"
            f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}\r\na=setup:actpass\r\na=mid:0\r\n"
            f"a=rtcp-mux\r\na=sendrecv\r\na=rtpmap:{codec.payload_type} {codec.rtpmap}\r\na=ptime:20\r\n"
            # Janus takes a stream whose SSRC it has been told, and no other
            f"a=ssrc:{self.ssrc} cname:bench\r\na=msid:bench audio\r\n"
        )

    async def connect(self, answer: str) -> None:
        """ICE and DTLS with whom the answer names.

        Raises:
            TimeoutError: not through within the deadline.
            ConnectionError: the handshake failed.
        """
        loop = asyncio.get_running_loop()
        self.remote = Credentials(value_of(answer, "ice-ufrag"), value_of(answer, "ice-pwd"))
        self.server_address = _candidate(answer)
        self.socket.connect(self.server_address)
        algorithm, value = value_of(answer, "fingerprint").split()
        self._association = association = DtlsAssociation(
            self._certificate,
            is_client=value_of(answer, "setup") == "passive",
            fingerprints=(Fingerprint(algorithm.lower(), value.upper()),),
            send=self._send,
        )
        self._check()
        async with asyncio.timeout(DEADLINE):
            while not (self._is_nominated and association.state is DtlsState.CONNECTED):
                datagram = await self._next()
                if datagram is not None:
                    self._take(datagram, loop.time())
                elif not self._is_nominated:
                    self._check()
                else:
                    association.handle_timeout(loop.time())
                if association.state not in (DtlsState.NEW, *_LIVE):
                    raise ConnectionError(f"DTLS: {association.state.name.lower()}")
        assert association.keys is not None
        assert association.profile_name == SUITE
        self.keys = association.keys

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()

    def _send(self, datagram: bytes) -> None:
        self.socket.send(datagram)

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(REPEAT):
                return await asyncio.get_running_loop().sock_recv(self.socket, 2048)
        except (TimeoutError, ConnectionRefusedError):  # refused: the server has no socket there yet
            return None

    def _take(self, datagram: bytes, now: float) -> None:
        assert self._association is not None
        if 20 <= datagram[0] < 64:
            if self._association.state is DtlsState.NEW:
                self._association.start(now)
            self._association.receive(datagram, now)
        elif datagram[0] < 4:
            self._take_check(stun.parse_message(datagram), now)

    def _take_check(self, message: stun.Message, now: float) -> None:
        assert self._association is not None
        if message.message_class == stun.Class.REQUEST:
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self.server_address
            answer.add_message_integrity(self.local.password.encode())
            self.socket.send(bytes(answer))
        elif message.message_class == stun.Class.RESPONSE and not self._is_nominated:
            self._is_nominated = True
            if self._association.state is DtlsState.NEW:
                self._association.start(now)

    def _check(self) -> None:
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{self.remote.ufrag}:{self.local.ufrag}"
        check.attributes["PRIORITY"] = PRIORITY
        check.attributes["ICE-CONTROLLING"] = (1 << 64) - 1
        check.attributes["USE-CANDIDATE"] = None
        check.add_message_integrity(self.remote.password.encode())
        self.socket.send(bytes(check))


def _candidate(answer: str) -> tuple[str, int]:
    for line in answer.splitlines():
        words = line.split()
        if line.startswith("a=candidate:") and words[1] == "1" and words[2].lower() == "udp":
            return words[4], int(words[5])
    raise ValueError("no candidate in an answer")
