"""The writer of traces: bounded, never in the way, and what it does when the database or the collector fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.domain.causes import NORMAL_CLEARING
from gateway.domain.facts import CallEnded, CallInitiated
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.domain.trace import TraceEntry, TraceKind
from gateway.media.engine import MediaFact, RtcpPassed
from gateway.sip.core.message import parse
from gateway.sip.observer import PassingMessage
from gateway.sip.transport.flow import Destination
from gateway.store.errors import StoreUnavailable
from gateway.store.traces import Traces
from gateway.traces import tracer as tracer_module
from gateway.traces.core.book import Placed
from gateway.traces.homer import HepSender
from gateway.traces.settings import HepSettings, TraceSettings
from gateway.traces.tracer import Tracer
from gateway.vsp.observer import PassingFrame
from tests.unit.traces.samples import CALL, INVITE, NOON


class Kept(Traces):
    """A table in memory, that fails when it is told to."""

    def __init__(self) -> None:
        self.entries: list[Placed] = []
        self.is_failing = False

    async def add(self, entries: Sequence[tuple[CallId, TraceEntry]]) -> None:
        if self.is_failing:
            raise StoreUnavailable("no disk")
        self.entries += entries

    @property
    def titles(self) -> list[str]:
        return [entry.title for _, entry in self.entries]


@asynccontextmanager
async def writing(
    kept: Kept, settings: TraceSettings | None = None, hep: HepSender | None = None
) -> AsyncIterator[Tracer]:
    """A tracer that runs; when the block ends, all is written."""
    tracer = Tracer(settings or TraceSettings(), kept, hep or HepSender(HepSettings()), clock=lambda: NOON)
    async with asyncio.TaskGroup() as group:
        group.create_task(tracer.run())
        yield tracer
        tracer.stop()


def begun(tracer: Tracer) -> None:
    tracer.take_fact(
        CallInitiated(call_id=CALL, at=NOON, direction=Direction.OUTBOUND, caller="alice", callee="+12025550100")
    )


def message(data: bytes = INVITE) -> PassingMessage:
    return PassingMessage(False, data, parse(data), Destination("udp", "192.0.2.7", 5062), ("192.0.2.1", 5060))


def frame(text: str) -> PassingFrame:
    return PassingFrame(True, SessionId("s"), "alice", text, ("::1", 80), ("198.51.100.4", 4))


async def test_messages_frames_and_facts_of_a_call_are_kept_under_its_id() -> None:
    kept = Kept()

    async with writing(kept) as tracer:
        tracer.take_message(message())
        tracer.take_frame(frame('{"id":1,"method":"telnyx_rtc.invite","params":{"callID":"c","dtmf":"7"}}'))
        begun(tracer)
        tracer.name_client(CALL, SessionId("s"), VertoCallId("c"))
        tracer.name_dialog(CALL, SipCallId("one"))
        tracer.take_media(CALL, MediaFact(LegName.A, "ICE path"))

    assert {call_id for call_id, _ in kept.entries} == {CALL}
    assert kept.titles == [
        "outbound call from alice to +12025550100",
        "telnyx_rtc.invite",
        "INVITE",
        "leg a: ICE path",
    ]
    verto, sip = kept.entries[1][1], kept.entries[2][1]
    assert (verto.local, verto.remote, verto.party) == ("[::1]:80", "198.51.100.4:4", "alice")
    assert (sip.local, sip.remote, sip.body) == ("192.0.2.1:5060", "192.0.2.7:5062", INVITE)
    assert b"7" not in verto.body


async def test_title_tells_a_re_invite_and_a_description_apart() -> None:
    kept = Kept()
    again = INVITE.replace(b"To: <sip:+12025550100@192.0.2.7>", b"To: <sip:a@b>;tag=t\r\nContent-Type: application/sdp")
    answer = (
        b"SIP/2.0 183 Session Progress\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>;tag=b\r\n"
        b"Call-ID: one\r\nCSeq: 1 INVITE\r\nContent-Type: APPLICATION/SDP;x=y\r\nContent-Length: 0\r\n\r\n"
    )

    async with writing(kept) as tracer:
        tracer.name_dialog(CALL, SipCallId("one"))
        tracer.take_message(message(again))
        tracer.take_message(message(answer))

    assert kept.titles == ["re-INVITE (SDP)", "183 Session Progress (INVITE, SDP)"]


async def test_end_of_a_call_tells_the_figures_of_its_media() -> None:
    kept = Kept()
    media = {"a_packets_received": 50.0, "a_packets_lost": 2.0, "a_jitter_s": 0.0031}

    async with writing(kept) as tracer:
        begun(tracer)
        tracer.take_fact(
            CallEnded(
                call_id=CALL,
                at=NOON,
                direction=Direction.OUTBOUND,
                cause=NORMAL_CLEARING,
                ended_by=LegName.A,
                duration_s=1.5,
                media=media,
            )
        )

    assert kept.titles[1:] == [
        "leg a: packets received 50, sent 0, lost 2, rejected 0, jitter 3.1 ms",
        "ended by leg a: NORMAL_CLEARING, after 1.500 s",
    ]


async def test_rtcp_is_for_the_collector_only() -> None:
    kept, seen = Kept(), list[Placed]()

    async with writing(kept) as tracer:
        tracer.on_written = seen.extend
        begun(tracer)
        tracer.take_media(CALL, RtcpPassed(LegName.A, b"\x80\xc9\x00\x01\x00\x00\x00\x07", True))

    assert [entry.kind for _, entry in seen] == [TraceKind.CALL, TraceKind.RTCP]
    assert [entry.kind for _, entry in kept.entries] == [TraceKind.CALL]


async def test_keep_of_zero_keeps_nothing() -> None:
    kept = Kept()

    async with writing(kept, TraceSettings(keep=0.0)) as tracer:
        begun(tracer)

    assert kept.entries == []


async def test_database_that_fails_is_told_of_once_and_costs_traces_only() -> None:
    kept = Kept()
    kept.is_failing = True

    with capture_logs() as lines:
        async with writing(kept) as tracer:
            written = asyncio.Event()
            tracer.on_written = lambda _entries: written.set()
            begun(tracer)
            await written.wait()
            written.clear()
            tracer.take_media(CALL, MediaFact(LegName.A, "lost"))
            await written.wait()
            kept.is_failing = False
            tracer.take_media(CALL, MediaFact(LegName.A, "kept"))

    assert kept.titles == ["leg a: kept"]
    assert [line["event"] for line in lines] == ["traces_not_written"]


async def test_more_than_may_wait_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracer_module, "QUEUE_LIMIT", 3)
    kept = Kept()

    with capture_logs() as lines:
        async with writing(kept) as tracer:
            begun(tracer)
            for number in range(4):
                tracer.take_media(CALL, MediaFact(LegName.A, str(number)))

    assert kept.titles == ["outbound call from alice to +12025550100", "leg a: 0", "leg a: 1"]
    assert [line["event"] for line in lines] == ["traces_dropped", "traces_caught_up"]
    assert lines[1]["dropped"] == 2
