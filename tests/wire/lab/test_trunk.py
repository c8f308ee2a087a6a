"""Every magic number, called over UDP and TCP by a user agent that plays the gateway; calls the other way."""

import asyncio
import gc
import os
import socket

import pytest

from gateway.lab.calls import CallState, EndedBy
from gateway.lab.numbers import MAGIC_NUMBERS
from gateway.lab.scenario import Echo, Tone
from gateway.lab.settings import LabSettings
from gateway.lab.trunk import LabTrunk, NoLabSipPort
from gateway.sip.call import Answered, Cancelled, Confirmed, Ended, Provisional, Rejected, SipCallEvent
from gateway.sip.transport.flow import Transport
from tests.wire.lab.site import HOST, Caller, ListeningPeer, sdp_offer_of, site

SCALE = 0.1
BOTH = pytest.mark.parametrize("transport", ["udp", "tcp"])


def describe(event: SipCallEvent) -> str:
    match event:
        case Provisional(status, _, sdp):
            return f"{status}{' with sdp' if sdp else ''}"
        case Answered(sdp, _):
            return f"200{' with sdp' if sdp else ''}"
        case Rejected(status, _, q850):
            return f"{status} cause {q850}"
    return type(event).__name__


@BOTH
@pytest.mark.parametrize(
    ("number", "expected", "seconds"),
    [
        ("+12025550100", ["180", "200 with sdp"], 1.0),
        ("+12025550101", ["180", "200 with sdp"], 1.0),
        ("+12025550102", ["486 cause 17"], 0.0),
        ("+12025550103", ["603 cause 21"], 0.0),
        ("+12025550105", ["404 cause 1"], 0.0),
        ("+12025550106", ["183 with sdp", "200 with sdp"], 3.0),
        ("+12025550107", ["183 with sdp", "486 cause 17"], 3.0),
        ("+12025550108", ["180", "200 with sdp"], 0.0),
        ("+12025550109", ["180", "200 with sdp"], 0.0),
        ("+12025550110", ["180", "200 with sdp"], 0.0),
        ("+12025550111", ["180", "200 with sdp"], 0.0),
        ("+12025550112", ["180", "200 with sdp"], 0.0),
        ("+12025550113", ["503 cause 41"], 0.0),
        ("+12025550114", ["480 cause None"], 0.0),
        ("+12025550115", ["488 cause None"], 0.0),
        ("+12025550116", ["180", "200 with sdp"], 0.0),
        ("+12025550117", ["180", "200 with sdp"], 0.0),
        ("+12025550118", ["180", "200 with sdp"], 0.0),
        ("+12025550119", ["200 with sdp"], 10.0),
        ("+12025550120", ["180", "200 with sdp"], 0.0),
        ("2025550120", ["180", "200 with sdp"], 0.0),
        ("+12025550199", ["404 cause None"], 0.0),
        ("alice", ["404 cause None"], 0.0),
    ],
)
async def test_caller_sees_the_responses_of_the_number_in_their_time(
    transport: Transport, number: str, expected: list[str], seconds: float
) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        caller = running.call(number)

        events = await caller.until(Answered if expected[-1].startswith("200") else Rejected)

    assert [describe(event) for _, event in events] == expected
    assert SCALE * seconds - 0.001 <= events[-1][0] < SCALE * seconds + 5


@BOTH
async def test_number_that_never_answers_rings_until_the_caller_gives_up(transport: Transport) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        caller = running.call("+12025550104")
        _, ringing = await caller.event()

        caller.hangup()
        _, ended = await caller.event()

        (call,) = running.lab.switchboard.history.newest(10) or []
        assert (describe(ringing), describe(ended)) == ("180", "487 cause None")
        assert (call.state, call.ended_by, call.reason) == (CallState.ENDED, EndedBy.FAR_END, "cancelled")


@BOTH
async def test_number_that_hangs_up_does_so(transport: Transport) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        caller = running.call("+12025550108")
        answered = (await caller.until(Answered))[-1][0]

        at, event = await caller.event()

    assert isinstance(event, Ended)
    assert event.reason == "bye"
    assert at - answered >= 3 * SCALE - 0.05


@BOTH
async def test_tone_number_is_heard(transport: Transport) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        caller = running.call("+12025550101")
        await caller.until(Answered)
        await caller.media.has_heard(50)

        assert caller.media.sound().frequency == pytest.approx(1004, abs=0.5)


@BOTH
async def test_echo_number_returns_what_is_said_and_the_lab_has_heard_it(transport: Transport) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        caller = running.call("+12025550100")
        await caller.until(Answered)
        caller.media.play(Tone(700.0))
        await caller.media.has_heard(50)

        (call,) = running.lab.switchboard.history.newest(10) or []
        heard = await call.heard()

        assert caller.media.sound().frequency == pytest.approx(700, abs=0.5)
        assert heard.sound.frequency == pytest.approx(700, abs=0.5)
        assert (heard.codec, heard.packets_rejected) == ("pcmu", 0)


async def test_early_media_is_heard_before_the_answer_and_the_echo_after_it() -> None:
    async with site(time_scale=0.4) as running:
        caller = running.call("+12025550106")
        await caller.event()
        await caller.media.has_heard(30)
        early = caller.media.sound()
        answered = await caller.until(Answered)

        caller.media.play(Tone(700.0))
        await caller.media.hears_more(60)
        late = caller.media.sound()

    assert early.frequency == pytest.approx(425, abs=0.5)
    assert len(answered) == 1
    assert late.frequency == pytest.approx(700, abs=0.5)


