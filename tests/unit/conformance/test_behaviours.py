"""No behaviour is shown twice, none is forgotten."""

from collections import Counter

import pytest

from tests.conformance.behaviours import COUNTS, LATER, MAX_LATER, all_keys, shown


def test_no_behaviour_is_shown_in_two_modules() -> None:
    modules = Counter(key for key, _ in {(one.key, one.file) for one in shown()})

    assert [key for key, count in modules.items() if count > 1] == []


def test_every_test_of_a_behaviour_names_one_that_exists() -> None:
    assert [one for one in shown() if one.key not in all_keys()] == []


@pytest.mark.parametrize("series", ["V"])
def test_every_behaviour_has_a_test_or_a_reason_for_having_none(series: str) -> None:
    known = {one.key for one in shown()} | set(LATER)

    assert [key for key in all_keys() if key.startswith(series) and key not in known] == []


def test_what_comes_later_exists_has_a_reason_and_no_test() -> None:
    assert [key for key, reason in LATER.items() if key not in all_keys() or len(reason) < 20] == []
    assert [one.key for one in shown() if one.key in LATER] == []


def test_few_behaviours_come_later() -> None:
    assert len(LATER) <= MAX_LATER


def test_a_test_is_found_by_its_name_and_read_as_a_sentence() -> None:
    found = next(one for one in shown() if one.key == "V-17")

    assert found.file == "test_envelope.py"
    assert found.sentence == "answers each request exactly once with its id and version"
    assert COUNTS[found.series] >= found.number


@pytest.mark.parametrize("series", COUNTS)
def test_behaviours_are_counted_as_the_specification_counts_them(series: str) -> None:
    assert sum(key.startswith(series) for key in all_keys()) == {"V": 129, "M": 77}[series]
