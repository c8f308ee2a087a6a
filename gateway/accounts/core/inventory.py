"""The numbers that the lab sells: fictitious ones of the North American plan, so that nobody's phone ever rings.

555-0100 to 555-0199 of every area code are set aside for fiction (NANPA). Below 0121 are the lab's magic numbers.
Source of the rows: rest-v2 A.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIRST: Final = 121
LAST: Final = 198
"""0199 is the demo's."""

FEATURES: Final = ("voice", "local_calling", "hd_voice", "emergency")
"""What each of them can do; there is no messaging here."""

MONTHLY_COST: Final = "1.00"
UPFRONT_COST: Final = "1.00"
CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Area:
    """An area code and where it is; `country` in ISO 3166-1 alpha-2."""

    code: str
    country: str
    state: str
    location: str
    kind: str = "local"


AREAS: Final = (
    Area("202", "US", "DC", "WASHINGTON"),
    Area("212", "US", "NY", "NEW YORK"),
    Area("305", "US", "FL", "MIAMI"),
    Area("312", "US", "IL", "CHICAGO"),
    Area("415", "US", "CA", "SAN FRANCISCO"),
    Area("512", "US", "TX", "AUSTIN"),
    Area("604", "CA", "BC", "VANCOUVER"),
    Area("416", "CA", "ON", "TORONTO"),
    Area("800", "US", "", "", "toll_free"),
)


@dataclass(frozen=True, slots=True)
class OfferedNumber:
    """A number of the inventory."""

    phone_number: str
    area: Area


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for; None and empty are anything.

    Attributes:
        features: all of them.
        contains, starts_with, ends_with: digits within, at the beginning (with or without the 1 of the country) and at
            the end of the number.
    """

    country: str | None = None
    kind: str | None = None
    state: str | None = None
    location: str | None = None
    area_code: str | None = None
    features: tuple[str, ...] = ()
    contains: str = ""
    starts_with: str = ""
    ends_with: str = ""


def offered(wanted: Wanted) -> Iterator[OfferedNumber]:
    """The numbers that fit, in order."""
    if not set(wanted.features) <= set(FEATURES):
        return
    for area in AREAS:
        if not _is_in(area, wanted):
            continue
        for last in range(FIRST, LAST + 1):
            national = f"{area.code}555{last:04d}"
            if (
                wanted.contains in f"1{national}"
                and f"1{national}".startswith((wanted.starts_with, f"1{wanted.starts_with}"))
                and national.endswith(wanted.ends_with)
            ):
                yield OfferedNumber(f"+1{national}", area)


def find(phone_number: str) -> OfferedNumber | None:
    """That number of the inventory."""
    return next((one for one in offered(Wanted()) if one.phone_number == phone_number), None)


def _is_in(area: Area, wanted: Wanted) -> bool:
    pairs = (
        (wanted.country, area.country),
        (wanted.kind, area.kind),
        (wanted.state, area.state),
        (wanted.area_code, area.code),
        (None if wanted.location is None else wanted.location.upper(), area.location),
    )
    return all(asked is None or asked == has for asked, has in pairs)
