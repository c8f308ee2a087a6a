"""Where fuzzing starts from: a few good messages of each kind, and the words that the parsers know."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.vsp.core.messages import METHODS

OFFER: Final = (
    "v=0\r\no=- 4611733 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 110\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:110 telephone-event/48000\r\n"
    "a=candidate:1 1 udp 2113937151 127.0.0.1 50000 typ host\r\n"
)
SECURED: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 WSH=64\r\n"
    "a=crypto:2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw== -FEC_ORDER=FEC_SRTP\r\n"
)
INVITE: Final = (
    "INVITE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1;rport\r\n"
    'From: "Bob" <sip:bob@127.0.0.1>;tag=1\r\nTo: <sip:alice@127.0.0.1>\r\nCall-ID: 1@127.0.0.1\r\n'
    "CSeq: 1 INVITE\r\nContact: <sip:bob@127.0.0.1:5062>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
FIELDS: Final = (
    "sessid", "sessionId", "sessId", "sdp", "dialogParams", "callID", "callId", "destination_number", "custom_headers",
    "name", "value", "action", "dtmf", "msg", "candidate", "cause", "causeCode", "login", "passwd", "login_token",
    "trickle", "eventChannel", "userVariables", "User-Agent", "sdkVersion", "clientState", "hold", "unhold",
    "toggleHold", "updateMedia", "transfer", "replace", "destination", "replaceCallID", "debug_report_start",
    "debug_report_data", "debug_report_stop", "debug_report_id", "call_id", "jsonrpc", "2.0", "method", "params",
    "result", "error", "#SPU ", "#SPB ", "#SPE", "target_type", "target_id", "push_device_token", "reconnection",
    "attach_call", "decline_push", "\\u003d", "null", "true",
)  # fmt: skip


def _frame(method: str) -> str:
    dialog = {"callID": "c1", "destination_number": "+12025550100", "custom_headers": [{"name": "X-A", "value": "b"}]}
    params: Mapping[str, object] = {
        "sessid": "session", "sdp": OFFER, "dialogParams": dialog, "action": "hold", "dtmf": "1", "candidate": "",
        "login": "a", "passwd": "b", "eventChannel": ["x"], "cause": "USER_BUSY", "causeCode": 17,
    }  # fmt: skip
    return json.dumps({"jsonrpc": "2.0", "id": "7", "method": method, "params": params})


def _verto() -> Iterable[bytes]:
    for method in METHODS:
        for prefix in (b"\x00", b"\x01"):
            yield prefix + _frame(method).encode()
    call = "\n".join(_frame(method) for method in ("telnyx_rtc.invite", "telnyx_rtc.modify", "telnyx_rtc.bye"))
    yield b"\x01" + call.encode()
    report = {"jsonrpc": "2.0", "id": "8", "type": "debug_report_start", "debug_report_id": "d", "call_id": "c1"}
    yield b"\x01" + json.dumps(report).encode()
    yield b"\x01#SPU 2048\n#SPB ....\n#SPE"
    yield b'\x00[]\n{}\nnull\n1\n""\n\xff\xfe\n' + b"[" * 2000


def _port() -> Iterable[bytes]:
    """Each kind of sender: a call that is asked for twice, cancelled, hung up, and whatever else belongs to one."""
    in_dialog = INVITE.replace("To: <sip:alice@127.0.0.1>", "To: <sip:alice@127.0.0.1>;tag=x")
    body = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
    offer = INVITE.replace("Content-Length: 0", f"Content-Type: application/sdp\r\nContent-Length: {len(body)}") + body
    calls = [offer, offer, INVITE.replace("INVITE", "CANCEL"), in_dialog.replace("INVITE", "BYE")]
    calls += [INVITE.replace("INVITE", method) for method in ("OPTIONS", "REGISTER", "MESSAGE", "ACK", "PRACK", "x")]
    calls += [in_dialog.replace("INVITE", method) for method in ("INFO", "UPDATE", "REFER", "NOTIFY")]
    for kind in range(8):
        yield bytes([kind]) + b"\0\0\0".join(call.encode() for call in calls)


SEEDS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "verto": tuple(_verto()),
    "sdp": (OFFER.encode(), SECURED.encode(), b"v=0\r\n", b"m=audio 0 RTP/AVP\r\n"),
    "port": tuple(_port()),
    "sip": (INVITE.encode(), b"SIP/2.0 200 OK\r\n\r\n", b"\r\n\r\n"),
}


def dictionary() -> str:
    """In libFuzzer's format: one quoted word a line."""
    words = [*METHODS, *FIELDS]
    return "".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for word in words)
