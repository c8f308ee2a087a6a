"""What is fuzzed: each target takes any bytes and asserts what must hold whatever they are."""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final

from gateway.domain.ids import SessionId, VoiceSdkId
from gateway.media.core import sdp_parser
from gateway.media.engine import MediaError
from gateway.sip.core import message as sip_message
from gateway.sip.core.errors import SipError
from gateway.vsp.core.calls import CallMessaged, CallRequested
from gateway.vsp.core.session import LoginRequested, State, VertoSession
from gateway.vsp.settings import VspSettings
from tests.fuzz import sip_port

MAX_FRAMES: Final = 16
MAX_SENT_FOR_ONE: Final = 40
"""Frames that one frame of a client may cause: an answer, and what a batch of lost calls would."""

CALLS: Final = ("telnyx_rtc.invite", "telnyx_rtc.answer", "telnyx_rtc.attach", "telnyx_rtc.modify", "telnyx_rtc.info")


def verto(data: bytes) -> None:
    """A socket: the first byte says whether it is logged in, each line after it is a frame."""
    settings = VspSettings(max_login_attempts=100, message_burst=1000)
    session = VertoSession(settings, voice_sdk_id=VoiceSdkId("VSDK1fuzz"), now=0.0)
    is_logged_in = bool(data[:1]) and data[0] % 2 == 1
    if is_logged_in:
        session.receive('{"jsonrpc":"2.0","id":"1","method":"login","params":{"login":"a","passwd":"b"}}', now=0.0)
        session.accept_login(SessionId("session"), now=0.0)
        session.frames_to_send()
    answered: set[str] = set()
    for line in data[1:].split(b"\n")[:MAX_FRAMES]:
        events = session.receive(line.decode(errors="replace"), now=0.0)
        if not is_logged_in:
            assert not any(isinstance(event, CallRequested | CallMessaged) for event in events)
            assert session.calls.live == ()
            assert session.session_id is None
        if any(isinstance(event, LoginRequested) for event in events) and session.state is State.READY:
            session.accept_login(SessionId("session"), now=0.0)
        sent = session.frames_to_send()
        assert len(sent) <= MAX_SENT_FOR_ONE
        for frame in sent:
            _check_frame(frame, answered)
    session.handle_timeout(1000.0)
    session.close()
    assert session.next_deadline() is None


def _check_frame(frame: str, answered: set[str]) -> None:
    """Every frame of ours is well formed (V-10, V-17 to V-22)."""
    if frame.startswith("#SP"):
        return
    message: dict[str, Any] = json.loads(frame)  # Any: JSON that we wrote
    assert message["jsonrpc"] == "2.0"
    assert message["voice_sdk_id"] == "VSDK1fuzz"
    assert sum(key in message for key in ("method", "result", "error")) >= 1
    if "result" in message:
        assert isinstance(message["result"], dict)
        assert "result" not in message["result"]
    elif "error" in message:
        assert isinstance(message["error"].get("code", 0), int)
    else:
        assert isinstance(message["id"], int)
        assert "state" not in message["params"] or message["method"] == "telnyx_rtc.gatewayState"


def sdp(data: bytes) -> None:
    """A session description, as clients and trunks send it."""
    try:
        sdp_parser.parse(data.decode(errors="replace"))
    except MediaError:
        return


def sip(data: bytes) -> None:
    """One SIP message, as it comes in a datagram."""
    try:
        sip_message.parse(data)
    except SipError:
        return


def port(data: bytes) -> None:
    """The SIP port: the first byte says who sends and how, messages are separated by three NULs."""
    kind = data[0] if data else 0
    player = sip_port.Player()
    with closing(player):
        messages = data[1:].split(b"\0\0\0")[:MAX_FRAMES]
        player.play(messages, is_trunk=bool(kind & 1), is_tcp=bool(kind & 2), answers=bool(kind & 4))


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {"verto": verto, "sdp": sdp, "sip": sip, "port": port}
