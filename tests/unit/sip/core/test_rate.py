"""The token bucket."""

from gateway.sip.core.rate import TokenBucket


def test_burst_passes_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=2.0, burst=3)

    assert [bucket.take(10.0) for _ in range(5)] == [True, True, True, False, False]
    assert not bucket.take(10.4)
    assert bucket.take(10.5)
    assert not bucket.take(10.5)


def test_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=1.0, burst=2)
    bucket.take(0.0)

    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_what_was_held_back_is_counted_once() -> None:
    bucket = TokenBucket(rate=1.0, burst=1)
    for _ in range(4):
        bucket.take(0.0)

    assert bucket.held_back() == 3
    assert bucket.held_back() == 0
