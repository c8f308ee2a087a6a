"""RSeq and RAck (RFC 3262 sections 7.1 and 7.2)."""

import re
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.fields import Headers

MAX_RSEQ: Final = 2**32 - 1
"""RFC 3262 section 7.1: what its grammar takes; a first one is below 2**31 (section 3)."""

_NUMBER: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class RAck:
    """Which reliable provisional response a PRACK acknowledges: its RSeq, and the CSeq that it answers."""

    rseq: int
    cseq: CSeq

    @classmethod
    def parse(cls, text: str) -> "RAck":
        """Parse the value of a RAck header field.

        Raises:
            SipParseError: not two numbers and a method, or a number out of range.
        """
        rseq, _, rest = text.strip().partition(" ")
        return cls(_rseq(rseq), CSeq.parse(rest.strip()))

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq}"


def rseq_of(headers: Headers) -> int | None:
    """The number of a reliable provisional response, None when it has none.

    Raises:
        SipParseError: several, no number, 0, or 2**32 or more.
    """
    values = headers.get_all("RSeq")
    if not values:
        return None
    if len(values) > 1:
        raise SipParseError("several RSeq")
    return _rseq(values[0].strip())


def rack_of(headers: Headers) -> RAck:
    """What a PRACK acknowledges.

    Raises:
        SipParseError: none, several, or a broken one.
    """
    values = headers.get_all("RAck")
    if len(values) != 1:
        raise SipParseError("no RAck" if not values else "several RAck")
    return RAck.parse(values[0])


def _rseq(text: str) -> int:
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_RSEQ:
        raise SipParseError(f"not an RSeq: {text[:20]!r}")
    return int(text)
