"""A conversation with a `VertoSession`: what the client says, what it hears, at which second."""

import itertools
import json
from typing import Any

from gateway.domain.ids import SessionId, VertoCallId, VoiceSdkId
from gateway.vsp.core.session import Event, LoginRequested, VertoSession
from gateway.vsp.settings import VspSettings

# The members of a heard message are looked at by tests only, which know their types.
Message = dict[str, Any]

OFFER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
ANSWER = OFFER.replace("o=- 1", "o=- 9")
IDS: Message = {
    "telnyx_session_id": "6f1d7d1e-0000-4000-8000-000000000001",
    "telnyx_leg_id": "6f1d7d1e-0000-4000-8000-000000000002",
}


class Conversation:
    """One socket. Time stands still unless a test moves `now`."""

    def __init__(self, **settings: Any) -> None:
        self.now = 0.0
        self.still_known: set[VertoCallId] = set()
        self.session = VertoSession(
            VspSettings(**settings),
            voice_sdk_id=VoiceSdkId("VSDK1test"),
            now=0.0,
            has_call=lambda call_id: call_id in self.still_known,
        )
        self.events: list[Event] = []
        self._ids = itertools.count(1)

    def say_text(self, text: str) -> list[Event]:
        """Send a frame as it is; returns and keeps the events."""
        events = self.session.receive(text, now=self.now)
        self.events += events
        return events

    def say(self, method: str, params: object = None, **members: object) -> str:
        """Send a request; returns its id."""
        request_id = f"client-{next(self._ids)}"
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}, **members}
        self.say_text(json.dumps(message))
        return request_id

    def ask(self, method: str, params: object = None, **members: object) -> Message:
        """Send a request that is answered at once, by one frame; returns the answer."""
        request_id = self.say(method, params, **members)
        (answer,) = self.heard()
        assert answer["id"] == members.get("id", request_id)
        return answer

    def heard(self) -> list[Message]:
        """What the client has been sent since the last look."""
        return [json.loads(frame) for frame in self.session.frames_to_send()]

    def take_events(self) -> list[Event]:
        """The events since the last look."""
        events, self.events = self.events, []
        return events

    def pass_time(self, seconds: float) -> list[Event]:
        """Let time pass, with the timer going off whenever the session asked for it."""
        end = self.now + seconds
        events: list[Event] = []
        while (deadline := self.session.next_deadline()) is not None and deadline <= end:
            self.now = max(deadline, self.now)
            events += self.session.handle_timeout(self.now)
        self.now = end
        self.events += events
        return events

    def log_in(self, session_id: str = "sess-1", **members: object) -> "Conversation":
        """Log in with a password; both messages of a good login are taken off."""
        self.say("login", {"login": "alice", "passwd": "secret", **members})
        assert isinstance(self.take_events()[-1], LoginRequested)
        self.events += self.session.accept_login(SessionId(session_id), now=self.now)
        assert len(self.heard()) == 2
        return self

    def call(self, call_id: str = "call-1", destination: str = "+12025550100", **dialog: object) -> "Conversation":
        """Have the client call somebody; the result and the event are taken off."""
        self.say("telnyx_rtc.invite", invite(call_id, destination, **dialog))
        (created,) = self.heard()
        assert created["result"]["message"] == "CALL CREATED"
        self.take_events()
        return self

    def ring(self, call_id: str = "in-1", **options: Any) -> Message:
        """Have the client called; returns the invite it hears."""
        self.session.calls.send_invite(
            VertoCallId(call_id),
            **{
                "sdp": OFFER,
                "caller": ("Bob", "+12025550199"),
                "callee": ("alice", "alice"),
                "telnyx_ids": (IDS["telnyx_session_id"], IDS["telnyx_leg_id"]),
                "client_state": None,
                "custom_headers": (),
                **options,
            },
        )
        (heard,) = self.heard()
        return heard


def invite(call_id: str = "call-1", destination: str | None = "+12025550100", **dialog: object) -> Message:
    """Params of an invite as SDK 2.27.10 sends it."""
    return {
        "sessid": "sess-1",
        "sdp": OFFER,
        "User-Agent": "Web-2.27.10",
        "dialogParams": {
            "callID": call_id,
            "destination_number": destination,
            "caller_id_name": "Alice",
            "caller_id_number": "+12025550111",
            "remote_caller_id_name": "Outbound Call",
            "audio": True,
            "video": False,
            "iceServers": [{"urls": "turn:turn.example", "username": "u", "credential": "top-secret"}],
            **dialog,
        },
    }


def about(call_id: str, **members: object) -> Message:
    """Params of any other request about a call."""
    return {"sessid": "sess-1", "dialogParams": {"callID": call_id}, **members}
