"""Reason (RFC 3326): why a request was sent, for example `Q.850;cause=16;text="Terminated"`."""

from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.tokens import is_token, quote


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason value.

    Attributes:
        protocol: `SIP`, `Q.850` ...; compared without case.
        cause: a SIP status or a Q.850 value; None when it was not given.
    """

    protocol: str
    cause: int | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reason":
        """Parse one element (see `Headers.get_all`).

        Raises:
            SipParseError: no protocol token, broken parameters, or a cause that is not a number of up to 3 digits.
        """
        protocol, semicolon, rest = text.partition(";")
        if not is_token(protocol.strip()):
            raise SipParseError(f"not a Reason: {text[:60]!r}")
        params = Params.parse(semicolon + rest)
        cause = params.get("cause")
        if cause is not None and not (cause.isascii() and cause.isdigit() and len(cause) <= 3):
            raise SipParseError(f"not a cause: {cause[:20]!r}")
        return cls(protocol.strip(), None if cause is None else int(cause), params.get("text") or "")

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        return self.protocol + cause + (f";text={quote(self.text)}" if self.text else "")


def q850_cause(values: list[str]) -> int | None:
    """The Q.850 cause among the values of a message's Reason fields, None when there is none that can be read.

    "Call completed elsewhere", which RFC 3326 writes as a SIP cause, is 26.
    """
    elsewhere: int | None = None
    for value in values:
        try:
            reason = Reason.parse(value)
        except SipParseError:
            continue
        if reason.protocol.upper() == "Q.850" and reason.cause is not None:
            return reason.cause
        if (reason.protocol.upper(), reason.cause) == ("SIP", COMPLETED_ELSEWHERE.cause):
            elsewhere = NON_SELECTED_USER
    return elsewhere


COMPLETED_ELSEWHERE: Final = Reason("SIP", 200, "Call completed elsewhere")
"""RFC 3326 section 2: why a forked INVITE is cancelled when another branch has answered."""

NON_SELECTED_USER: Final = 26
"""The same as a Q.850 cause: non-selected user clearing."""
