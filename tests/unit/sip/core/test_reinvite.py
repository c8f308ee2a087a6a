import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.reinvite import glare_delay


@pytest.mark.parametrize(
    ("random", "is_call_id_owner", "expected"),
    [(0.0, True, 2.1), (0.999999, True, 4.0), (0.0, False, 0.0), (0.999999, False, 2.0)],
)
def test_glare_delay_reaches_both_ends_of_its_range(random: float, is_call_id_owner: bool, expected: float) -> None:
    assert glare_delay(random, is_call_id_owner=is_call_id_owner) == expected


@given(st.floats(0, 1, exclude_max=True), st.booleans())
def test_glare_delay_is_a_multiple_of_10_ms(random: float, is_call_id_owner: bool) -> None:
    delay = glare_delay(random, is_call_id_owner=is_call_id_owner)

    assert round(delay * 100) == pytest.approx(delay * 100)
