"""The queue of digits of our own; relaying is tested with the pipeline."""

import pytest

from gateway.media.core.codec import PCMU
from gateway.media.core.events import OutgoingDigits
from gateway.media.core.stream import SinkStream


def test_the_queue_says_when_it_is_busy() -> None:
    digits = OutgoingDigits()
    digits.add("12", duration=0.1, gap=0.2, clock_rate=8000, now=1.0)

    assert digits.busy_until(0.9) is None
    assert digits.busy_until(1.0) == pytest.approx(1.14)
    assert digits.busy_until(1.2) is None
    assert digits.busy_until(1.35) == pytest.approx(1.44)
    assert digits.busy_until(1.5) is None


def test_a_deadline_within_a_digit_waits_for_its_end() -> None:
    digits = OutgoingDigits()
    digits.add("12", duration=0.1, gap=0.2, clock_rate=8000, now=1.0)

    assert digits.postponed(0.9) == 0.9
    assert digits.postponed(1.1) == pytest.approx(1.14)
    assert digits.postponed(1.2) == 1.2
    assert digits.postponed(1.3) == pytest.approx(1.44)


def test_what_is_cleared_is_not_sent() -> None:
    digits = OutgoingDigits()
    digits.add("1", duration=0.1, gap=0.1, clock_rate=8000, now=0.0)
    digits.clear()

    stream = SinkStream(ssrc=1, first_sequence=0, first_timestamp=0, codec=PCMU, now=0.0)
    assert digits.next_deadline() is None
    assert digits.handle_timeout(5.0, stream, 101) == []
