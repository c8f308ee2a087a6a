"""Keys in session descriptions: `a=crypto` (RFC 4568), with the suites of RFC 4568 and RFC 7714. Pure.

An author's line holds the key that this author sends with. Nothing here shows a key but `write`.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_LINES: Final = 16
"""Lines of one media section that are looked at."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A crypto suite: its name in SDP, bytes of master key and master salt."""

    name: str
    key_length: int
    salt_length: int

    @property
    def length(self) -> int:
        """Bytes of key and salt together."""
        return self.key_length + self.salt_length


AES_CM_80: Final = Suite("AES_CM_128_HMAC_SHA1_80", 16, 14)
AES_CM_32: Final = Suite("AES_CM_128_HMAC_SHA1_32", 16, 14)
AEAD_128: Final = Suite("AEAD_AES_128_GCM", 16, 12)
AEAD_256: Final = Suite("AEAD_AES_256_GCM", 32, 12)

SUITES: Final = {suite.name: suite for suite in (AES_CM_80, AES_CM_32, AEAD_128, AEAD_256)}
OFFERED: Final = (AEAD_128, AEAD_256, AES_CM_80)
"""What we offer, in our order. AES_CM_128_HMAC_SHA1_32, whose tag is short (RFC 3711 section 7.5), is only taken."""

_LINE: Final = re.compile(r"([0-9]{1,9})\s+([A-Za-z0-9_]+)\s+(\S+)(?:\s+(.*))?")
_LIFETIME: Final = re.compile(r"2\^([0-9]{1,2})|([0-9]{1,15})")
_MAX_LIFETIME: Final = 2**48
"""Packets under one master key at most (RFC 3711 section 9.2)."""
_HARMLESS_PARAMETER: Final = re.compile(r"-\S+|WSH=[0-9]{2,4}|KDR=0", re.IGNORECASE)
"""Session parameters that ask for nothing: those that may be ignored (a dash before them, RFC 4568 section 6.3.7), the
peer's own window, and the key derivation rate that is the default."""


class BadCrypto(ValueError):
    """A line that cannot be used; the message holds nothing of the line."""


@dataclass(frozen=True, slots=True)
class CryptoLine:
    """One `a=crypto` that can be used.

    Attributes:
        tag: what an answer names it by.
        key: master key and master salt, as long as the suite wants them.
    """

    tag: int
    suite: Suite
    key: bytes = field(repr=False)


def parse_lines(texts: Sequence[str]) -> tuple[CryptoLine, ...]:
    """The usable ones among the values of `a=crypto`, in their order; of two with one tag the first counts."""
    found: dict[int, CryptoLine] = {}
    for text in texts[:MAX_LINES]:
        try:
            line = parse_line(text)
        except BadCrypto:
            continue  # RFC 4568 section 5.1.2: what is not understood is not chosen
        found.setdefault(line.tag, line)
    return tuple(found.values())


def parse_line(text: str) -> CryptoLine:
    """Parse the value of an `a=crypto` (RFC 4568 section 9.1).

    Raises:
        BadCrypto: not such a line, a suite or a session parameter that we do not have, a key of another length, several
            keys, or one with a master key identifier (MKI).
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise BadCrypto("not a crypto attribute")
    tag, name, keys, parameters = match.groups()
    suite = SUITES.get(name.upper())
    if suite is None:
        raise BadCrypto("a crypto suite that is not supported")
    if not all(_HARMLESS_PARAMETER.fullmatch(parameter) for parameter in (parameters or "").split()):
        raise BadCrypto("a session parameter that is not supported")
    return CryptoLine(int(tag), suite, _key(keys, suite))


def write_line(line: CryptoLine) -> str:
    """The value of the `a=crypto`. It holds the key."""
    return f"{line.tag} {line.suite.name} inline:{base64.b64encode(line.key).decode()}"


def _key(text: str, suite: Suite) -> bytes:
    """Master key and salt of `inline:<key||salt>[|lifetime]`; a lifetime is for its owner to keep to."""
    method, colon, rest = text.partition(":")
    if method.lower() != "inline" or not colon:
        raise BadCrypto("a key method that is not inline")
    if ";" in rest:
        raise BadCrypto("several keys for one suite")
    encoded, *fields = rest.split("|")
    if len(fields) > 1 or any(":" in each for each in fields):
        raise BadCrypto("a key with an MKI")
    if fields and not _is_lifetime(fields[0]):
        raise BadCrypto("not a lifetime of a key")
    return _decoded(encoded, suite)


def _decoded(encoded: str, suite: Suite) -> bytes:
    """The bytes of the key. Padding may be missing (RFC 4568 section 6.1: it is not part of the key)."""
    bare = encoded.rstrip("=")
    try:
        key = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCrypto("a key that is not base64") from error
    if len(key) != suite.length:
        raise BadCrypto(f"a key of {len(key)} bytes, {suite.name} wants {suite.length}")
    return key


def _is_lifetime(text: str) -> bool:
    """Whether it is a number of packets that a key may be used for: 1 to 2^48."""
    match = _LIFETIME.fullmatch(text)
    if match is None:
        return False
    power, number = match.groups()
    return 0 < (2 ** int(power) if power is not None else int(number)) <= _MAX_LIFETIME
