"""What calls cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.core.rating import Tariff, charge, check_prefix, check_price, to_text

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PRICE = Decimal("0.002")
TARIFF = Tariff(
    default=PRICE, by_prefix={"1": Decimal("0.005"), "44": Decimal("0.01"), "4477": Decimal("0.03"), "883": Decimal(9)}
)


@pytest.mark.parametrize(
    ("destination", "price"),
    [
        ("+12025550100", "0.005"),
        ("+442079460000", "0.01"),
        ("+447700900000", "0.03"),
        ("+44", "0.01"),
        ("+4", "0.002"),
        ("+4930123456", "0.002"),
        ("1234", "0.002"),  # an extension of somebody's exchange, not country code 1
        ("robert", "0.002"),
        ("", "0.002"),
        ("+", "0.002"),
    ],
)
def test_longest_prefix_of_the_number_decides_about_the_price_of_a_minute(destination: str, price: str) -> None:
    assert TARIFF.price_per_minute(destination) == Decimal(price)


@pytest.mark.parametrize(
    ("seconds", "call_s", "billed_s", "cost"),
    [
        (0.0, 0, 60, "0.002"),
        (0.4, 0, 60, "0.002"),
        (49.6, 50, 60, "0.002"),
        (60.4, 60, 60, "0.002"),
        (60.5, 61, 120, "0.004"),
        (3600.0, 3600, 3600, "0.12"),
    ],
)
def test_connected_leg_is_billed_in_whole_minutes_begun(seconds: float, call_s: int, billed_s: int, cost: str) -> None:
    made = charge(NOON, NOON + timedelta(seconds=seconds), PRICE)

    assert (made.call_s, made.billed_s, to_text(made.cost)) == (call_s, billed_s, cost)


def test_leg_that_nobody_answered_costs_nothing_and_still_has_a_rate() -> None:
    made = charge(None, NOON, PRICE)

    assert (made.call_s, made.billed_s, to_text(made.rate), to_text(made.cost)) == (0, 0, "0.002", "0")


def test_clock_that_was_set_back_makes_no_negative_charge() -> None:
    made = charge(NOON, NOON - timedelta(hours=1), PRICE)

    assert (made.call_s, made.billed_s) == (0, 60)


@given(
    seconds=st.floats(min_value=0, max_value=10**8),
    rate=st.decimals(min_value=0, max_value=99, places=6, allow_nan=False),
)
def test_charge_of_any_leg_is_whole_minutes_that_hold_the_call_and_its_exact_price(
    seconds: float, rate: Decimal
) -> None:
    elapsed = timedelta(seconds=seconds)

    made = charge(NOON, NOON + elapsed, rate)

    assert abs(made.call_s - elapsed.total_seconds()) <= 0.5
    assert made.billed_s % 60 == 0
    assert max(0, made.billed_s - 60) <= made.call_s <= made.billed_s
    assert made.cost * 60 == rate * made.billed_s
    assert Decimal(to_text(made.cost)) == made.cost
    assert len(to_text(made.cost)) <= 16  # the column


@given(st.text(max_size=40))
def test_any_destination_has_a_price_of_the_table(destination: str) -> None:
    assert TARIFF.price_per_minute(destination) in {PRICE, *TARIFF.by_prefix.values()}


@pytest.mark.parametrize("text", ["", "-1", "1e3", "0.0000001", "100", "1.", ".5", "0,5", "NaN", "１", "1 "])
def test_price_that_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="USD a minute"):
        check_price(text)


@pytest.mark.parametrize("text", ["", "44", "+", "+44 7", "+1234567890123456", "+44x"])
def test_prefix_without_plus_or_with_anything_but_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_prefix(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0.0020", "0.002"), ("10", "10"), ("100.00", "100"), ("0", "0"), ("0.000001", "0.000001"), ("1E+2", "100")],
)
def test_amount_is_written_without_exponent_and_without_idle_zeros(amount: str, text: str) -> None:
    assert to_text(Decimal(amount)) == text
