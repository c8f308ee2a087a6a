"""The magic numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lab.numbers import MAGIC_NUMBERS, look_up
from gateway.lab.scenario import SCENARIOS


@pytest.mark.parametrize(
    "dialled",
    [
        "+12025550100",
        "12025550100",
        "2025550100",
        "+1-202-555-0100",
        "+1 (202) 555-0100",
        "202.555.0100",
        "+12025550100;phone-context=example.com",
    ],
)
def test_a_magic_number_is_known_in_any_punctuation(dialled: str) -> None:
    entry = look_up(dialled)

    assert entry is not None
    assert entry.number == "+12025550100"


@pytest.mark.parametrize(
    "dialled", ["", "alice", "+12025550199", "0100", "+442025550100", "+2025550100x", "++12025550100", "+1202555010"]
)
def test_anything_else_is_no_magic_number(dialled: str) -> None:
    assert look_up(dialled) is None


@given(st.text(max_size=64))
def test_any_text_is_looked_up_without_an_error(dialled: str) -> None:
    entry = look_up(dialled)

    assert entry is None or entry in MAGIC_NUMBERS


def test_every_number_has_a_scenario_and_every_scenario_a_number() -> None:
    assert {entry.scenario for entry in MAGIC_NUMBERS} == set(SCENARIOS)


def test_the_numbers_are_those_of_the_contract_and_each_is_there_once() -> None:
    numbers = [entry.number for entry in MAGIC_NUMBERS]

    assert numbers == [f"+1202555{index:04d}" for index in range(100, 121)]
