"""What a trace needs to know of a Verto frame: to which call it belongs, and what it is in a few words."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway.domain.masking import is_plain, masked_json

MAX_FRAME: Final = 256 * 1024
"""Characters of a frame that is looked at: a description has some kilobytes."""

MAX_REQUESTS: Final = 128
"""Requests of one session that wait for their answers."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a call.

    Attributes:
        verto_call_id: its `callID`.
        title: method, or what the answer is and to which.
        body: JSON without secrets.
    """

    verto_call_id: str
    title: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    verto_call_id: str


class FrameReader:
    """Reads the frames of one session, both ways: an answer names its request, only that names the call."""

    def __init__(self) -> None:
        self._requests: OrderedDict[tuple[bool, str], _Request] = OrderedDict()

    def read(self, text: str, *, is_inbound: bool) -> Frame | None:
        """The frame, None for one of no call (a login, a ping) and for what is no JSON-RPC."""
        if len(text) > MAX_FRAME or text.startswith("#"):
            return None
        try:
            message = json.loads(text)
            if not isinstance(message, dict):
                return None
            found = self._placed(message, is_inbound=is_inbound)
            if found is None:
                return None
            verto_call_id, title = found
            plain = is_plain(text)
            body = text if plain else json.dumps(masked_json(message), separators=(",", ":"), ensure_ascii=False)
        except (ValueError, RecursionError):
            return None
        return Frame(verto_call_id, title, body.encode("utf-8", "replace"))

    def _placed(self, message: dict[str, object], *, is_inbound: bool) -> tuple[str, str] | None:
        request_id, method = str(message.get("id", ""))[:128], message.get("method")
        if isinstance(method, str):
            verto_call_id = _call_id_of(message.get("params"))
            if verto_call_id is None:
                return None
            self._requests[is_inbound, request_id] = _Request(method[:64], verto_call_id)
            if len(self._requests) > MAX_REQUESTS:
                self._requests.popitem(last=False)
            return verto_call_id, method[:64]
        request = self._requests.pop((not is_inbound, request_id), None)
        if request is None:
            return None
        error = message.get("error")
        word = "result" if error is None else f"error {error.get('code')}" if isinstance(error, dict) else "error"
        return request.verto_call_id, f"{word[:32]} ({request.method})"


def _call_id_of(params: object) -> str | None:
    """`callID`, where the SDKs put it (verto-js 4.2)."""
    if not isinstance(params, dict):
        return None
    dialog = params.get("dialogParams")
    for place in (dialog, params):
        if isinstance(place, dict):
            for name in ("callID", "callId"):
                if isinstance(value := place.get(name), str) and 0 < len(value) <= 128:
                    return value
    return None
