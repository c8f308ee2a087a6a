"""What a dialled number is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.core.numbering import Numbered, look_up, look_up_party


@pytest.mark.parametrize(
    ("dialled", "localization", "expected"),
    [
        ("+12025550100", "US", Numbered("+12025550100", "US", 1)),
        ("2025550100", "US", Numbered("+12025550100", "US", 1)),
        ("+16045550121", "US", Numbered("+16045550121", "CA", 1)),
        ("+18005550130", "DE", Numbered("+18005550130", "US", 1)),
        ("+442079460123", "US", Numbered("+442079460123", "GB", 44)),
        ("020 7946 0123", "GB", Numbered("+442079460123", "GB", 44)),
        ("911", "US", Numbered("911", "US", None, is_emergency=True)),
        ("112", "DE", Numbered("112", "DE", None, is_emergency=True)),
        ("*98", "US", Numbered("*98", None, None)),
        ("1000", "US", Numbered("1000", None, None)),
        ("+999123", "US", Numbered("+999123", None, None)),
        ("", "US", Numbered("", None, None)),
    ],
)
def test_number_is_read_by_its_plan(dialled: str, localization: str, expected: Numbered) -> None:
    assert look_up(dialled, localization) == expected


@given(st.text(alphabet="+0123456789*#", min_size=1, max_size=20))
def test_whatever_is_dialled_is_something(dialled: str) -> None:
    assert look_up(dialled, "US").e164


@pytest.mark.parametrize(
    ("party", "e164", "country_code"),
    [
        ("+442079460000", "+442079460000", 44),
        ("2025550100", "+12025550100", 1),
        ("robert", "robert", None),
        ("123flowers", "123flowers", None),
        ("1020", "1020", None),
        ("*98", "*98", None),
    ],
)
def test_user_name_with_digits_is_no_number(party: str, e164: str, country_code: int | None) -> None:
    found = look_up_party(party, "US")

    assert (found.e164, found.country_code) == (e164, country_code)
