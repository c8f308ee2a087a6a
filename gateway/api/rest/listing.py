"""Page, filters and order of a list: from a query string to typed values, or to an error that names the parameter.

Source: rest-v2 0.7, 0.8, A.1.3; `filter[a][b]=v` as both server SDKs write it, lists comma-joined in one key.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from gateway.api.errors import BadRequest

DEFAULT_SIZE: Final = 20
MAX_SIZE: Final = 250

_MAX_NUMBER: Final = 10**9
"""Pages beyond are refused: no table has them, and a database's offset is a 64-bit number."""

MAX_VALUE: Final = 255
"""Characters of a filter's value."""

MAX_SORTS: Final = 10
"""Fields of an order."""

_FILTER: Final = re.compile(r"filter((?:\[[^\[\]]{1,64}\]){1,4})")
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_PAGE_NAMES: Final = {
    "page[number]": "number",
    "page_number": "number",  # the Node SDK sends a caller's plain key unchanged
    "page[size]": "size",
    "page_size": "size",
}


class FilterKind(Enum):
    """What the value of a filter has to be."""

    TEXT = "text"
    TEXTS = "texts"
    """Comma-joined."""
    BOOLEAN = "boolean"
    INTEGER = "integer"
    TIME = "time"
    """ISO 8601; UTC without a zone."""


FilterValue = str | tuple[str, ...] | bool | int | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """One filter that a list knows.

    Attributes:
        kind: what its value has to be.
        about: one line for the document.
        choices: the closed set of a text, empty for any.
        shortest: characters that a text needs at least.
        pattern: what a whole text looks like, a regular expression that JSON Schema knows as well; empty for any.
        bounds: the lowest and the highest value of an integer.
        is_required: whether the list is refused without it.
    """

    kind: FilterKind = FilterKind.TEXT
    about: str = ""
    choices: tuple[str, ...] = ()
    shortest: int = 1
    pattern: str = ""
    bounds: tuple[int, int] = (-(10**15), 10**15)
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules:
    """What a list may be asked for.

    Attributes:
        filters: by name as in the query: `name`, `connection_name][contains` without the outer `filter[` and `]`.
        sorts: fields that may be sorted by.
        default_sort: as in the query, for example `-created_at`.
        is_paged: False for the few lists without pages.
    """

    filters: Mapping[str, FilterRule] = field(default_factory=dict)
    sorts: tuple[str, ...] = ()
    default_sort: str = ""
    default_size: int = DEFAULT_SIZE
    max_size: int = MAX_SIZE
    is_paged: bool = True


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of the order."""

    field: str
    is_descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was asked for.

    Attributes:
        number: of the page, from 1.
        size: rows of a page.
        filters: by the same names as in the rules; all have to hold.
        sort: the order, most important first.
    """

    number: int = 1
    size: int = DEFAULT_SIZE
    filters: Mapping[str, FilterValue] = field(default_factory=dict)
    sort: tuple[Sort, ...] = ()

    def text(self, name: str) -> str | None:
        """The value of a text filter, None without it."""
        value = self.filters.get(name)
        assert value is None or isinstance(value, str)
        return value

    def total_pages(self, total: int) -> int:
        """Pages that `total` rows need; 1 for none, so that the SDKs' iterators stop (rest-v2 0.7)."""
        return max(1, -(-total // self.size))


def read_listing(query: Sequence[tuple[str, str]], rules: ListRules) -> Listing:
    """What a query string asks of a list. Parameters that are neither page, filter nor sort are not looked at.

    Raises:
        BadRequest: a page, filter or sort that the list does not know or take; it names the parameter.
    """
    number, size = 1, rules.default_size
    filters: dict[str, FilterValue] = {}
    sort = _read_sort(rules.default_sort, rules) if rules.default_sort else ()
    for name, value in query:
        if rules.is_paged and (part := _PAGE_NAMES.get(name)) is not None:
            highest = _MAX_NUMBER if part == "number" else rules.max_size
            read = _read_page(name, value, highest)
            number, size = (read, size) if part == "number" else (number, read)
        elif name == "sort" or name == "sort[]":
            sort = _read_sort(value, rules)
        elif name.startswith("filter"):
            key = _filter_name(name)
            if (rule := rules.filters.get(key)) is None:
                raise BadRequest(f"this list has no {name}", parameter=name)
            filters[key] = _read_filter(name, value, rule)
    for key, rule in rules.filters.items():
        if rule.is_required and key not in filters:
            raise BadRequest(f"filter[{key}] is required", parameter=f"filter[{key}]")
    return Listing(number=number, size=size, filters=filters, sort=sort)


def _read_page(name: str, value: str, highest: int) -> int:
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:12]) <= highest:
        raise BadRequest(f"{name} is a whole number from 1 to {highest}", parameter=name)
    return int(value[:12])


def _read_sort(value: str, rules: ListRules) -> tuple[Sort, ...]:
    keys: list[Sort] = []
    items = value.split(",")
    if len(items) > MAX_SORTS:
        raise BadRequest(f"an order has at most {MAX_SORTS} fields", parameter="sort")
    for item in items:
        name = item.removeprefix("-")
        if name not in rules.sorts:
            known = ", ".join(rules.sorts) or "nothing"
            raise BadRequest(f"cannot sort by {name[:64]!r}; known here: {known}", parameter="sort")
        keys.append(Sort(name, item.startswith("-")))
    return tuple(keys)


def _filter_name(name: str) -> str:
    found = _FILTER.fullmatch(name)
    if found is None:
        raise BadRequest("a filter is written filter[field]=value", parameter=name[:256])
    return "][".join(_PART.findall(found[1]))


def _read_filter(name: str, value: str, rule: FilterRule) -> FilterValue:
    if len(value) > MAX_VALUE or "\x00" in value:
        raise BadRequest(f"{name} is longer than {MAX_VALUE} characters or holds a NUL", parameter=name)
    match rule.kind:
        case FilterKind.BOOLEAN:
            if value not in ("true", "false"):
                raise BadRequest(f"{name} is true or false", parameter=name)
            return value == "true"
        case FilterKind.INTEGER:
            lowest, highest = rule.bounds
            if not re.fullmatch(r"-?[0-9]{1,16}", value) or not lowest <= int(value) <= highest:
                raise BadRequest(f"{name} is a whole number from {lowest} to {highest}", parameter=name)
            return int(value)
        case FilterKind.TIME:
            return read_time(name, value)
        case FilterKind.TEXTS:
            return tuple(_read_text(name, item, rule) for item in value.split(","))
        case FilterKind.TEXT:
            return _read_text(name, value, rule)


def _read_text(name: str, value: str, rule: FilterRule) -> str:
    if rule.choices and value not in rule.choices:
        raise BadRequest(f"{name} is one of {', '.join(rule.choices)}", parameter=name)
    if rule.pattern and not re.fullmatch(rule.pattern, value):
        raise BadRequest(f"{name} is {rule.about[0].lower()}{rule.about[1:].rstrip('.')}", parameter=name)
    if len(value) < rule.shortest:
        raise BadRequest(f"{name} has {rule.shortest} characters or more", parameter=name)
    return value


def read_time(name: str, value: str) -> datetime:
    """An instant of a query parameter; UTC where it has no zone.

    Raises:
        BadRequest: not ISO 8601.
    """
    try:
        # A `+` of a zone that the client did not encode arrives as a space.
        at = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} is a time like 2026-03-01T12:00:00Z", parameter=name) from error
