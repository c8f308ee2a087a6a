"""Numbers as trunks write them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.trunks.core.numbers import NumberPlan, NumberRule, parse_rules

SWISS = {"country_code": "41", "national_prefix": "0", "international_prefix": "00"}
NORTH_AMERICAN = {"country_code": "1", "international_prefix": "011"}


@pytest.mark.parametrize(
    ("rule", "number", "made"),
    [
        ("9|. ->", "90441234567", "0441234567"),
        ("9|.", "90441234567", "0441234567"),
        ("9|. ->", "9", None),  # `.` wants at least one character
        ("NXXXXXX -> +1212", "5551234", "+12125551234"),
        ("NXXXXXX -> +1212", "1551234", None),
        ("NXXXXXX -> +1212", "55512345", None),
        ("00|Z. -> +", "0041441234567", "+41441234567"),
        ("00|Z. -> +", "000441234567", None),
        ("0|ZX. -> +41", "0441234567", "+41441234567"),
        ("+|. -> 00", "+41441234567", "0041441234567"),
        ("*67|. ->", "*675551234", "5551234"),
        ("911 -> 9", "911", "9911"),
        ("100| -> +12025550100", "100", "+12025550100"),
        ("100| -> +12025550100", "1001", None),
        ("XX|#", "12#", "#"),
        (". -> 0", "alice", "0alice"),
        ("9|. ->", "", None),
    ],
)
def test_a_rule_rewrites_what_it_matches(rule: str, number: str, made: str | None) -> None:
    assert NumberRule.parse(rule).apply(number) == made


@pytest.mark.parametrize(
    "text",
    ["", "->", "| -> 1", "12", "1.2| -> 3", "0.|1", "abc -> 1", "1|2 -> X", "1|2 -> 3 -> 4", "1|" + "2" * 65, "1||2"],
)
def test_a_rule_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        NumberRule.parse(text)


@pytest.mark.parametrize(
    ("plan", "number", "written"),
    [
        ({}, "+41441234567", "+41441234567"),
        ({}, "0441234567", "0441234567"),
        ({"format": "e164"}, "+41441234567", "+41441234567"),
        ({"format": "digits"}, "+41441234567", "41441234567"),
        ({"format": "e164", **SWISS}, "0441234567", "+41441234567"),
        ({"format": "digits", **SWISS}, "0012025550100", "12025550100"),
        ({"format": "national", **SWISS}, "+41441234567", "0441234567"),
        ({"format": "national", **SWISS}, "0441234567", "0441234567"),
        ({"format": "national", **SWISS}, "+12025550100", "0012025550100"),
        ({"format": "national", "country_code": "41", "national_prefix": "0"}, "+12025550100", "+12025550100"),
        ({"format": "national", **NORTH_AMERICAN}, "+12025550100", "2025550100"),
        ({"format": "national", **NORTH_AMERICAN}, "+41441234567", "01141441234567"),
        ({"format": "digits", **SWISS}, "117", "117"),  # a short code has no country
        ({"format": "digits"}, "12025550100", "12025550100"),
        ({"format": "national", **SWISS}, "*31#", "*31#"),
        ({"format": "national", **SWISS}, "alice", "alice"),
        ({"format": "national", **SWISS}, "+4144abc", "+4144abc"),
        ({"format": "digits"}, "", ""),
    ],
)
def test_numbers_go_out_as_the_trunk_writes_them(plan: dict[str, str], number: str, written: str) -> None:
    one = NumberPlan(**plan)  # type: ignore[arg-type]  # a table of settings

    assert one.write_called(number) == written
    assert one.write_caller(number) == written


@pytest.mark.parametrize(
    ("plan", "number", "read"),
    [
        ({}, "0441234567", "0441234567"),
        ({}, "12025550100", "12025550100"),
        ({"format": "digits"}, "12025550100", "+12025550100"),
        ({"format": "e164"}, "12025550100", "+12025550100"),
        ({"format": "e164"}, "+12025550100", "+12025550100"),
        ({"format": "digits"}, "117", "117"),
        ({"format": "national", **SWISS}, "0441234567", "+41441234567"),
        ({"format": "national", **SWISS}, "0012025550100", "+12025550100"),
        ({"format": "national", **SWISS}, "441234567", "441234567"),  # there national numbers begin with 0
        ({"format": "national", **NORTH_AMERICAN}, "2025550100", "+12025550100"),
        ({"format": "national", **NORTH_AMERICAN}, "01141441234567", "+41441234567"),
        ({"format": "national", **NORTH_AMERICAN}, "911", "911"),
        (SWISS, "0441234567", "+41441234567"),
        ({"format": "digits"}, "1" * 65, "1" * 65),
        ({"format": "digits"}, "anonymous", "anonymous"),
        (
            {"format": "digits"},
            "\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
            "\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
        ),
    ],
)
def test_numbers_come_in_as_e164_where_that_can_be_known(plan: dict[str, str], number: str, read: str) -> None:
    one = NumberPlan(**plan)  # type: ignore[arg-type]  # a table of settings

    assert one.read_called(number) == read
    assert one.read_caller(number) == read


def test_the_first_rule_that_matches_counts_and_the_format_does_not() -> None:
    plan = NumberPlan(
        format="digits",
        called_out=parse_rules(("+49|. -> 0049", "+|. -> 9")),
        caller_out=parse_rules(("+1202| ->",)),
        called_in=parse_rules(("7XX -> +1202555",)),
        caller_in=parse_rules(("0|. -> +41",)),
    )

    assert plan.write_called("+4930123456") == "004930123456"
    assert plan.write_called("+12025550100") == "912025550100"
    assert plan.write_caller("+12025550100") == "12025550100"
    assert plan.read_called("712") == "+1202555712"
    assert plan.read_called("12025550100") == "+12025550100"
    assert plan.read_caller("0441234567") == "+41441234567"


def test_a_rule_that_would_leave_nothing_is_passed_over() -> None:
    plan = NumberPlan(called_out=parse_rules(("100|",)))

    assert plan.write_called("100") == "100"


@example(digits="41000000", form="national")  # written nationally it would begin like an international number
@given(digits=st.from_regex(r"[1-9][0-9]{7,14}", fullmatch=True), form=st.sampled_from(("e164", "digits", "national")))
def test_what_goes_out_comes_in_as_the_same_number(digits: str, form: str) -> None:
    plan = NumberPlan(format=form, **SWISS)  # type: ignore[arg-type]  # a table of settings

    assert plan.read_called(plan.write_called(f"+{digits}")) == f"+{digits}"
