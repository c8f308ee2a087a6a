"""Replaces (RFC 3891 section 6.1): which dialog an INVITE shall take the place of."""

import re
from typing import Final

from gateway.sip.call import Replaces
from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.tokens import is_token

_CALL_ID: Final = re.compile(r"[^\s;,\x00-\x1f\x7f]{1,256}")


def parse_replaces(text: str) -> Replaces:
    """Parse the value of a Replaces header field.

    Raises:
        SipParseError: no Call-ID, or not exactly one to-tag and one from-tag that are tokens.
    """
    call_id, semicolon, rest = text.strip().partition(";")
    params = Params.parse(semicolon + rest)
    to_tag, from_tag = params.get("to-tag") or "", params.get("from-tag") or ""
    if not _CALL_ID.fullmatch(call_id.strip()) or not is_token(to_tag) or not is_token(from_tag):
        raise SipParseError(f"not a Replaces: {text[:80]!r}")
    return Replaces(call_id.strip(), to_tag, from_tag, "early-only" in params)


def format_replaces(replaces: Replaces) -> str:
    """The inverse of `parse_replaces`."""
    early_only = ";early-only" if replaces.is_early_only else ""
    return f"{replaces.call_id};to-tag={replaces.to_tag};from-tag={replaces.from_tag}{early_only}"


def replaces_of(headers: Headers) -> Replaces | None:
    """The dialog that an INVITE names, None when it names none.

    Raises:
        SipParseError: a broken one, more than one, or one beside a Join (RFC 3891 section 3, RFC 3911 section 4).
    """
    values = headers.get_all("Replaces")
    if not values:
        return None
    if len(values) > 1 or "Join" in headers:
        raise SipParseError("more than one Replaces, or one beside a Join")
    return parse_replaces(values[0])
