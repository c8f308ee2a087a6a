"""The header fields of one message, in order and raw."""

import re
from collections.abc import Iterable
from typing import Final

from sipmessage.message import COMPACT_FORMS

from gateway.sip.core.headers.remembered import remembered
from gateway.sip.core.headers.tokens import is_token, split_list

_LINE_BREAK: Final = re.compile(r"[\r\n]")
# A control character is legal behind a backslash in a quoted-string only (RFC 3261 section 25.1, quoted-pair).
_BAD_CONTROL: Final = re.compile(r"(?<!\\)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_LISTS: Final = frozenset(
    {
        "accept",
        "accept-contact",
        "accept-encoding",
        "accept-language",
        "accept-resource-priority",
        "alert-info",
        "allow",
        "allow-events",
        "call-info",
        "contact",
        "content-encoding",
        "content-language",
        "diversion",
        "error-info",
        "geolocation",
        "history-info",
        "in-reply-to",
        "p-asserted-identity",
        "p-associated-uri",
        "p-preferred-identity",
        "path",
        "permission-missing",
        "proxy-require",
        "reason",
        "record-route",
        "reject-contact",
        "request-disposition",
        "require",
        "resource-priority",
        "route",
        "security-client",
        "security-server",
        "security-verify",
        "service-route",
        "supported",
        "unsupported",
        "via",
        "warning",
    }
)
"""Header fields whose grammar is a comma list; every other value is one element, commas and all."""


class Headers:
    """Header fields in their order: names without case, compact forms written out, values raw."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str, str]] = []
        for name, value in items:
            self.add(name, value)

    def get(self, name: str) -> str | None:
        """The first value, a whole line even if it is a list; None when there is none."""
        key = _key(name)
        for known, _, value in self._items:
            if known == key:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Every element in order: comma lists are split where the field's grammar allows them."""
        key = _key(name)
        values = [value for known, _, value in self._items if known == key]
        return [piece for value in values for piece in split_list(value)] if key in _LISTS else values

    def count(self, name: str) -> int:
        """How many lines there are of that name."""
        key = _key(name)
        return len([known for known, _, _ in self._items if known == key])

    def add(self, name: str, value: str) -> None:
        """Put a line at the end.

        Raises:
            ValueError: a name that is no token, or a line break or control character in the value (injection).
        """
        self._items.append(_line(name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a line before all others, as a Via is. Raises as `add`."""
        self._items.insert(0, _line(name, value))

    def set(self, name: str, value: str) -> None:
        """Replace all lines of that name by one, in the place of the first. Raises as `add`."""
        line = _line(name, value)
        place = next((i for i, item in enumerate(self._items) if item[0] == line[0]), len(self._items))
        self._items = [item for item in self._items if item[0] != line[0]]
        self._items.insert(place, line)

    def replace_first(self, name: str, elements: Iterable[str]) -> None:
        """Replace the first element of a list header by these, leaving the others as they are."""
        key = _key(name)
        place = next(i for i, item in enumerate(self._items) if item[0] == key)
        rest = split_list(self._items[place][2])[1:]
        self._items[place] = _line(name, ", ".join([*elements, *rest]))

    def remove(self, name: str) -> None:
        """Remove all lines of that name, if any."""
        key = _key(name)
        self._items = [item for item in self._items if item[0] != key]

    def items(self) -> list[tuple[str, str]]:
        """Lines as (name, value), in order."""
        return [(name, value) for _, name, value in self._items]

    def copy(self) -> "Headers":
        """An independent copy."""
        other = Headers()
        other._items = self._items.copy()
        return other

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(k, v) for k, _, v in self._items] == [(k, v) for k, _, v in other._items]

    __hash__ = None  # type: ignore[assignment]  # mutable: must not be a key

    def __repr__(self) -> str:
        return f"Headers({self.items()!r})"


def long_name(name: str) -> str:
    """The name with a compact form written out (RFC 3261 section 7.3.3)."""
    return COMPACT_FORMS.get(name.lower(), name) if len(name) == 1 else name


@remembered
def _key(name: str) -> str:
    return long_name(name).lower()


@remembered
def _names(name: str) -> tuple[str, str]:
    """How a name is compared and how it is written."""
    if not is_token(name):
        raise ValueError(f"not a header field name: {name[:40]!r}")
    shown = long_name(name)
    return shown.lower(), shown


def _line(name: str, value: str) -> tuple[str, str, str]:
    key, shown = _names(name)
    # What is printable holds neither, and nearly everything is.
    if not value.isprintable() and (_LINE_BREAK.search(value) or _BAD_CONTROL.search(value)):
        raise ValueError(f"line break or control character in the value of {name}")
    return key, shown, value.strip()
