"""Framing: text frame <-> JSON-RPC 2.0 as the Verto clients speak it (verto-js section 2).

Nothing here knows a method. What is not JSON, too deep, or no message at all becomes `Refused`, never an exception.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.vsp.core.errors import INVALID_REQUEST, PARSE_ERROR

MAX_DEPTH: Final = 32
"""Nested arrays and objects in one frame; the SDKs' deepest frame (debug reports) has 8."""

LARGE: Final = 1024 * 1024
"""Characters above which a message is looked at before it is parsed."""

MAX_PARTS: Final = 256 * 1024
"""Brackets, commas, colons and escapes of a large message. Images are long texts, of which iOS escapes each slash: one
character in 64. Millions of members would keep the loop, and with it everybody's audio, for seconds."""

_STRUCTURE: Final = "[{,:\\"

MAX_ID_LENGTH: Final = 256
MAX_METHOD_LENGTH: Final = 128

RequestId = str | int
Json = Mapping[str, object]

RefusedReason = Literal["not_json", "not_object", "bad_message"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, or a notification when `request_id` is None. `params` is None when it was not an object."""

    request_id: RequestId | None
    method: str
    params: Json | None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A result or an error for a request of ours. Never answered."""

    request_id: RequestId | None


@dataclass(frozen=True, slots=True)
class DebugReport:
    """`debug_report_start`, `_data` or `_stop`: a request that has a `type` instead of a method (verto-js 9.1)."""

    request_id: RequestId | None
    type: str
    report_id: str = ""
    call_id: str | None = None
    peer_id: str | None = None
    """In the data; React Native, which names no call id, has it there (call.ts, 1.1.0), JavaScript its `sessid`."""
    text: str = field(default="", repr=False)
    """The whole frame."""


@dataclass(frozen=True, slots=True)
class SpeedTestFrame:
    """A raw `#SPU n` (upload begins), `#SPB ...` (data) or `#SPE` (upload ends) frame (verto-js 6.9)."""

    command: str
    size: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is no message. `code` is None where nothing may be answered."""

    reason: RefusedReason
    message: str
    code: int | None = None
    request_id: RequestId | None = None


Frame = Request | Acknowledgement | DebugReport | SpeedTestFrame | Refused

_SPEED_TEST: Final = re.compile(r"#SP(?:(U) (\d{1,9})|(B)|(E))")
_MAX_ID: Final = 2**53


class _NotStrict(Exception):
    """Raised for NaN and Infinity, which Python's parser takes and JSON does not have."""


def _refuse_constant(name: str) -> object:
    raise _NotStrict(name)


def parse_frame(text: str) -> Frame:
    """Say what a text frame is.

    A frame that is not JSON is not answered, because its id is unknown; a batch is answered once, with a null id
    (JSON-RPC 2.0 section 5); any other refused message is answered when it carries a usable id.
    """
    if text.startswith("#SP"):
        return _speed_test(text)
    if len(text) > LARGE and sum(map(text.count, _STRUCTURE)) > MAX_PARTS:
        return Refused("bad_message", "a large message may hold images, not this many members")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except _NotStrict:
        return _not_strict(text)
    except (ValueError, RecursionError):
        return Refused("not_json", "not JSON")
    if isinstance(value, list):
        return Refused("not_object", "batches are not supported", INVALID_REQUEST)
    if not isinstance(value, dict):
        return Refused("not_object", "not a JSON object")
    if _is_too_deep(value):
        return Refused("bad_message", "nested too deeply", *_answerable(value, INVALID_REQUEST))
    return _classify(value, text)


def _speed_test(text: str) -> Frame:
    match = _SPEED_TEST.match(text)
    if match is None:
        return Refused("not_json", "not a speed test frame")
    upload, size, data, _ = match.groups()
    return SpeedTestFrame("U" if upload else "B" if data else "E", int(size or 0))


def _not_strict(text: str) -> Refused:
    """NaN or Infinity: the frame can be read well enough to find the id that is to be answered."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Refused("not_json", "not JSON")
    if not isinstance(value, dict):
        return Refused("not_json", "not JSON")
    return Refused("not_json", "NaN and Infinity are not JSON", *_answerable(value, PARSE_ERROR))


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _answerable(value: Json, code: int) -> tuple[int | None, RequestId | None]:
    """The error to answer with and its id; none for a response of the client's, and none without an id."""
    request_id = _usable_id(value.get("id"))
    if request_id is None or "result" in value or "error" in value:
        return None, None
    return code, request_id


def _usable_id(value: object) -> RequestId | None:
    if isinstance(value, str):
        return value if len(value) <= MAX_ID_LENGTH else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _MAX_ID else None
    return None


def _classify(value: Json, text: str) -> Frame:
    request_id = _usable_id(value.get("id"))
    if "result" in value or "error" in value:
        return Acknowledgement(request_id)
    if request_id is None and value.get("id") is not None:
        return Refused("bad_message", "the id must be a short string or an integer")
    if value.get("jsonrpc") != "2.0":
        return Refused("bad_message", 'jsonrpc must be "2.0"', *_answerable(value, INVALID_REQUEST))
    method, kind = value.get("method"), value.get("type")
    if isinstance(method, str) and len(method) <= MAX_METHOD_LENGTH:
        return Request(request_id, method, _params(value.get("params")))
    if method is None and isinstance(kind, str) and kind.startswith("debug_report_"):
        return _debug_report(request_id, kind, value, text)
    return Refused("bad_message", "a message needs a method", *_answerable(value, INVALID_REQUEST))


def _debug_report(request_id: RequestId | None, kind: str, value: Json, text: str) -> DebugReport:
    """Whatever it holds: only its answer matters to the client."""
    data = value.get("debug_report_data")
    peer_id = data.get("peerId") if isinstance(data, dict) else None
    report_id = _short_text(value.get("debug_report_id")) or ""
    return DebugReport(request_id, kind, report_id, _short_text(value.get("call_id")), _short_text(peer_id), text)


def _short_text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH else None


def _params(value: object) -> Json | None:
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


ANSWERED_WITH_METHOD: Final = frozenset({"telnyx_rtc.disable_push_notification"})


@dataclass(frozen=True, slots=True)
class RequestRef:
    """A client's request that waits for its one answer. A notification has no id and gets none."""

    request_id: RequestId | None
    method: str


class Outgoing:
    """The frames of one socket that wait to be sent, in order.

    Every message carries the socket's `voice_sdk_id` (verto-js 1.2). Requests of ours are numbered from 1; the
    clients' ids are texts, so the two never meet (V-22).
    """

    def __init__(self, voice_sdk_id: str) -> None:
        self.voice_sdk_id = voice_sdk_id
        self._last_id = 0
        self._frames: list[str] = []
        self._outcomes: list[tuple[str, str]] = []

    def result(self, ref: RequestRef, result: Json) -> None:
        """Answer a request; `result` must not have a key `result` (the SDK would unwrap it)."""
        assert "result" not in result, "a result inside a result is an older dialect to the SDK"
        self._outcomes.append((ref.method, "ok"))
        if ref.request_id is not None:
            # iOS takes the answer about its device only with the method beside the result (M-62).
            method = {"method": ref.method} if ref.method in ANSWERED_WITH_METHOD else {}
            self._put({"jsonrpc": "2.0", "id": ref.request_id, **method, "result": result})

    def error(self, ref: RequestRef, code: int | None, message: str, data: Json | None = None) -> None:
        """Answer a request with an error; a missing code has a meaning of its own in `attachCalls` alone."""
        self._outcomes.append((ref.method, "error"))
        if ref.request_id is not None:
            self.refuse(ref.request_id, code, message, data)

    def refuse(self, request_id: RequestId | None, code: int | None, message: str, data: Json | None = None) -> None:
        """Answer a frame that is no request of any method."""
        error: dict[str, object] = {} if code is None else {"code": code}
        self._put({"jsonrpc": "2.0", "id": request_id, "error": {**error, "message": message, **(data or {})}})

    def request(self, method: str, params: Json) -> int:
        """Send a request of ours; returns its id."""
        self._last_id += 1
        self._put({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    def ping(self) -> None:
        """`telnyx_rtc.ping`. Why `serno`: React Native ignores a ping without it (keep-alive.ts, 1.1.0)."""
        self.request("telnyx_rtc.ping", {"serno": self._last_id + 1})

    def text(self, frame: str) -> None:
        """Send something that is not JSON: an answer of the speed test."""
        self._frames.append(frame)

    def drain(self) -> list[str]:
        """The frames since the last call."""
        frames, self._frames = self._frames, []
        return frames

    def outcomes(self) -> list[tuple[str, str]]:
        """Method and `ok` or `error` of each request answered since the last call, for the metrics."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _put(self, message: dict[str, object]) -> None:
        message["voice_sdk_id"] = self.voice_sdk_id
        self._frames.append(json.dumps(message, separators=(",", ":"), allow_nan=False))
