"""How late a source may be before silence takes its place."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core.grace import MAX_GRACE, MIN_GRACE, WINDOW, Grace
from gateway.media.core.rtp import RtpPacket

FRAME = 0.020
RATE = 8000
PER_WINDOW = round(WINDOW / FRAME)


def packet(number: int, *, ssrc: int = 1, first_timestamp: int = 2**32 - 1000) -> RtpPacket:
    return RtpPacket(0, number & 0xFFFF, (first_timestamp + 160 * number) & 0xFFFFFFFF, ssrc, False, b"")


def told(grace: Grace, lateness: Iterable[float], *, begin: int = 0) -> Grace:
    """The packets from number `begin` on, each so many seconds late."""
    for number, late in enumerate(lateness, begin):
        grace.observe(packet(number), 100.0 + number * FRAME + late)
    return grace


latenesses = st.lists(st.floats(0.0, 0.9), min_size=1, max_size=PER_WINDOW - 50)
"""Within one window."""


@given(latenesses)
def test_grace_is_what_the_latest_packet_was_behind_the_earliest_and_a_frame(lateness: list[float]) -> None:
    grace = told(Grace(RATE), lateness)

    expected = min(max(max(lateness) - min(lateness) + FRAME, MIN_GRACE), MAX_GRACE)
    assert grace.seconds == pytest.approx(expected, abs=1e-9)


@given(latenesses, st.floats(0.0, 0.9))
def test_grace_grows_with_the_packet_that_is_late_and_never_shrinks_within_a_window(
    lateness: Sequence[float], next_late: float
) -> None:
    grace = told(Grace(RATE), lateness)
    before = grace.seconds

    told(grace, [next_late], begin=len(lateness))

    assert grace.seconds >= before
    assert grace.seconds >= min(next_late - min(lateness) + FRAME, MAX_GRACE) - 1e-9


@given(st.lists(st.floats(0.0, 0.019), min_size=1, max_size=200), st.integers(1, 5))
def test_jitter_below_a_frame_changes_nothing_however_long_it_lasts(lateness: list[float], times: int) -> None:
    assert told(Grace(RATE), lateness * times).seconds == pytest.approx(MIN_GRACE, abs=1e-9)


@given(st.lists(st.floats(0.0, 0.3), min_size=2, max_size=100))
def test_grace_is_back_at_the_least_two_windows_after_the_network_has_become_clean(lateness: list[float]) -> None:
    grace = told(Grace(RATE), lateness)
    known = grace.seconds

    told(grace, [0.0] * (2 * PER_WINDOW - len(lateness)), begin=len(lateness))
    assert grace.seconds >= known, "slow to shrink: the window before still counts"
    told(grace, [0.0] * PER_WINDOW, begin=2 * PER_WINDOW)

    assert grace.seconds == pytest.approx(MIN_GRACE)


def test_pause_of_a_source_whose_timestamps_go_on_is_no_lateness() -> None:
    grace = told(Grace(RATE), [0.0] * 10)

    told(grace, [0.0] * 10, begin=400)

    assert grace.seconds == MIN_GRACE


@pytest.mark.parametrize("skew", [-200e-6, 200e-6])
def test_clock_that_runs_wrong_is_no_lateness(skew: float) -> None:
    grace = told(Grace(RATE), (number * FRAME * skew for number in range(20 * PER_WINDOW)))

    assert grace.seconds == MIN_GRACE


def test_what_was_overtaken_counts_with_its_own_lateness() -> None:
    grace = Grace(RATE)
    for number, at in ((0, 0.0), (2, 0.04), (3, 0.06), (1, 0.09), (4, 0.095)):
        grace.observe(packet(number), at)

    assert grace.seconds == pytest.approx(0.07 + FRAME)


@pytest.mark.parametrize("change", [{"ssrc": 2}, {"first_timestamp": 5_000_000}], ids=["source", "timestamps"])
def test_jump_of_the_source_is_no_lateness_and_what_the_network_showed_still_counts(change: dict[str, int]) -> None:
    grace = told(Grace(RATE), [0.0, 0.2, 0.18, 0.0])

    for number in range(4, 20):
        grace.observe(packet(number, **change), 100.5 + number * FRAME)

    assert grace.seconds == pytest.approx(0.22)


def test_another_clock_rate_is_no_lateness_and_what_the_network_showed_still_counts() -> None:
    grace = told(Grace(RATE), [0.0, 0.2, 0.18, 0.0])

    grace.set_clock_rate(48000)
    for number in range(20):
        grace.observe(RtpPacket(111, number, 960 * number, 1, False, b""), 100.08 + number * FRAME)

    assert grace.seconds == pytest.approx(0.22)
