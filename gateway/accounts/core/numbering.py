"""What a dialled number is: its E.164 form, its country, whether it is for emergencies."""

import functools
import re
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import shortnumberinfo

_DIGITS: Final = re.compile(r"\+?[0-9]+")

_REMEMBERED: Final = 4096
"""Numbers that are not looked up again: admission, the price and the record of one call ask for the same two."""
_LONGEST: Final = 40
"""Characters of a text that is remembered: nobody fills memory with longer ones."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A number as its plan has it.

    Attributes:
        e164: `+` and digits; what was dialled, where it belongs to no plan.
        country: ISO 3166-1 alpha-2; None where it belongs to no plan.
        country_code: the calling code, None likewise.
    """

    e164: str
    country: str | None
    country_code: int | None
    is_emergency: bool = False


def look_up(dialled: str, localization: str) -> Numbered:
    """What was dialled, read by the rules of the country `localization` where it has no `+`.

    Fictitious numbers belong to their country as well: whether a number is assigned is not asked.
    """
    return (_look_up if len(dialled) <= _LONGEST else _look_up.__wrapped__)(dialled, localization)


@functools.lru_cache(_REMEMBERED)
def _look_up(dialled: str, localization: str) -> Numbered:
    if shortnumberinfo.connects_to_emergency_number(dialled, localization):
        return Numbered(dialled, localization, None, is_emergency=True)
    try:
        parsed = phonenumbers.parse(dialled, localization)
    except phonenumbers.NumberParseException:
        return Numbered(dialled, None, None)
    if not phonenumbers.is_possible_number(parsed) or parsed.country_code is None:
        return Numbered(dialled, None, None)
    country = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code
    )
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return Numbered(e164, None if country in ("ZZ", "001") else country, parsed.country_code)


def look_up_party(party: str, localization: str) -> Numbered:
    """The same of one end of a call, which may be a user name: one with digits in it is no vanity number."""
    return look_up(party, localization) if _DIGITS.fullmatch(party) else Numbered(party, None, None)
