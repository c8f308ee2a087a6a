"""Token buckets."""

import pytest

from gateway.sip.core import rate
from gateway.sip.core.rate import AddressRates, TokenBucket


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


def test_each_address_has_a_rate_of_its_own() -> None:
    rates = AddressRates(rate=1.0, burst=2)

    assert [rates.take("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("192.0.2.2", 0.0)
    assert rates.take("192.0.2.1", 1.0)


def test_addresses_of_one_ipv6_customer_share_a_rate() -> None:
    rates = AddressRates(rate=1.0, burst=2)

    assert [rates.take(f"2001:db8::{last}", 0.0) for last in (1, 2, 3)] == [True, True, False]


def test_rate_of_nothing_lets_everything_pass_and_keeps_nothing() -> None:
    rates = AddressRates(rate=0.0, burst=1)

    assert all(rates.take("192.0.2.1", 0.0) for _ in range(100))
    assert len(rates) == 0


def test_address_that_was_silent_longest_is_forgotten_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MAX_BUCKETS", 2)
    rates = AddressRates(rate=1.0, burst=1)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        rates.take(host, 0.0)

    assert len(rates) == 2
    assert not rates.take("192.0.2.1", 0.0)
    assert rates.take("192.0.2.2", 0.0)
