"""The magic numbers: which fictitious number behaves how. Pure data and one look-up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PUNCTUATION: Final = re.compile(r"[\s().\-/]+")
_NATIONAL: Final = re.compile(r"(?:\+?1)?([2-9]\d{9})")


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """A number of the lab trunk.

    Attributes:
        number: in +E.164 form.
        scenario: a name of `scenario.SCENARIOS`.
        description: what the far end does, for people.
        is_available: whether it can be called; all of them can.
    """

    number: str
    scenario: str
    description: str
    is_available: bool = True


MAGIC_NUMBERS: Final[tuple[MagicNumber, ...]] = (
    MagicNumber("+12025550100", "echo", "rings 1 s, answers, echoes what it hears"),
    MagicNumber("+12025550101", "tone", "rings 1 s, answers, plays 1004 Hz"),
    MagicNumber("+12025550102", "busy", "busy: 486"),
    MagicNumber("+12025550103", "decline", "declines: 603"),
    MagicNumber("+12025550104", "no_answer", "rings, never answers"),
    MagicNumber("+12025550105", "unallocated", "404, unallocated"),
    MagicNumber("+12025550106", "early_media", "183 with a 425 Hz tone for 3 s, then answers and echoes"),
    MagicNumber("+12025550107", "early_busy", "183 with a 425 Hz tone for 3 s, then 486"),
    MagicNumber("+12025550108", "hangup", "rings, answers at once, echoes, hangs up after 3 s"),
    MagicNumber("+12025550109", "dtmf", "answers, repeats the DTMF digits it received as tones"),
    MagicNumber("+12025550110", "hold", "answers, echoes, holds with music after 3 s, resumes 3 s later, repeats"),
    MagicNumber("+12025550111", "refer", "answers, echoes, sends REFER to +12025550100 after 3 s"),
    MagicNumber("+12025550112", "reinvite", "answers, plays 1004 Hz, re-INVITE with another codec after 3 s"),
    MagicNumber("+12025550113", "retry_after", "503 with Retry-After; every second call of a minute succeeds"),
    MagicNumber("+12025550114", "unavailable", "480, temporarily unavailable"),
    MagicNumber("+12025550115", "not_acceptable", "488 with the text of Telnyx' B3"),
    MagicNumber("+12025550116", "session_timer", "answers, echoes, has the gateway refresh a session timer of 90 s"),
    MagicNumber("+12025550117", "rtp_stops", "answers, plays 1004 Hz, its RTP stops after 3 s, signalling lives"),
    MagicNumber("+12025550118", "rtp_moves", "answers, echoes, its RTP moves to another port after 3 s"),
    MagicNumber("+12025550119", "late_answer", "answers after 10 s without a 180, echoes"),
    MagicNumber("+12025550120", "silence", "rings, answers at once, sends silence"),
)

_BY_NUMBER: Final[Mapping[str, MagicNumber]] = {entry.number: entry for entry in MAGIC_NUMBERS}


def look_up(user: str) -> MagicNumber | None:
    """The magic number that a dialled string or the user part of a SIP URI means, or None.

    Punctuation and the prefixes ``+1`` and ``1`` may be there or not: `+1-202-555-0100`, `12025550100`,
    `(202) 555-0100`. Parameters of a telephone-subscriber (``;phone-context=``, RFC 3261 section 19.1.6) are ignored.
    """
    match = _NATIONAL.fullmatch(_PUNCTUATION.sub("", user.partition(";")[0]))
    return _BY_NUMBER.get(f"+1{match[1]}") if match else None
