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

_SDP_SECRETS: Final = (
    re.compile(rb"a=(?:ice-pwd|crypto|key-mgmt):([^\r\n\"\\]+)"),
    re.compile(rb"\nk=([^\r\n\"\\]+)"),
)
"""In small letters. Each begins with letters of its own, which is what makes a search fast."""
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
    small = text.lower()
    if any(mark in small for mark in _MARKS):
        text = _masked_description(text)
    return _JWT.sub(MASK, text) if "eyJ" in text else text


def _masked_description(text: str) -> str:
    """Looks in a copy in small letters: a pattern that ignores case takes twenty times as long.

    In octets, whose small letters are as many; some characters' are not.
    """
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for pattern in _SDP_SECRETS:
        small = b"\n" + data.lower()  # so that the first line begins like all others
        for start, end in reversed([found.span(1) for found in pattern.finditer(small)]):
            data[start - 1 : end - 1] = MASK.encode()
    return data.decode("utf-8", "surrogatepass")
