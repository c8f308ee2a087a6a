"""Frames that no SDK sends, and what the gateway says to each."""

import json
from dataclasses import dataclass
from typing import Final

SILENCE: Final = "silence"
CLOSED: Final = "closed"

SECRET: Final = "torn-s3cret"
"""A password in frames that are no messages; no log line may have it."""

Reply = int | str | None
"""The code of the error, `SILENCE`, `CLOSED`, or None for a result."""


@dataclass(frozen=True, slots=True)
class BadFrame:
    """A frame, and the reply to it before and after the login."""

    data: str | bytes
    before: Reply
    after: Reply


def message(method: str, params: object, **more: object) -> str:
    """A request with the id `bad`."""
    return json.dumps({"jsonrpc": "2.0", "id": "bad", "method": method, "params": params, **more})


def _dialog(**more: object) -> dict[str, object]:
    return {"dialogParams": {"callID": "0b0b0b0b-0000-4000-8000-000000000000", **more}}


_LOGIN: Final = message("login", {"login": "alice", "passwd": SECRET, "loginParams": {}})

GARBAGE: Final = {
    "empty": BadFrame("", SILENCE, SILENCE),
    "noise": BadFrame("\x00\x01\x02 not json", SILENCE, SILENCE),
    "lone surrogate": BadFrame('{"jsonrpc":"2.0","id":"bad","method":"\\ud800"}', -32000, -32601),
    "number": BadFrame("42", SILENCE, SILENCE),
    "null": BadFrame("null", SILENCE, SILENCE),
    "batch": BadFrame(f"[{_LOGIN},{_LOGIN}]", -32600, -32600),
    "no method": BadFrame('{"jsonrpc":"2.0","id":"bad"}', -32600, -32600),
    "old version": BadFrame('{"jsonrpc":"1.0","id":"bad","method":"login"}', -32600, -32600),
    "object as id": BadFrame('{"jsonrpc":"2.0","id":{},"method":"login"}', SILENCE, SILENCE),
    "endless id": BadFrame(json.dumps({"jsonrpc": "2.0", "id": "x" * 5000, "method": "login"}), SILENCE, SILENCE),
    "not a number": BadFrame('{"jsonrpc":"2.0","id":"bad","method":"login","params":NaN}', -32700, -32700),
    "deep": BadFrame(
        '{"jsonrpc":"2.0","id":"bad","method":"login","params":' + "[" * 900 + "]" * 900 + "}", -32600, -32600
    ),
    "bottomless": BadFrame("[" * 30_000, SILENCE, SILENCE),
    "binary": BadFrame(bytes(range(256)), SILENCE, SILENCE),
    "speed test without a test": BadFrame("#SPE", SILENCE, SILENCE),
    "speed test of another kind": BadFrame("#SPX 1", SILENCE, SILENCE),
}

TRUNCATED: Final = {
    f"login cut at {size}": BadFrame(_LOGIN[:size], SILENCE, SILENCE)
    for size in (1, len(_LOGIN) // 2, _LOGIN.index(SECRET) + len(SECRET), len(_LOGIN) - 1)
}

OVERSIZED: Final = {
    "above the limit before a login": BadFrame(message("login", {"passwd": "x" * 65_536}), CLOSED, -32001),
    "above the limit": BadFrame(message("login", {"passwd": "x" * 1_048_576}), CLOSED, CLOSED),
    "binary above the limit": BadFrame(bytes(1_048_577), CLOSED, CLOSED),
}

OUT_OF_ORDER: Final = {
    "login of wrong types": BadFrame(message("login", {"login": 5, "passwd": {}}), -32001, -32001),
    "login without parameters": BadFrame(message("login", None), -32001, -32001),
    "invite without parameters": BadFrame(message("telnyx_rtc.invite", []), -32000, -32602),
    "invite without a call id": BadFrame(message("telnyx_rtc.invite", {"sdp": "v=0"}), -32000, -32002),
    "answer to no call": BadFrame(message("telnyx_rtc.answer", {"sdp": "v=0", **_dialog()}), -32000, -32002),
    "bye of no call": BadFrame(message("telnyx_rtc.bye", {"cause": "X", **_dialog()}), -32000, None),
    "hold of no call": BadFrame(message("telnyx_rtc.modify", {"action": "hold", **_dialog()}), -32000, -32002),
    "unknown action": BadFrame(message("telnyx_rtc.modify", {"action": "dance", **_dialog()}), -32000, -32002),
    "digits for no call": BadFrame(message("telnyx_rtc.info", {"dtmf": "1", **_dialog()}), -32000, -32002),
    "candidate for no call": BadFrame(message("telnyx_rtc.candidate", {"candidate": "x", **_dialog()}), -32000, None),
    "unknown method": BadFrame(message("telnyx_rtc.dance", {}), -32000, -32601),
    "result of nothing": BadFrame('{"jsonrpc":"2.0","id":999999,"result":{}}', SILENCE, SILENCE),
    "error of nothing": BadFrame('{"jsonrpc":"2.0","id":"bad","error":5}', SILENCE, SILENCE),
}

ALL: Final = {**GARBAGE, **TRUNCATED, **OVERSIZED, **OUT_OF_ORDER}

PROTOCOL_VIOLATIONS: Final = {
    "reserved opcode": b"\x83\x80\x00\x00\x00\x00",
    "reserved bits": b"\xf1\x80\x00\x00\x00\x00",
    "text that is not UTF-8": b"\x81\x82\x00\x00\x00\x00\xc3\x28",
    "continuation of nothing": b"\x80\x81\x00\x00\x00\x00a",
    "fragmented ping": b"\x09\x80\x00\x00\x00\x00",
    "ping above 125 bytes": b"\x89\xfe\x00\xc8\x00\x00\x00\x00" + bytes(200),
    "length of 2**63": b"\x81\xff" + b"\x80" + bytes(7) + bytes(4),
    "half a header": b"\x81",
    "half a payload": b"\x81\xfe\x40\x00\x00\x00\x00\x00" + b"x" * 100,
    "fragments without an end": b"\x01\x85\x00\x00\x00\x00hello" + b"\x00\x85\x00\x00\x00\x00hello" * 50,
    "close code that is none": b"\x88\x82\x00\x00\x00\x00\x00\x01",
}
"""Bytes behind a good handshake (RFC 6455 section 5), masked with zeros."""
