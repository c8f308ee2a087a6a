"""Digits in INFO bodies: `application/dtmf-relay` and `application/dtmf` (no RFC: Cisco's and everybody's habit)."""

import re
from typing import Final

from gateway.sip.call import InfoDtmf

RELAY: Final = "application/dtmf-relay"
MEDIA_TYPES: Final = (RELAY, "application/dtmf")

DEFAULT_DURATION: Final = 0.1
"""Seconds; used when the body gives none. RFC 4733 asks for 40 ms or more."""

MAX_DURATION: Final = 8.0
"""Seconds; longer ones are cut to what fits the duration field of one RFC 4733 event at 8000 Hz."""

MIN_DURATION: Final = 0.04
"""Seconds; what we send is no shorter: detectors are promised no less (ITU-T Q.24)."""

_LINE: Final = re.compile(r"^\s*([A-Za-z]+)\s*[=:]\s*(\S+)\s*$")
_DIGITS: Final = "0123456789*#ABCD"


def parse_info_dtmf(media_type: str, body: bytes) -> InfoDtmf | None:
    """The digit in an INFO body, or None when there is none.

    `application/dtmf-relay` has lines `Signal=5` and `Duration=160` (milliseconds); `application/dtmf` has the bare
    digit, some senders put the lines there too. 10 to 15 are RFC 4733's event codes of ``* # A-D``.
    """
    text = body.decode("ascii", "replace").strip()
    values = {
        match.group(1).lower(): match.group(2) for line in text.splitlines() if (match := _LINE.match(line)) is not None
    }
    signal = values.get("signal", text if media_type == "application/dtmf" and not values else "")
    if (digit := _digit(signal)) is None:
        return None
    return InfoDtmf(digit, _duration(values.get("duration", "")))


def are_digits(text: str) -> bool:
    """Whether each character is one that an INFO can carry, and there is one."""
    return bool(text) and all(character in _DIGITS for character in text)


def format_info_dtmf(digit: str, duration: float | None) -> bytes:
    """The body of an `application/dtmf-relay` with that digit; `duration` in seconds, None for the usual."""
    length = DEFAULT_DURATION if duration is None else min(max(duration, MIN_DURATION), MAX_DURATION)
    return f"Signal={digit}\r\nDuration={round(length * 1000)}\r\n".encode()


def _digit(signal: str) -> str | None:
    if re.fullmatch(r"1[0-5]", signal, re.ASCII):
        return _DIGITS[int(signal)]
    return signal.upper() if len(signal) == 1 and signal.upper() in _DIGITS else None


def _duration(milliseconds: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}", milliseconds, re.ASCII) or int(milliseconds) == 0:
        return DEFAULT_DURATION
    return min(int(milliseconds) / 1000, MAX_DURATION)
