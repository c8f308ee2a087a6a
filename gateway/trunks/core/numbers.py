"""Numbers as a trunk writes them, and as the gateway does: E.164 with `+`. Pure, and without regular expressions.

A rule is `STRIP|KEEP -> PREPEND`: a number that matches STRIP and then KEEP loses STRIP and gets PREPEND. STRIP with
its bar, and the arrow with PREPEND, may be left out. In patterns `X` is any digit, `Z` 1 to 9, `N` 2 to 9, `.` at
the end of KEEP one or more characters; digits and `+ * #` stand for themselves. The first rule that matches counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.sip.trunk_settings import NumberFormat

MAX_NUMBER: Final = 64
"""Characters of a number or pattern."""

SHORTEST_NATIONAL: Final = 7
"""Digits; a shorter number without any prefix is an extension or a service, and belongs to no country's plan."""

_LITERALS: Final = frozenset("0123456789+*#")
_CLASSES: Final = {"X": "0123456789", "Z": "123456789", "N": "23456789"}


@dataclass(frozen=True, slots=True)
class NumberRule:
    """One rule; see the module."""

    strip: str
    keep: str
    prepend: str

    @classmethod
    def parse(cls, text: str) -> "NumberRule":
        """Raises ValueError with what is wrong."""
        pattern, arrow, prepend = (part.strip() for part in text.partition("->"))
        strip, bar, keep = (part.strip() for part in pattern.partition("|"))
        if not bar:
            strip, keep = "", pattern
        if (not strip and not keep) or not (bar or arrow):
            raise ValueError(f"expected STRIP|KEEP -> PREPEND, got {text[:60]!r}")
        if any(len(part) > MAX_NUMBER for part in (strip, keep, prepend)):
            raise ValueError(f"expected at most {MAX_NUMBER} characters a part")
        body = keep.removesuffix(".")
        if not set(strip + body) <= _LITERALS | set(_CLASSES):
            raise ValueError(f"expected digits, + * #, X Z N, and . at the end, got {pattern[:60]!r}")
        if not set(prepend) <= _LITERALS:
            raise ValueError(f"expected digits and + * # behind the arrow, got {prepend[:60]!r}")
        return cls(strip, keep, prepend)

    def apply(self, number: str) -> str | None:
        """The number rewritten, None when it does not match."""
        cut = len(self.strip)
        if not _matches(self.strip, number[:cut]):
            return None
        rest, body = number[cut:], self.keep.removesuffix(".")
        is_open = body != self.keep
        is_long_enough = len(rest) > len(body) if is_open else len(rest) == len(body)
        if not is_long_enough or not _matches(body, rest[: len(body)]):
            return None
        return self.prepend + rest


def _matches(pattern: str, text: str) -> bool:
    return len(pattern) == len(text) and all(
        char in _CLASSES.get(wanted, wanted) for wanted, char in zip(pattern, text, strict=True)
    )


Rules = tuple[NumberRule, ...]


def parse_rules(texts: Iterable[str]) -> Rules:
    """Raises ValueError."""
    return tuple(NumberRule.parse(text) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPlan:
    """How a trunk writes numbers.

    Attributes:
        format: `as_is` (nothing is changed), `e164` (+41...), `digits` (41...), `national` (044... within
            the country, 0041... or +41... beyond).
        country_code: without `+`; empty: nothing national is understood.
        national_prefix: before a national number, `0` in most of Europe, nothing or `1` in North America.
        international_prefix: before a country code, for example `00`; empty: `+`.
        called_out, caller_out, called_in, caller_in: rules that come before the format, and instead of it.
    """

    format: NumberFormat = "as_is"
    country_code: str = ""
    national_prefix: str = ""
    international_prefix: str = ""
    called_out: Rules = ()
    caller_out: Rules = ()
    called_in: Rules = ()
    caller_in: Rules = ()

    def write_called(self, number: str) -> str:
        """A number that we call, as the trunk wants it."""
        return _first(self.called_out, number) or self._write(number)

    def write_caller(self, number: str) -> str:
        """The caller's number, as the trunk wants it."""
        return _first(self.caller_out, number) or self._write(number)

    def read_called(self, number: str) -> str:
        """A number that the trunk calls, in E.164 where that can be known."""
        return _first(self.called_in, number) or self._read(number, is_bare_known=True)

    def read_caller(self, number: str) -> str:
        """The caller's number from the trunk, in E.164 where that can be known."""
        return _first(self.caller_in, number) or self._read(number, is_bare_known=True)

    def _write(self, number: str) -> str:
        if self.format == "as_is":
            return number
        number = self._read(number, is_bare_known=False)
        if not _is_e164(number) or self.format == "e164":
            return number  # a short code, a user name: nothing to reshape
        digits = number[1:]
        if self.format == "digits":
            return digits
        if self.country_code and digits.startswith(self.country_code):
            national = self.national_prefix + digits.removeprefix(self.country_code)
            if not (self.international_prefix and national.startswith(self.international_prefix)):
                return national  # else a trunk would take it for a number of another country
        return (self.international_prefix or "+") + digits

    def _read(self, number: str, *, is_bare_known: bool) -> str:
        """To E.164.

        Args:
            is_bare_known: whether a number without any prefix is of the trunk's format; a client's may be a short code.
        """
        if not number.isascii() or not number.isdigit() or len(number) > MAX_NUMBER:
            return number
        if self.international_prefix and number.startswith(self.international_prefix):
            return "+" + number.removeprefix(self.international_prefix)
        if self.country_code and self.national_prefix and number.startswith(self.national_prefix):
            return f"+{self.country_code}{number.removeprefix(self.national_prefix)}"
        if not is_bare_known or len(number) < SHORTEST_NATIONAL:
            return number
        if self.format in ("digits", "e164"):
            return "+" + number
        if self.format == "national" and self.country_code and not self.national_prefix:
            return f"+{self.country_code}{number}"
        return number


def _first(rules: Rules, number: str) -> str | None:
    """What the first rule that matches makes of it; None without one."""
    return next((made for rule in rules if (made := rule.apply(number))), None)


def _is_e164(number: str) -> bool:
    return number.startswith("+") and number[1:].isascii() and number[1:].isdigit()
