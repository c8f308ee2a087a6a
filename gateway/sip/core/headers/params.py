"""`;name=value` parameters behind an address, a Via or a media type (RFC 3261 section 25.1, generic-param)."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.tokens import end_of_quoted, is_token, split_outside_quotes, unquote


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters in their order, values raw (a quoted-string keeps its quotes), None for a name alone.

    Names are compared without case. `str` gives back what `parse` took, without white space.
    """

    items: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Params":
        """Parse text that is empty or starts with `;`.

        Raises:
            SipParseError: an empty parameter, a name that is no token, a broken quoted-string, or a name twice.
        """
        text = text.strip()
        if not text:
            return cls()
        if text[0] != ";":
            raise SipParseError(f"expected a parameter, found {text[:40]!r}")
        items: list[tuple[str, str | None]] = []
        seen: set[str] = set()
        for piece in split_outside_quotes(text[1:], ";"):
            name, value = _parse_one(piece)
            if name.lower() in seen:
                raise SipParseError(f"parameter {name!r} appears twice")
            seen.add(name.lower())
            items.append((name, value))
        return cls(tuple(items))

    def get(self, name: str) -> str | None:
        """The value without quotes; None when the parameter is absent or has no value."""
        for known, value in self.items:
            if known.lower() == name.lower():
                return None if value is None else unquote(value)
        return None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(known.lower() == name.lower() for known, _ in self.items)

    def __iter__(self) -> Iterator[tuple[str, str | None]]:
        return iter(self.items)

    def with_value(self, name: str, value: str | None) -> "Params":
        """A copy with that parameter set: in its place if it was there, else at the end."""
        if name not in self:
            return Params((*self.items, (name, value)))
        return Params(tuple((n, value if n.lower() == name.lower() else v) for n, v in self.items))

    def without(self, name: str) -> "Params":
        """A copy without that parameter."""
        return Params(tuple((n, v) for n, v in self.items if n.lower() != name.lower()))

    def __str__(self) -> str:
        return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in self.items)


def _parse_one(piece: str) -> tuple[str, str | None]:
    name, equals, value = piece.partition("=")
    name, value = name.strip(), value.strip()
    if not is_token(name):
        raise SipParseError(f"not a parameter name: {name[:40]!r}")
    if not equals:
        return name, None
    if value.startswith('"'):
        if end_of_quoted(value) != len(value):
            raise SipParseError(f"broken quoted value of parameter {name!r}")
    elif not value or any(char in value for char in ' \t",<>'):
        # Wider than the grammar's token or host: real peers send `/`, `:` and `@` here without quotes.
        raise SipParseError(f"broken value of parameter {name!r}")
    return name, value
