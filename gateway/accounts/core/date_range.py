"""Ranges of dates by name, as detail records are asked for (rest-v2 D). Days and weeks are those of UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

MAX_DAYS: Final = 999
"""Of `last_N_days`."""

_LAST_DAYS: Final = re.compile(r"last_([1-9][0-9]{0,2})_days")
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)

NAMES: Final = (
    "yesterday",
    "today",
    "tomorrow",
    "last_week",
    "this_week",
    "next_week",
    "last_month",
    "this_month",
    "next_month",
)

PATTERN: Final = f"(?:{'|'.join(NAMES)}|{_LAST_DAYS.pattern})"
"""What a name looks like."""


def bounds(name: str, today: date) -> tuple[datetime, datetime] | None:
    """The first instant of the range and the first behind it; None for a name that is none.

    `last_N_days` are the N days before today and what there is of today; a week begins on Monday.
    """
    if found := _LAST_DAYS.fullmatch(name):
        return _instants(today - int(found[1]) * _DAY, today + _DAY)
    if name not in NAMES:
        return None
    if name in ("yesterday", "today", "tomorrow"):
        day = today + (NAMES.index(name) - 1) * _DAY
        return _instants(day, day + _DAY)
    which, _, unit = name.partition("_")
    shift = ("last", "this", "next").index(which) - 1
    if unit == "week":
        monday = today - today.weekday() * _DAY + shift * _WEEK
        return _instants(monday, monday + _WEEK)
    return _instants(_first_of_month(today, shift), _first_of_month(today, shift + 1))


def _first_of_month(today: date, shift: int) -> date:
    months = today.year * 12 + today.month - 1 + shift
    return date(months // 12, months % 12 + 1, 1)


def _instants(first: date, behind: date) -> tuple[datetime, datetime]:
    return datetime.combine(first, time(), UTC), datetime.combine(behind, time(), UTC)
