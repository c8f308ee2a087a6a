"""Frames in debug lines, without what must not be in a log."""

import json
import re
from typing import Final

from gateway.observability.logging import MASK, mask_text

MAX_LOGGED: Final = 4000
"""Characters of one frame in a log line."""

MAX_PARSED: Final = 1024 * 1024
"""Characters of a frame that is worth masking."""

_SECRET: Final = frozenset(
    {
        "answered_device_token",
        "call_report_id",
        "credential",
        "dtmf",
        "iceservers",
        "login_token",
        "passwd",
        "password",
        "push_device_token",
        "push_notification_token",
        "token",
    }
)
_SDP_SECRET: Final = re.compile(r"(a=(?:ice-pwd|crypto):)[^\r\n\"\\]+")


def masked_frame(text: str) -> str:
    """The frame without passwords, tokens, TURN credentials, digits and SDP keys.

    A text that is not JSON, or nested too deeply to be masked, becomes its length: it may be a torn login.
    """
    if len(text) > MAX_PARSED:
        return f"({len(text)} characters)"
    try:
        masked = json.dumps(_masked(json.loads(text)), separators=(",", ":"))
    except (ValueError, RecursionError):
        return f"({len(text)} characters, not JSON or too deep)"
    return mask_text(masked if len(masked) <= MAX_LOGGED else masked[:MAX_LOGGED] + "…")


def _masked(value: object) -> object:
    match value:
        case dict():
            return {key: MASK if str(key).lower() in _SECRET else _masked(member) for key, member in value.items()}
        case list():
            return [_masked(member) for member in value]
        case str():
            return _SDP_SECRET.sub(r"\1" + MASK, value)
        case _:
            return value
