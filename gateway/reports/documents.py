"""The JSON documents that are kept: reading what a client posted, marking it with what we know, joining segments.

Pure; what is in here may take milliseconds for megabytes, so callers leave the loop's thread.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

import pydantic_core

from gateway.domain.errors import GatewayError

MAX_SEGMENT: Final = 1_000_000
TRACKS: Final = ("local", "remote")
"""Directions of a recording, as the JavaScript SDK names them."""

_CALL_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")

Json = dict[str, Any]  # Any: what a client posted


class BadUpload(GatewayError):
    """A body that is not what the SDKs send."""

    code: ClassVar[str] = "bad_upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something comes from, as far as the gateway itself knows.

    Attributes:
        call_id: of the call leg, chosen by its client; in lower case.
        voice_sdk_id: as the client sent it.
    """

    call_id: str
    report_id: str
    session_id: str
    connection_id: str
    username: str
    user_agent: str = ""
    voice_sdk_id: str | None = None

    def marks(self, stored_at: datetime) -> Json:
        """What is written into the document; it wins over what the client says of itself."""
        given = {} if self.voice_sdk_id is None else {"voice_sdk_id": self.voice_sdk_id}
        return {
            "call_id": self.call_id,
            "call_report_id": self.report_id,
            "voice_sdk_session_id": self.session_id,
            **given,
            "connection_id": self.connection_id,
            "username": self.username,
            "user_agent": self.user_agent,
            "stored_at": stored_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True)
class Document:
    """What is to be stored: `stem` is its name within its folder, `digest` tells a repeated upload."""

    folder: str
    stem: str
    content: bytes
    digest: bytes


def normal_call_id(text: str) -> str | None:
    """The call id in lower case (iOS sends it in upper case, M-76); None when it is no name for a folder."""
    return text.lower() if _CALL_ID.fullmatch(text) else None


def call_report(body: bytes, origin: Origin, stored_at: datetime) -> Document:
    """A call report; its segment is its name, and `final` that of one without (verto-js 9.2).

    Raises:
        BadUpload: it is not a JSON object.
    """
    segment = read_object(body).get("segment")
    is_number = isinstance(segment, int) and not isinstance(segment, bool) and 0 <= segment <= MAX_SEGMENT
    return _document("call_report", str(segment) if is_number else "final", body, origin, stored_at)


def call_recording(body: bytes, origin: Origin, stored_at: datetime) -> Document:
    """A part of a recording, numbered in the order of arrival (verto-js 9.3).

    Raises:
        BadUpload: it is not a JSON object, or its track is unknown.
    """
    track = read_object(body).get("track")
    if track not in TRACKS:
        raise BadUpload("track must be local or remote")
    return _document(f"call_recording/{track}", "0", body, origin, stored_at)


def debug_frames(
    frames: Sequence[str], origin: Origin, stored_at: datetime, *, debug_report_id: str, dropped: int
) -> Document:
    """Debug frames of a call, as they came: each is a JSON object already."""
    head = json.dumps({"debug_report_id": debug_report_id, "frames_dropped": dropped})
    body = f'{head[:-1]},"frames":[{",".join(frames)}]}}'.encode("utf-8", "backslashreplace")
    return _document("rtc_stats_reports", "0", body, origin, stored_at)


def read_object(body: bytes) -> Json:
    """Parse. Raises BadUpload: not JSON, or no object."""
    try:
        value = pydantic_core.from_json(body, allow_inf_nan=False)  # a third of the time of `json`
    except ValueError:
        value = _read_slowly(body)
    if not isinstance(value, dict):
        raise BadUpload("the body is not a JSON object")
    return value


def _read_slowly(body: bytes) -> object:
    """Half of a surrogate pair, as JavaScript may write it, is JSON to Python only."""

    def refuse(name: str) -> object:
        raise BadUpload(f"{name} is not JSON")

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise BadUpload("the body is not JSON") from error


def _document(folder: str, stem: str, body: bytes, origin: Origin, stored_at: datetime) -> Document:
    return Document(folder, stem, _marked(body, origin.marks(stored_at)), hashlib.sha256(body).digest())


def _marked(body: bytes, marks: Mapping[str, object]) -> bytes:
    """The object with our members behind its own, where they win over those of the same name."""
    head = body.rstrip()[:-1].rstrip()
    comma = b"" if head.endswith(b"{") else b","
    return head + comma + json.dumps(marks)[1:].encode()


# ---- reading back


def joined(documents: Iterable[Json]) -> Json:
    """One report of all segments of a call, in their order: the last summary, all intervals, all log lines.

    What else the segments hold is taken from the last that has it.
    """
    whole: Json = {}
    stats: list[object] = []
    logs: list[object] = []
    segments: list[Json] = []
    for document in sorted(documents, key=_place):
        stats += _list(document.get("stats"))
        logs += _list(document.get("logs"))
        segments.append({key: document.get(key) for key in ("segment", "flushReason", "call_report_id", "stored_at")})
        whole |= {key: value for key, value in document.items() if key not in ("segment", "flushReason")}
    return {**whole, "stats": stats, "logs": logs, "segments": segments}


def _list(value: object) -> list[object]:
    """A list, or Android's and the API's other form of it, an object with `entries`."""
    if isinstance(value, dict):
        value = value.get("entries")
    return value if isinstance(value, list) else []


def _place(document: Json) -> tuple[str, int, str]:
    """By the beginning of the call object in the client (a page that was reloaded counts anew), then by segment."""
    summary, segment = document.get("summary"), document.get("segment")
    start = summary.get("startTimestamp") if isinstance(summary, dict) else None
    number = segment if isinstance(segment, int) else MAX_SEGMENT + 1
    return (start if isinstance(start, str) else "", number, str(document.get("stored_at", "")))
