"""The far end's audio of one lab call: a pair of UDP sockets, one stream each way, no task of its own.

Frames leave by absolute deadlines of the loop's clock; an echo leaves while its packet is still being read.
"""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.lab import sdp
from gateway.lab.hearing import Digit, Hearing
from gateway.lab.rtcp_peer import RtcpPeer
from gateway.lab.rtp_sockets import READS_AT_ONCE, Address, bind_pair, read
from gateway.lab.rtp_stream import FRAME_S, OutgoingStream, digit_frames, encode, frames
from gateway.lab.scenario import DigitTones, Echo, Music, Silence, Sound, Tone
from gateway.media.core import rtp

MAX_DIGIT_FRAMES: Final = 3000
"""Frames of digits that wait to be played, one minute; digits beyond are not repeated."""

_FRAMES_AT_ONCE: Final = 5
"""Frames sent to make up for a late loop; what is older is left out, and the timestamp tells so."""


@dataclass(slots=True)
class Counts:
    """Packets of one peer that are not in `Hearing`."""

    sent: int = 0
    unsent: int = 0
    """The socket would not take them."""
    rejected: int = 0
    """Not RTP, or from somebody else than the far end."""


class RtpPeer:
    """Offers and answers one audio stream, plays a sound or echoes, and listens.

    The owner calls `close`; everything else returns at once. Offer/answer methods raise `LabSdpError` and leave
    the stream as it was.
    """

    def __init__(self, host: str, *, is_g711_only: bool) -> None:
        """Bind the sockets.

        Raises:
            NoLabPort: see there.
        """
        self._loop = asyncio.get_running_loop()
        self._supported = sdp.G711_CODECS if is_g711_only else sdp.ALL_CODECS
        self._sockets = list(bind_pair(host))
        self._rtp, rtcp = self._sockets
        self._rtcp_socket = rtcp
        self.host, self.port = self._rtp.getsockname()
        self._session_id = secrets.randbits(31)
        self._version = 0
        self._written: tuple[Mapping[int, sdp.Codec], sdp.Way, sdp.Stream | None] | None = None
        self._remote: sdp.Stream | None = None
        self._agreed: sdp.Agreed | None = None
        self._stream: OutgoingStream | None = None
        self._source: Address | None = None
        self._sound: Sound | None = None
        self._digit_frames: deque[bytes] = deque()
        self._frame_index = 0
        self._offered: Mapping[int, sdp.Codec] = sdp.OFFERED
        self._is_holding = False
        self.is_mute = False
        """Whether it sends no RTP any more."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._rtcp: RtcpPeer | None = None
        self.hearing: Hearing | None = None
        self.counts = Counts()
        self._loop.add_reader(self._rtp, self._on_readable, self._rtp)

    @property
    def codec(self) -> sdp.Codec | None:
        """What both sides speak, None before they have agreed."""
        return None if self._agreed is None else self._agreed.codec

    def offer(self) -> Sdp:
        """Our offer: G.711 and telephone-event."""
        return self._offer(sdp.OFFERED)

    def reoffer(self, *, is_holding: bool, codec: sdp.Codec | None = None) -> Sdp:
        """Offer again what was agreed: held or not, or with that codec of G.711 instead.

        Whether we hold counts at once, in answers too; the codec when `accept` has taken the answer.
        """
        agreed = self._agreed
        assert agreed is not None, "there is nothing to change before the first agreement"
        self._is_holding = is_holding
        offered = {agreed.audio_from: agreed.codec} if codec is None else sdp.payload_types(codec)
        if agreed.event_from is not None:
            offered[agreed.event_from] = sdp.Codec(sdp.TELEPHONE_EVENT, agreed.codec.clock_rate)
        return self._offer(offered)

    def _offer(self, codecs: Mapping[int, sdp.Codec]) -> Sdp:
        self._offered = codecs
        return self._write(codecs, sdp.Way.SENDONLY if self._is_holding else sdp.Way.SENDRECV, None)

    def answer(self, offer: Sdp) -> Sdp:
        """Take the far end's offer, the first or a later one, and answer it."""
        remote = sdp.parse(offer)
        agreed = sdp.agree(remote, self._supported)
        self._apply(remote, agreed)
        codecs = {agreed.audio_from: agreed.codec}
        if agreed.event_from is not None:
            codecs[agreed.event_from] = sdp.Codec(sdp.TELEPHONE_EVENT, agreed.codec.clock_rate)
        return self._write(codecs, remote.way.answer.held if self._is_holding else remote.way.answer, remote)

    def accept(self, answer: Sdp) -> None:
        """Take the answer to our offer; the same one may come twice (183, then 200)."""
        remote = sdp.parse(answer)
        self._apply(remote, sdp.agree(remote, sdp.ALL_CODECS, ours=self._offered))

    def play(self, sound: Sound) -> None:
        """Send this from now on, instead of what was sent before."""
        self._sound, self._frame_index = sound, 0
        self._digit_frames.clear()
        self._stop_timer()
        if not isinstance(sound, Echo) and not self._is_closed:
            self._timer = self._loop.call_at(self._loop.time(), self._send_frames, self._loop.time())

    def mute(self) -> None:
        """Send no RTP any more; reports go on."""
        self.is_mute = True

    def move(self) -> None:
        """Send from another port from now on, and listen at both. Reports stay where they are.

        Raises:
            NoLabPort: see there.
        """
        rtp, rtcp = bind_pair(self.host)
        self._sockets += [rtp, rtcp]
        self._rtp, self.port = rtp, rtp.getsockname()[1]
        self._loop.add_reader(rtp, self._on_readable, rtp)

    def close(self) -> None:
        """Release the sockets and the timer; idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop_timer()
        if self._rtcp is not None:
            self._rtcp.close()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()

    def _write(self, codecs: Mapping[int, sdp.Codec], way: sdp.Way, answered: sdp.Stream | None) -> Sdp:
        written = (codecs, way, answered)
        if written != self._written:  # RFC 3264 section 8: the version tells whether it changed
            self._written, self._version = written, self._version + 1
        return sdp.write(
            address=self.host,
            port=self.port,
            codecs=codecs,
            way=way,
            session_id=self._session_id,
            version=self._version,
            answered=answered,
        )

    def _apply(self, remote: sdp.Stream, agreed: sdp.Agreed) -> None:
        if self._remote is None or (remote.address, remote.port) != (self._remote.address, self._remote.port):
            self._source = None
        self._remote = remote
        if agreed == self._agreed:
            return
        self.hearing = Hearing(agreed) if self.hearing is None else self.hearing.continued(agreed)
        if self._agreed is None or agreed.codec != self._agreed.codec:
            self._begin_stream(agreed, self.hearing)
        self._agreed = agreed

    def _begin_stream(self, agreed: sdp.Agreed, hearing: Hearing) -> None:
        """A new source: the clock of a stream does not change."""
        self._stream = OutgoingStream(
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(15),
            timestamp=secrets.randbits(32),
            clock_rate=agreed.codec.clock_rate,
            now=self._loop.time(),
        )
        if self._rtcp is not None:
            self._rtcp.close()
        self._rtcp = RtcpPeer(self._rtcp_socket, self._stream, hearing.stats, self._far_end)

    def _far_end(self) -> Address | None:
        """Where our RTP goes: where theirs comes from, else the address of their SDP."""
        if self._source is not None or self._remote is None:
            return self._source
        return self._remote.address, self._remote.port

    def _send_frames(self, due: float) -> None:
        """Send the frames that are due at or before now, and come back at the next one's time."""
        now = self._loop.time()
        late = int((now - due) / FRAME_S) - _FRAMES_AT_ONCE
        if late > 0 and self._stream is not None:
            self._stream.pause()
            due += late * FRAME_S
        while due <= now:
            self._send_frame(due)
            due += FRAME_S
        self._timer = self._loop.call_at(due, self._send_frames, due)

    def _send_frame(self, now: float) -> None:
        sound, stream, agreed = self._sound, self._stream, self._agreed
        if stream is None or agreed is None or sound is None or isinstance(sound, Echo):
            return
        if self._remote is None or self._remote.is_held or agreed.codec not in sdp.G711_CODECS:
            stream.pause()
            return
        self._send(stream.frame(agreed.audio_to, self._next_payload(sound, agreed.codec), now=now))

    def _next_payload(self, sound: Tone | Silence | Music | DigitTones, codec: sdp.Codec) -> bytes:
        if isinstance(sound, DigitTones):
            return encode(codec, self._digit_frames.popleft()) if self._digit_frames else frames(Silence(), codec)[0]
        payloads = frames(sound, codec)
        self._frame_index += 1
        return payloads[(self._frame_index - 1) % len(payloads)]

    def _send(self, packet: rtp.RtpPacket) -> None:
        far_end = self._far_end()
        assert far_end is not None
        if self.is_mute:
            return
        try:
            self._rtp.sendto(rtp.serialize(packet), far_end)
        except OSError:  # full, or nobody there: RTP has no second try
            self.counts.unsent += 1
        else:
            self.counts.sent += 1

    def _on_readable(self, sock: socket.socket) -> None:
        for _ in range(READS_AT_ONCE):
            received = read(sock)
            if received is None:
                return
            data, source = received
            if not self._is_from_far_end(source):
                self.counts.rejected += 1
                continue
            try:
                packet = rtp.parse(data)
            except rtp.RtpParseError:
                self.counts.rejected += 1
                continue
            self._receive(packet, source)

    def _is_from_far_end(self, source: Address) -> bool:
        """The address of its SDP; or, until that one sends, the first that does (it may be behind NAT)."""
        if self._remote is None:
            return False
        return self._source in (None, source) or source == (self._remote.address, self._remote.port)

    def _receive(self, packet: rtp.RtpPacket, source: Address) -> None:
        now = self._loop.time()
        assert self.hearing is not None and self._remote is not None and self._agreed is not None
        self._source = source
        self.hearing.receive(packet, now)
        self._repeat(self.hearing.take_finished())
        if not isinstance(self._sound, Echo) or self._stream is None or self._remote.is_held:
            return
        payload_type = self._agreed.payload_type_to(packet.payload_type)
        if payload_type is None:
            return
        packet.payload_type = payload_type
        echoed = self._stream.echo(packet, now=now)
        if echoed is not None:
            self._send(echoed)

    def _repeat(self, digits: list[Digit]) -> None:
        for one in digits if isinstance(self._sound, DigitTones) else ():
            if len(self._digit_frames) < MAX_DIGIT_FRAMES:
                self._digit_frames.extend(digit_frames(one.digit, one.duration))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
