"""Turns written values into the types of the settings classes. A value that does not fit raises `Unfit`."""

import dataclasses
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from gateway.config.sources import Raw

Parser = Callable[[str], object]
"""Makes a value of a text, or raises ValueError with what was expected."""


class Unfit(Exception):
    """A value that does not fit.

    Attributes:
        found: what to put behind the key (`[0]` for the first element of a list, else nothing), and the message.
    """

    def __init__(self, message: str, suffix: str = "") -> None:
        super().__init__(message)
        self.found: list[tuple[str, str]] = [(suffix, message)]

    @classmethod
    def within(cls, parts: Mapping[str, "Unfit"]) -> "Unfit":
        """The mistakes of several parts of a value, each named by its suffix."""
        whole = cls("")
        whole.found = [(part + suffix, text) for part, error in parts.items() for suffix, text in error.found]
        return whole


@dataclass(frozen=True, slots=True)
class Context:
    """What conversions need to know besides the value.

    Attributes:
        base: folder that relative paths start from.
        parsers: for keys whose text has a grammar of its own.
    """

    base: Path
    parsers: Mapping[str, Parser]


def convert(key: str, raw: Raw, wanted: Any, context: Context) -> object:  # Any: a type annotation
    """The value as the type that a settings class wants.

    Args:
        key: without indexes, to find its parser.

    Raises:
        Unfit: it does not fit; the message says what was expected.
    """
    choices = get_args(wanted) if get_origin(wanted) in (Union, UnionType) else ()
    if type(None) in choices:
        rest = tuple(choice for choice in choices if choice is not type(None))
        return convert(key, raw, Union[rest], context)  # noqa: UP007 - built at run time
    if get_origin(wanted) is tuple and get_args(wanted)[-1:] == (...,):
        return _list(key, raw, get_args(wanted)[0], context)
    if key in context.parsers:
        return _parsed(raw, context.parsers[key])
    if get_origin(wanted) is Literal:
        return _choice(raw, get_args(wanted))
    if frozenset(choices) == {IPv4Network, IPv6Network}:
        return _parsed(raw, _network)
    if len(choices) == 2 and dataclasses.is_dataclass(choices[1]):
        # A word, or a table: certificate = "auto", certificate = { cert = "...", key = "..." }
        is_table = isinstance(raw.value, dict)
        return _table(key, raw, choices[1], context) if is_table else convert(key, raw, choices[0], context)
    if dataclasses.is_dataclass(wanted):
        if not isinstance(raw.value, dict):
            names = " and ".join(get_type_hints(wanted))
            raise Unfit(f"expected a table with {names}, got {_shown(raw.value)}")
        return _table(key, raw, wanted, context)
    if wanted is Path:
        return context.base / _text(raw)
    return _scalar(raw, wanted)


def _list(key: str, raw: Raw, element: Any, context: Context) -> tuple[object, ...]:  # Any: a type annotation
    values = raw.value
    if isinstance(values, str) and raw.text is not None:
        # An environment variable without brackets: a,b,c
        values = [part.strip() for part in values.split(",")] if values.strip() else []
    if not isinstance(values, list):
        raise Unfit(f"expected a list, got {_shown(raw.value)}")
    made: list[object] = []
    wrong: dict[str, Unfit] = {}
    for index, value in enumerate(values):
        try:
            made.append(convert(key, Raw(value, where=raw.where), element, context))
        except Unfit as error:
            wrong[f"[{index}]"] = error
    if wrong:
        raise Unfit.within(wrong)
    return tuple(made)


def _table(key: str, raw: Raw, wanted: Any, context: Context) -> object:  # Any: a settings class
    assert isinstance(raw.value, dict)
    hints = get_type_hints(wanted)
    names = " and ".join(hints)
    wrong = {
        f".{name}": Unfit(f"is not a setting, expected {names}") for name in sorted(raw.value.keys() - hints.keys())
    }
    wrong |= {f".{name}": Unfit("expected a value, none is given") for name in hints if name not in raw.value}
    made: dict[str, object] = {}
    for name, hint in hints.items():
        try:
            if name in raw.value:
                made[name] = convert(f"{key}.{name}", Raw(raw.value[name], where=raw.where), hint, context)
        except Unfit as error:
            wrong[f".{name}"] = error
    if wrong:
        raise Unfit.within(wrong)
    result: object = wanted(**made)
    return result


def _scalar(raw: Raw, wanted: Any) -> object:  # Any: a type annotation
    value = raw.value
    if wanted is str:
        return _text(raw)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise Unfit(f"expected {_NAMES[wanted]}, got {_shown(value)}")


_NAMES: Final[Mapping[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _text(raw: Raw) -> str:
    if isinstance(raw.value, str):
        text = raw.value
    elif raw.text is not None:
        text = raw.text
    else:
        raise Unfit(f"expected a text in quotes, got {_shown(raw.value)}")
    if any(not character.isprintable() for character in text):
        raise Unfit("expected a text without control characters")
    return text


def _parsed(raw: Raw, parser: Parser) -> object:
    text = _text(raw)
    try:
        return parser(text)
    except ValueError as error:
        raise Unfit(f"{error}, got {_shown(text)}") from error


def _choice(raw: Raw, choices: tuple[object, ...]) -> object:
    text = _text(raw)
    if text not in choices:
        raise Unfit(f"expected one of {', '.join(map(repr, choices))}, got {_shown(text)}")
    return text


_PASSWORD_IN_URL: Final = re.compile(r"(:/{0,2}[^\s:/@]*):[^\s@]*@")


def _shown(value: object) -> str:
    """The value for a message: short, and without a password that somebody put into an address."""
    text = _PASSWORD_IN_URL.sub(r"\1:***@", repr(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("expected an address or a network as 192.0.2.0/24, host bits zero") from error


def address_and_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:9464` or `[::1]:9464`. Raises ValueError."""
    expected = "expected ADDRESS:PORT, as 127.0.0.1:9464 or [::1]:9464"
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ValueError(expected)
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(expected) from error
    if is_bracketed != (address.version == 6):
        raise ValueError(expected)
    return host, int(port)


def name_server(text: str) -> tuple[str, int]:
    """`192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53` or `[2001:db8::53]:5353`; port 53 if none. Raises ValueError."""
    try:
        return str(ipaddress.ip_address(text)), _DNS_PORT
    except ValueError:
        pass
    try:
        return address_and_port(text)
    except ValueError as error:
        raise ValueError("expected ADDRESS or ADDRESS:PORT, as 192.0.2.53 or [2001:db8::53]:53") from error


_DNS_PORT: Final = 53


def sip_listener(text: str) -> tuple[str, str, int]:
    """`udp:127.0.0.1:5060`, `tcp:[::1]:5060` or `tls:192.0.2.1:5061`. Raises ValueError."""
    transport, _, rest = text.partition(":")
    if transport not in ("udp", "tcp", "tls"):
        raise ValueError('expected "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "tls:ADDRESS:PORT"')
    try:
        return (transport, *address_and_port(rest))
    except ValueError as error:
        raise ValueError(f'expected "{transport}:ADDRESS:PORT", as {transport}:127.0.0.1:5060') from error
