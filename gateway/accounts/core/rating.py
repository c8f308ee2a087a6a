"""What a call costs: whole minutes at the price of the longest prefix that fits (rest-v2 D). Decimals, never floats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

MINUTE: Final = 60
CURRENCY: Final = "USD"

MAX_PREFIX: Final = 15
"""Digits of the longest number (E.164)."""

_PRICE: Final = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,6})?")
_PREFIX: Final = re.compile(r"\+[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices of a minute in USD.

    Attributes:
        by_prefix: by the first digits of a number, without `+`.
        default: of everything else.
    """

    default: Decimal
    by_prefix: Mapping[str, Decimal] = field(default_factory=dict)

    def price_per_minute(self, destination: str) -> Decimal:
        """What a minute to that destination costs: what `max_destination_rate` of a profile is held against.

        Args:
            destination: `+` and digits (`numbering.look_up` makes that of what was dialled), or whatever else can be
                called, which has the default price.
        """
        if not destination.startswith("+"):
            return self.default
        digits = destination[1 : MAX_PREFIX + 1]
        lengths = range(len(digits), 0, -1)
        return next((self.by_prefix[digits[:n]] for n in lengths if digits[:n] in self.by_prefix), self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What is put down for a leg that is over.

    Attributes:
        call_s: whole seconds that it was connected, halves up; 0 when it never was.
        billed_s: whole minutes begun, in seconds: at least one for a leg that was connected.
        rate: USD a minute. cost: USD.
    """

    call_s: int
    billed_s: int
    rate: Decimal
    cost: Decimal


def charge(answered_at: datetime | None, finished_at: datetime, rate: Decimal) -> Charge:
    """The charge of a leg that was connected from `answered_at` (None: never) to `finished_at`."""
    if answered_at is None:
        return Charge(call_s=0, billed_s=0, rate=rate, cost=Decimal(0))
    elapsed = max(0.0, (finished_at - answered_at).total_seconds())  # a clock may have been set back meanwhile
    call_s = int(elapsed + 0.5)
    minutes = max(1, -(-call_s // MINUTE))
    return Charge(call_s=call_s, billed_s=minutes * MINUTE, rate=rate, cost=minutes * rate)


def to_text(amount: Decimal) -> str:
    """An amount as the API shows it: no exponent, no zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_price(text: str) -> Decimal:
    """A price of the settings. Raises ValueError: it is none."""
    if not _PRICE.fullmatch(text):
        raise ValueError('expected USD a minute as "0.0125": below 100, at most 6 decimals')
    return Decimal(text)


def check_prefix(text: str) -> str:
    """The digits of a prefix of the settings. Raises ValueError: it is none."""
    if not _PREFIX.fullmatch(text):
        raise ValueError("expected + and 1 to 15 digits")
    return text[1:]
