"""Frames in debug lines, without what must not be in a log."""

import json
from typing import Final

from gateway.domain.masking import masked_json
from gateway.observability.logging import mask_text

MAX_LOGGED: Final = 4000
"""Characters of one frame in a log line."""

MAX_PARSED: Final = 1024 * 1024
"""Characters of a frame that is worth masking."""


def masked_frame(text: str) -> str:
    """The frame without passwords, tokens, TURN credentials, digits and SDP keys.

    A text that is not JSON, or nested too deeply to be masked, becomes its length: it may be a torn login.
    """
    if len(text) > MAX_PARSED:
        return f"({len(text)} characters)"
    try:
        masked = json.dumps(masked_json(json.loads(text)), separators=(",", ":"))
    except (ValueError, RecursionError):
        return f"({len(text)} characters, not JSON or too deep)"
    return mask_text(masked if len(masked) <= MAX_LOGGED else masked[:MAX_LOGGED] + "…")
