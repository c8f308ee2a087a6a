"""Parsers remember short texts, and only those."""

import pytest

from gateway.sip.core.headers.remembered import LONGEST, remembered


class Parser:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, text: str) -> str:
        self.asked += 1
        if not text:
            raise ValueError("empty")
        return text.upper()


def test_text_that_was_parsed_before_is_not_parsed_again() -> None:
    parser = Parser()
    parse = remembered(parser.__call__)

    assert [parse("a"), parse("b"), parse("a")] == ["A", "B", "A"]
    assert parser.asked == 2


def test_long_text_is_not_kept() -> None:
    parser = Parser()
    parse = remembered(parser.__call__)
    long = "a" * (LONGEST + 1)

    assert parse(long) == parse(long)
    assert parser.asked == 2


def test_error_is_raised_each_time() -> None:
    parse = remembered(Parser().__call__)

    for _ in range(2):
        with pytest.raises(ValueError, match="empty"):
            parse("")
