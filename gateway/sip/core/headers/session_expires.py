"""Session-Expires and Min-SE (RFC 4028 sections 4 and 5)."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.params import Params

Refresher = Literal["uac", "uas"]
"""Who refreshes, seen from the transaction that says so: its client or its server."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """A session interval in seconds, and who refreshes; None when that is left open."""

    interval: int
    refresher: Refresher | None = None

    def __str__(self) -> str:
        return str(self.interval) + ("" if self.refresher is None else f";refresher={self.refresher}")


def session_expires_of(headers: Headers) -> SessionExpires | None:
    """The session interval in a message, None when it has none.

    Raises:
        SipParseError: several, no number, or a refresher that is neither uac nor uas.
    """
    values = headers.get_all("Session-Expires")
    if not values:
        return None
    seconds, params = _delta(values, "Session-Expires")
    match (params.get("refresher") or "").lower():
        case "uac":
            return SessionExpires(seconds, "uac")
        case "uas":
            return SessionExpires(seconds, "uas")
        case "" if "refresher" not in params:
            return SessionExpires(seconds)
        case other:
            raise SipParseError(f"not a refresher: {other[:20]!r}")


def min_se_of(headers: Headers) -> int | None:
    """The least session interval that somebody on the way takes, None when the message does not say.

    Raises:
        SipParseError: several, or no number.
    """
    values = headers.get_all("Min-SE")
    return _delta(values, "Min-SE")[0] if values else None


def _delta(values: list[str], name: str) -> tuple[int, Params]:
    seconds, semicolon, rest = values[0].partition(";")
    if len(values) > 1 or not _SECONDS.fullmatch(seconds.strip()):
        raise SipParseError(f"not a {name}: {values[0][:40]!r}")
    return int(seconds), Params.parse(semicolon + rest)
