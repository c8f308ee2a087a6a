"""RTP towards a browser whose source is late: held back for as long as the source has shown to need, then silence."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.core.codec import OPUS, PCMU, Codec
from gateway.media.core.grace import MAX_GRACE, MIN_GRACE
from tests.unit.media.virtual import FRAME, Arrival, Run, moved, open_run, steps, talk

pytestmark = pytest.mark.usefixtures("implementation")

SINKS = [pytest.param(PCMU, id="relay"), pytest.param(OPUS, id="transcoder")]
DELAYED = 25
"""The packet that is held up in each second of 50."""


def delayed(late: float, seconds: int) -> list[Arrival]:
    """A talk in whose every second a packet comes `late` seconds after its time, and those behind it not sooner."""
    out: list[Arrival] = []
    for index, (at, packet) in enumerate(talk(PCMU, float(seconds))):
        at += late if index % 50 == DELAYED else 0.0
        out.append((max(at, out[-1][0]) if out else at, packet))
    return out


def fed(sink: Codec, arrivals: list[Arrival]) -> Run:
    return open_run(PCMU, sink, continuity=True).feed(arrivals)


def longest_pause(run: Run, begin: int = 0) -> float:
    """Seconds between two packets towards the sink, at most."""
    return max(after - before for (before, _), (after, _) in pairwise(run.sent[begin:]))


@pytest.mark.parametrize("sink", SINKS)
def test_clean_source_that_falls_silent_is_replaced_after_40_ms(sink: Codec) -> None:
    run = fed(sink, list(talk(PCMU, 1.0)))

    run.until(3.0)

    assert longest_pause(run) == pytest.approx(FRAME + MIN_GRACE)
    assert {step for _, step in steps(run.packets)} == {round(sink.clock_rate * FRAME)}


@pytest.mark.parametrize("late", [0.1, 0.2, 0.35])
@pytest.mark.parametrize("sink", SINKS)
def test_delay_that_the_source_has_shown_before_costs_nothing(sink: Codec, late: float) -> None:
    arrivals = delayed(late, 5)
    run = fed(sink, arrivals[:50])
    first, begin = run.pipeline.counters, len(run.sent)

    run.feed(arrivals[50:])

    counters = run.pipeline.counters
    assert first.packets_late > 0, "nobody could know of the first"
    assert (counters.packets_late, counters.silence_sent) == (first.packets_late, first.silence_sent)
    assert [at for at, _ in run.sent[begin:]] == [at for at, _ in arrivals[50:]], "each goes on as it comes"
    assert {step for _, step in steps(run.packets[begin:])} == {round(sink.clock_rate * FRAME)}


@pytest.mark.parametrize("sink", SINKS)
def test_source_that_falls_silent_is_replaced_after_what_it_has_shown_and_in_step_with_the_clock(sink: Codec) -> None:
    arrivals = delayed(0.1, 3)
    run = fed(sink, arrivals)
    end = len(run.sent)

    run.until(6.0)

    assert run.sent[end][0] - arrivals[-1][0] == pytest.approx(FRAME + 0.1 + FRAME)
    assert longest_pause(run, end) == pytest.approx(FRAME)
    assert {step for _, step in steps(run.packets)} == {round(sink.clock_rate * FRAME)}


@pytest.mark.parametrize("sink", SINKS)
def test_source_that_falls_silent_behind_the_worst_network_leaves_a_gap_of_the_timestamp_and_no_burst(
    sink: Codec,
) -> None:
    arrivals = delayed(0.5, 3)
    run = fed(sink, arrivals)
    end = len(run.sent)

    run.until(6.0)

    assert run.sent[end][0] - arrivals[-1][0] == pytest.approx(FRAME + MAX_GRACE)
    assert longest_pause(run, end) == pytest.approx(FRAME)
    assert len(run.sent) - end == pytest.approx((6.0 - 3.0 - MAX_GRACE) / FRAME, abs=3)
    frames = [step / round(sink.clock_rate * FRAME) for _, step in steps(run.packets[end - 1 :])]
    assert frames[0] == 1.0, "what was said ends where it belongs"
    assert MAX_GRACE / FRAME - 4 < frames[1] <= MAX_GRACE / FRAME, "a shift of up to 40 ms has been filled before"
    assert set(frames[2:]) == {1.0}


@pytest.mark.parametrize("sink", SINKS)
def test_source_is_heard_again_after_a_pause_that_was_filled(sink: Codec) -> None:
    arrivals = delayed(0.1, 4)
    run = fed(sink, arrivals[:100])
    before = run.pipeline.counters.packets_late

    run.feed((at + 1.0, moved(packet, timestamp=PCMU.clock_rate)) for at, packet in arrivals[100:])

    assert run.pipeline.counters.packets_late == before
    assert {step for _, step in steps(run.packets)} == {round(sink.clock_rate * FRAME)}


@pytest.mark.parametrize("sink", SINKS)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60))
def test_every_network_gets_the_grace_that_it_has_shown_to_need(sink: Codec, delays: list[float]) -> None:
    on_time = round(0.5 / FRAME) + 1
    arrivals: list[Arrival] = []
    for (at, packet), delay in zip(
        talk(PCMU, (len(delays) + on_time) * FRAME), [*delays, *[0.0] * on_time], strict=True
    ):
        arrivals.append((max(at + delay, arrivals[-1][0]) if arrivals else at + delay, packet))
    run = fed(sink, arrivals)
    end = len(run.sent)

    run.until(run.now + 1.0)

    lateness = [at - index * FRAME for index, (at, _) in enumerate(arrivals)]
    grace = min(max(max(lateness) - min(lateness) + FRAME, MIN_GRACE), MAX_GRACE)
    assert run.sent[end][0] - arrivals[-1][0] == pytest.approx(FRAME + grace, abs=1e-6)
