"""The media of one call whose packets come and go in Python: a pipeline each way, RTCP on either side, one timer."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import SystemRandom
from typing import Final

from gateway.domain.client_media import DtmfMode
from gateway.domain.ids import LegName
from gateway.media.core.codec import LegCodec
from gateway.media.core.negotiate import Preference
from gateway.media.core.rtcp import RtcpParseError, RtcpSession, SenderInfo
from gateway.media.core.rtp import ReceptionStats, ReportBlock, RtpPacket, RtpParseError, parse
from gateway.media.engine import DigitReceived, LegStats, MediaEvent, MediaNote, unnoted
from gateway.media.engines.leg import AnyLeg
from gateway.media.engines.packet_leg import PacketLeg
from gateway.media.engines.session import Session
from gateway.media.pipeline import Pipeline
from gateway.media.quality import CodecUse, DirectionQuality, LegQuality, Sample
from gateway.media.sounds import Sounds
from gateway.observability.clock import utc_now

_RANDOM: Final = SystemRandom()


class PacketSession(Session[PacketLeg, Pipeline]):
    """See `Session`."""

    def __init__(
        self,
        *,
        on_event: Callable[[MediaEvent], None],
        preference: Preference,
        cname: str,
        sounds: Sounds,
        on_note: Callable[[MediaNote], None] = unnoted,
        shows_reports: bool = True,
    ) -> None:
        super().__init__(
            on_event=on_event,
            preference=preference,
            cname=cname,
            sounds=sounds,
            on_note=on_note,
            shows_reports=shows_reports,
        )
        self._rtcp: dict[LegName, RtcpSession] = {}
        self._reported: dict[LegName, int] = {}
        self._has_sent: set[PacketLeg] = set()
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    # What the legs report (PacketObserver)

    def rtp_received(self, leg: AnyLeg, data: bytes) -> None:
        """See `PacketObserver`."""
        if not self._is_seated(leg):
            return
        try:
            packet = parse(data)
        except RtpParseError:
            leg.reject("not_rtp")
            return
        now = self._loop.time()
        if leg.last_received is None:
            self.leg_noted(leg, f"first packet received, payload type {packet.payload_type}")
        leg.last_received = now
        if self._listening:
            self._tell_listeners(leg)
        if packet.payload_type not in leg.payload_types:
            leg.reject("payload_type")  # the pipeline still wants its sequence number
        pipeline = self._pipelines.get(leg.name.other)
        if pipeline is not None:
            self._send(leg.name.other, pipeline.receive(packet, now))
            self._arm(pipeline.next_deadline())

    def rtcp_received(self, leg: AnyLeg, data: bytes) -> None:
        """See `PacketObserver`."""
        rtcp = self._rtcp.get(leg.name)
        if rtcp is None or not self._is_seated(leg):
            return
        try:
            rtcp.receive(data, self._loop.time())
        except RtcpParseError:
            leg.reject("not_rtp")
            return
        self._note_report(leg.name, data, is_inbound=True)

    def _digit_received(self, leg: LegName, digit: str, duration: float) -> None:
        self._emit(self._legs[leg], DigitReceived(leg, digit, duration))

    def _send(self, leg: LegName, packets: Sequence[RtpPacket]) -> None:
        sink = self._legs[leg]
        for packet in packets:
            sink.send_rtp(packet)
        if packets and sink.packets_sent and sink not in self._has_sent:
            self._has_sent.add(sink)
            self.leg_noted(sink, f"first packet sent, payload type {packets[0].payload_type}")

    def _send_rtcp(self, leg: LegName, data: bytes) -> None:
        self._legs[leg].send_rtcp(data)
        self._note_report(leg, data, is_inbound=False)

    # See `Session`

    def _is_of_engine(self, leg: AnyLeg) -> bool:
        return isinstance(leg, PacketLeg)

    def _seated(self) -> None:
        """Packets find their way by the places."""

    def _make_pipeline(self, leg: PacketLeg, source: LegCodec, sink: LegCodec) -> Pipeline:
        return Pipeline(
            source=source,
            sink=sink,
            ssrc=leg.ssrc,
            first_sequence=secrets.randbelow(0x8000),
            first_timestamp=secrets.randbits(32),
            now=self._loop.time(),
            on_digit=partial(self._digit_received, leg.name.other),
            needs_continuity=leg.needs_continuity,
            longest_pause=self._longest_pause(leg, self._legs[leg.name.other]),
            plays_digits=leg.options.dtmf is DtmfMode.INBAND,
        )

    def _take_pipeline(self, leg: LegName, pipeline: Pipeline) -> None:
        pipeline.on_digit = partial(self._digit_received, leg.other)
        self._pipelines[leg] = pipeline

    def _send_digits(self, pipeline: Pipeline, digits: str, duration: float, gap: float) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((pipeline.send_digits(digits, duration, gap, self._loop.time()), done))
        return done

    def _listen(self, leg: PacketLeg) -> None:
        """Each packet is seen here anyway."""

    def _begin_reports(self, leg: PacketLeg) -> None:
        if leg.name not in self._rtcp:
            self._rtcp[leg.name] = RtcpSession(
                ssrc=leg.ssrc,
                cname=self._cname,
                now=self._loop.time(),
                wall_clock=utc_now().timestamp(),
                randomness=_RANDOM.random,
            )

    def _end_reports(self, leg: LegName, *, says_bye: bool) -> None:
        rtcp, now = self._rtcp.pop(leg, None), self._loop.time()
        if rtcp is not None and says_bye:
            self._send_rtcp(leg, rtcp.bye(now, self._reception(leg), self._sender_info(leg, now)))
        self._reported.pop(leg, None)

    def _give_reports(self, leg: LegName) -> RtcpSession | None:
        return self._rtcp.pop(leg, None)

    def _take_reports(self, leg: LegName, rtcp: RtcpSession | None) -> None:
        if rtcp is not None:
            self._rtcp[leg] = rtcp

    def _leg_stats(self, leg: PacketLeg) -> LegStats:
        reception, rtcp = self._reception(leg.name), self._rtcp.get(leg.name)
        return LegStats(
            codec="" if leg.agreement is None else leg.agreement.codec,
            packets_received=reception.packets_received,
            packets_sent=leg.packets_sent,
            bytes_received=reception.bytes_received,
            bytes_sent=leg.bytes_sent,
            packets_lost=max(0, reception.packets_lost),
            packets_rejected=leg.packets_rejected,
            jitter=reception.jitter,
            round_trip=None if rtcp is None else rtcp.round_trip,
        )

    def _leg_quality(self, leg: PacketLeg) -> LegQuality:
        """What the reference engine has: loss, jitter, round trip and the codec of now."""
        reception, rtcp = self._reception(leg.name), self._rtcp.get(leg.name)
        due, lost = reception.packets_received + reception.packets_lost, max(0, reception.packets_lost)
        round_trip = None if rtcp is None else rtcp.round_trip
        agreement = leg.agreement
        return LegQuality(
            inbound=DirectionQuality(
                packets=reception.packets_received,
                lost=lost,
                loss=lost / due if due > 0 else None,
                jitter=reception.jitter if reception.packets_received > 1 else None,
                round_trip=round_trip,
            ),
            outbound=_reported(leg, None if rtcp is None else rtcp.remote_block, round_trip),
            codecs=() if agreement is None else (CodecUse(agreement.receive.codec.name, 0.0),),
        )

    def _leg_history(self, leg: PacketLeg) -> Sequence[Sample]:
        """The reference engine remembers none."""
        return ()

    def _reception(self, leg: LegName) -> ReceptionStats:
        """What was received of a leg, which the pipeline that it feeds counts."""
        pipeline = self._pipelines.get(leg.other)
        return ReceptionStats(8000) if pipeline is None else pipeline.stats

    def _sender_info(self, leg: LegName, now: float) -> SenderInfo | None:
        """For a sender report; None when nothing has left since the last one (RFC 3550 section 6.4)."""
        pipeline, sent = self._pipelines.get(leg), self._legs[leg].packets_sent
        if pipeline is None or sent == self._reported.get(leg, 0):
            return None
        self._reported[leg] = sent
        return pipeline.sender_info(now)

    # Time

    def _work(self, now: float) -> None:
        for name, pipeline in self._pipelines.items():
            self._send(name, pipeline.handle_timeout(now))
        for name, rtcp in self._rtcp.items():
            if now >= rtcp.next_deadline():
                report = rtcp.handle_timeout(now, self._reception(name), self._sender_info(name, now))
                if report is not None:
                    self._send_rtcp(name, report)
        for due, done in self._waiting:
            if due <= now and not done.done():
                done.set_result(None)
        self._waiting = [(due, done) for due, done in self._waiting if not done.done()]

    def _work_deadlines(self) -> Iterator[float | None]:
        yield from (pipeline.next_deadline() for pipeline in self._pipelines.values())
        yield from (rtcp.next_deadline() for rtcp in self._rtcp.values())
        yield from (due for due, _ in self._waiting)


def _reported(leg: PacketLeg, block: ReportBlock | None, round_trip: float | None) -> DirectionQuality:
    """What a leg's far end got, as it reported it last."""
    if block is None or leg.agreement is None:
        return DirectionQuality(packets=leg.packets_sent, round_trip=round_trip)
    lost = max(0, block.packets_lost)
    return DirectionQuality(
        packets=leg.packets_sent,
        lost=lost,
        loss=min(1.0, lost / leg.packets_sent) if leg.packets_sent else None,
        jitter=block.jitter_ticks / leg.agreement.send.codec.clock_rate,
        round_trip=round_trip,
    )
