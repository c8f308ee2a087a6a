"""message/sipfrag as NOTIFYs about a REFER carry it (RFC 3420; RFC 3515 section 2.4.5): a status line."""

import re
from typing import Final

MEDIA_TYPE: Final = "message/sipfrag"
CONTENT_TYPE: Final = "message/sipfrag;version=2.0"

_STATUS_LINE: Final = re.compile(r"SIP/2\.0[ \t]+([1-6][0-9]{2})(?:[ \t]+([^\r\n]{0,200})[^\r\n]*)?", re.IGNORECASE)


def format_sipfrag(status: int, reason: str) -> bytes:
    """A body that says so; a line break in the reason becomes a blank."""
    return f"SIP/2.0 {status} {' '.join(reason.split())}\r\n".encode()


def parse_sipfrag(body: bytes) -> tuple[int, str] | None:
    """Status and reason of the status line that the body starts with; None when it starts with something else."""
    found = _STATUS_LINE.match(body[:400].decode("utf-8", "replace").lstrip())
    return None if found is None else (int(found[1]), (found[2] or "").strip())
