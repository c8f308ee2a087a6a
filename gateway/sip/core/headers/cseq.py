"""CSeq (RFC 3261 section 20.16): sipmessage's grammar, our range."""

from dataclasses import dataclass
from typing import Final

import sipmessage

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.remembered import remembered

MAX_SEQUENCE: Final = 2**31 - 1
"""RFC 3261 section 8.1.1.5: below 2**31."""


@dataclass(frozen=True, slots=True)
class CSeq:
    """A sequence number and the method that it counts."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Parse the value of a CSeq header field.

        Raises:
            SipParseError: not `number method`, or the number is 2**31 or more.
        """
        return _parse(text)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@remembered
def _parse(text: str) -> CSeq:
    if len(text) > 200 or not text.isascii():
        raise SipParseError(f"not a CSeq: {text[:40]!r}")
    try:
        parsed = sipmessage.CSeq.parse(text)
    except ValueError as exc:
        raise SipParseError(f"not a CSeq: {text[:40]!r}") from exc
    if parsed.sequence > MAX_SEQUENCE:
        raise SipParseError(f"CSeq number {parsed.sequence} is not below 2**31")
    return CSeq(parsed.sequence, parsed.method)
