"""The order in which trunks are tried."""

from collections import Counter
from random import Random

import pytest

from gateway.trunks.core.choice import Candidate, in_order


def never() -> float:
    raise AssertionError("nothing to draw")


def test_trunks_without_priority_and_weight_are_tried_in_the_order_of_the_file() -> None:
    candidates = [Candidate(name=name) for name in ("c", "a", "b")]

    assert in_order(candidates, never) == ("c", "a", "b")


def test_lower_priorities_come_first() -> None:
    candidates = [Candidate(name="backup", priority=2), Candidate(name="main", priority=1), Candidate(name="first")]

    assert in_order(candidates, never) == ("first", "main", "backup")


def test_weights_decide_within_a_priority_and_nowhere_else() -> None:
    candidates = [
        Candidate(name="small", weight=1),
        Candidate(name="large", weight=3),
        Candidate(name="backup", priority=1, weight=100),
    ]
    random = Random(5).random

    firsts = Counter(in_order(candidates, random) for _ in range(4000))

    assert set(firsts) == {("large", "small", "backup"), ("small", "large", "backup")}
    assert firsts["large", "small", "backup"] / 4000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize(
    ("random", "first"),
    [(0.0, "a"), (0.249, "a"), (0.25, "b"), (0.749, "b"), (0.75, "c"), (0.9999999, "c"), (1.0, "c")],
)
def test_each_trunk_has_its_share_of_the_drawing(random: float, first: str) -> None:
    candidates = [Candidate(name="a", weight=1), Candidate(name="b", weight=2), Candidate(name="c", weight=1)]

    assert in_order(candidates, lambda: random)[0] == first


def test_trunks_without_weight_come_behind_those_with_one() -> None:
    candidates = [Candidate(name="last"), Candidate(name="weighted", weight=1), Candidate(name="very last")]

    assert in_order(candidates, lambda: 0.0) == ("weighted", "last", "very last")


def test_trunks_out_of_order_are_passed_over() -> None:
    candidates = [Candidate(name="down", is_usable=False), Candidate(name="backup", priority=9)]

    assert in_order(candidates, never) == ("backup",)


def test_when_all_are_out_of_order_all_are_tried() -> None:
    candidates = [
        Candidate(name="second", priority=1, is_usable=False),
        Candidate(name="first", is_usable=False),
    ]

    assert in_order(candidates, never) == ("first", "second")


def test_without_trunks_there_is_no_order() -> None:
    assert in_order([], never) == ()