async def test_early_media_before_a_busy_is_heard() -> None:
    async with site(time_scale=1.0) as running:
        caller = running.call("+12025550107")
        await caller.event()
        await caller.media.has_heard(30)

        assert caller.media.sound().frequency == pytest.approx(425, abs=0.5)
        assert describe((await caller.until(Rejected))[-1][1]) == "486 cause 17"


async def test_silent_number_sends_packets_of_silence() -> None:
    async with site(time_scale=SCALE) as running:
        caller = running.call("+12025550120")
        await caller.until(Answered)
        await caller.media.has_heard(30)

        assert caller.media.sound().level_dbov is None


@BOTH
async def test_hundred_calls_leave_nothing_behind(transport: Transport) -> None:
    # One run before counting: whatever is made once (executor threads, import caches) is not a leak.
    await _make_calls(4, transport)
    gc.collect()
    tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

    await _make_calls(100, transport)

    gc.collect()
    assert len(asyncio.all_tasks()) == tasks
    assert len(os.listdir("/proc/self/fd")) == files


async def _make_calls(count: int, transport: Transport) -> None:
    """Calls of every kind, ended by either side or by the stop; twenty at a time."""
    numbers = [entry.number for entry in MAGIC_NUMBERS]
    async with site(time_scale=0.01, transport=transport) as running:
        for begin in range(0, count, 20):
            called = [numbers[index % len(numbers)] for index in range(begin, min(begin + 20, count))]
            callers = [running.call(number) for number in called]
            for number, caller in zip(called, callers, strict=True):
                await _first_final(caller, gives_up=number == "+12025550104")
        lab = running.lab.user_agent
        assert lab is not None
    assert running.lab.switchboard.history.live() == []
    assert (lab.calls, lab.dialogs, lab.tasks) == (0, 0, 0)
    assert (running.gateway.calls, running.gateway.dialogs, running.gateway.tasks) == (0, 0, 0)


async def _first_final(caller: Caller, *, gives_up: bool) -> None:
    """Wait for the final response; half of the answered calls are hung up here, the rest by the stop."""
    while True:
        _, event = await caller.event()
        if isinstance(event, Rejected | Answered):
            break
        if gives_up:
            caller.hangup()
    if isinstance(event, Answered) and caller.media.port % 4 == 0:
        caller.hangup()


@BOTH
async def test_lab_calls_the_gateway_and_hears_who_answers(transport: Transport) -> None:
    async with site(time_scale=SCALE, transport=transport) as running:
        call = running.lab.switchboard.call(to="alice", caller="+12025550191", scenario="tone")
        leg = await running.next_call()
        media = ListeningPeer()
        events: asyncio.Queue[SipCallEvent] = asyncio.Queue(maxsize=10)
        leg.listen(events.put_nowait)
        answer = media.answer(sdp_offer_of(leg))
        leg.ring()
        leg.answer(answer)
        media.play(Tone(600.0))
        await media.has_heard(50)
        heard = await call.heard()

        call.hangup()
        async with asyncio.timeout(30):
            seen = [await events.get(), await events.get()]

        media.close()
        assert (leg.request_user, leg.caller_number) == ("alice", "+12025550191")
        assert media.sound().frequency == pytest.approx(1004, abs=0.5)
        assert heard.sound.frequency == pytest.approx(600, abs=0.5)
        assert [type(event) for event in seen] == [Confirmed, Ended]
        assert call.times.ringing is not None


async def test_lab_call_that_is_hung_up_while_it_rings_is_cancelled() -> None:
    async with site(time_scale=SCALE) as running:
        call = running.lab.switchboard.call(to="alice", caller="+12025550191", scenario="echo")
        leg = await running.next_call()
        events: asyncio.Queue[SipCallEvent] = asyncio.Queue(maxsize=10)
        leg.listen(events.put_nowait)
        leg.ring()

        call.hangup()
        async with asyncio.timeout(30):
            event = await events.get()

        assert isinstance(event, Cancelled)
        assert (call.state, call.ended_by) == (CallState.ENDED, EndedBy.USER)


async def test_lab_call_that_is_refused_tells_the_status() -> None:
    async with site(time_scale=SCALE) as running:
        call = running.lab.switchboard.call(to="alice", caller="+12025550191", scenario="echo")
        leg = await running.next_call()

        leg.reject(486, "Busy Here")
        async with asyncio.timeout(30):
            await call.over.wait()

        assert (call.sip_status, call.ended_by) == (486, EndedBy.FAR_END)


async def test_calls_that_live_are_hung_up_when_the_lab_stops() -> None:
    async with site(time_scale=SCALE) as running:
        caller = running.call("+12025550120")
        await caller.until(Answered)
        caller.media.play(Echo())

        await running.lab.stop()
        _, event = await caller.event()

        assert isinstance(event, Ended)


async def test_taken_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((HOST, 0))
        taken.listen()
        lab = LabTrunk(LabSettings(port=taken.getsockname()[1]), gateway_uri=lambda: "sip:127.0.0.1")

        with pytest.raises(NoLabSipPort, match=str(taken.getsockname()[1])):
            await lab.start()
    await lab.stop()
