"""What must not be kept of a Verto frame: passwords, tokens, TURN credentials, keys in session descriptions, digits."""

import re
from typing import Final

MASK: Final = "***"
"""Stands where a secret stood."""

SECRET_MEMBERS: Final = frozenset(
    {
        "answered_device_token",
        "authorization",
        "call_report_id",
        "credential",
        "digit",
        "digits",
        "dtmf",
        "iceservers",
        "jwt",
        "login_token",
        "passwd",
        "password",
        "push_device_token",
        "push_notification_token",
        "token",
    }
)
"""Members of a JSON object, in small letters, whose values are secrets, whatever the object is."""

_SDP_SECRET: Final = re.compile(r"(a=(?:ice-pwd|crypto|key-mgmt):|^k=)[^\r\n\"\\]+", re.IGNORECASE | re.MULTILINE)
_MARKS: Final = ("ice-pwd:", "crypto:", "key-mgmt:", "k=")
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")


_ANY_MARK: Final = (*sorted(SECRET_MEMBERS), *_MARKS, "eyj", "\\u")
"""Without any of them in a JSON text, in small letters, nothing in it is secret: `\\u` may spell every other one."""


def is_plain(text: str) -> bool:
    """Whether nothing in a JSON text is secret, as its letters show; False does not say that something is."""
    small = text.lower()
    return not any(mark in small for mark in _ANY_MARK)


def masked_json(value: object) -> object:
    """The JSON value without what is secret in it.

    Raises:
        RecursionError: it is nested too deeply.
    """
    match value:
        case dict():
            return {
                key: MASK if str(key).lower() in SECRET_MEMBERS else masked_json(member)
                for key, member in value.items()
            }
        case list():
            return [masked_json(member) for member in value]
        case str():
            return _masked_text(value)
        case _:
            return value


def _masked_text(text: str) -> str:
    """Looks first whether there may be anything: a pattern that ignores case takes its time on a description."""
    small = text.lower()
    if any(mark in small for mark in _MARKS):
        text = _SDP_SECRET.sub(r"\1" + MASK, text)
    return _JWT.sub(MASK, text) if "eyJ" in text else text
