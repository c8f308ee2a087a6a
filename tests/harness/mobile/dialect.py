"""What a mobile SDK sends: the frames that all four have in common, and the places where they differ."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

Message = dict[str, Any]  # Any: JSON as it is on the wire
Headers = Sequence[tuple[str, str]]

USER_BUSY: Final = ("USER_BUSY", 17)
NORMAL_CLEARING: Final = ("NORMAL_CLEARING", 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What an application hands to its SDK for a login."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    push_token: str | None = None
    environment: str = "production"
    is_from_push: bool = False
    is_declining: bool = False
    rings_when_active: bool = False
    wants_missed_calls: bool = False

    @property
    def has_token(self) -> bool:
        """Whether it is a login with a token."""
        return self.token is not None


class Dialect(ABC):
    """One SDK's way to write. A subclass is one platform; `Dialect` itself holds what they share."""

    name: ClassVar[str]
    letter: ClassVar[str]
    """As in the brackets of the checklist."""
    version: ClassVar[str]
    session_key: ClassVar[str] = "sessid"
    """Of invite, answer, modify and attach; other messages may differ."""

    # ---- frames

    def encode(self, message: Message) -> str:
        """A message as text."""
        return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":"))

    def request_id(self, _method: str) -> str:
        """The id of a new request."""
        return str(uuid.uuid4())

    @abstractmethod
    def pong(self, text: str, message: Message, *, session_id: str | None, is_registered: bool) -> str | None:
        """The frame that follows a ping of the server's, or None for silence."""

    def acknowledgement(self, _message: Message) -> Message | None:
        """The result that a request of the server's gets, or None: most get none (3.2, 3.3)."""
        return None

    def adopts_session_of(self, _method: str) -> bool:
        """Whether the `sessid` in the result of that request becomes the client's."""
        return False

    # ---- login

    def agent(self, login: Login | None = None) -> str:
        """`User-Agent` of login, invite and answer."""
        is_told = login is not None and login.wants_missed_calls
        return f"{self.name}-{'mpn-' if is_told else ''}{self.version}"

    @abstractmethod
    def login_params(self, login: Login, session_id: str | None) -> Message:
        """`login`."""

    def anonymous_login_params(self, target_id: str, session_id: str | None) -> Message:
        """`anonymous_login`, whose User-Agent is an object (5)."""
        return {
            "target_type": "ai_assistant",
            "target_id": target_id,
            "userVariables": {},
            "reconnection": False,
            "sessid": session_id,
            "User-Agent": {"sdkVersion": self.version, "data": self.agent()},
        }

    def attach_calls_params(self, _login: Login) -> Message | None:
        """`telnyx_rtc.attachCalls` after a push, or None for an SDK that merely waits."""
        return None

    def disable_push_params(self, login: Login) -> Message:
        """`telnyx_rtc.disable_push_notification`: the token stands under the key User-Agent (4.2)."""
        user = {"login_token": login.token} if login.has_token else {"user": login.username}
        return {**user, "User-Agent": self.push_data(login)}

    def push_data(self, login: Login) -> Message:
        """The token as `disable_push_notification` has it."""
        return {"push_device_token": login.push_token, "push_notification_provider": "android"}

    # ---- calls

    def invite_params(
        self,
        session_id: str | None,
        call_id: str,
        destination: str,
        sdp: str,
        *,
        is_trickle: bool = False,
        headers: Headers = (),
        preferred_codecs: Sequence[Message] = (),
    ) -> Message:
        """`telnyx_rtc.invite`."""
        dialog = {
            **self.dialog(call_id, headers),
            "destination_number": destination,
            "remote_caller_id_name": "",
            "clientState": "",
            **({"preferred_codecs": list(preferred_codecs)} if preferred_codecs else {}),
        }
        return {
            self.session_key: session_id,
            "sdp": sdp,
            "dialogParams": dialog,
            "User-Agent": self.agent(),
            **({"trickle": True} if is_trickle else {}),
        }

    def answer_params(
        self,
        session_id: str | None,
        call_id: str,
        sdp: str,
        *,
        headers: Headers = (),
        device_token: str | None = None,
    ) -> Message:
        """`telnyx_rtc.answer`; `device_token` is the one that needs no push about it (4.6)."""
        dialog = self.dialog(call_id, headers)
        device = {} if device_token is None else {"answered_device_token": device_token}
        agent = {"User-Agent": self.agent()}
        return {self.session_key: session_id, "sdp": sdp, "dialogParams": dialog, **agent, **device}

    def attach_params(self, session_id: str | None, call_id: str, sdp: str) -> Message:
        """`telnyx_rtc.attach`, the answer to an attach of the server's."""
        dialog = {**self.dialog(call_id, ()), "attach": True}
        return {self.session_key: session_id, "sdp": sdp, "dialogParams": dialog, "User-Agent": self.agent()}

    def bye_params(self, session_id: str | None, call_id: str, cause: tuple[str, int]) -> Message:
        """`telnyx_rtc.bye`."""
        dialog = {"callID": call_id}
        return {"sessid": session_id, "cause": cause[0], "causeCode": cause[1], "dialogParams": dialog}

    def hang_up_cause(self, *, is_active: bool) -> tuple[str, int]:
        """What the SDK says when its user hangs up."""
        return NORMAL_CLEARING if is_active else USER_BUSY

    def modify_params(self, session_id: str | None, call_id: str, action: str, sdp: str | None = None) -> Message:
        """`telnyx_rtc.modify`: hold and unhold without, updateMedia with a description."""
        dialog = {"callID": call_id}
        offer = {} if sdp is None else {"sdp": sdp}
        return {"action": action, self.session_key: session_id, "dialogParams": dialog, **offer}

    def info_params(self, session_id: str | None, call_id: str, digits: str) -> Message:
        """`telnyx_rtc.info` with digits."""
        return {"sessid": session_id, "dtmf": digits, "dialogParams": self.dialog(call_id, ())}

    def candidate_params(self, session_id: str | None, call_id: str, candidate: str | None) -> Message:
        """`telnyx_rtc.candidate`, or `endOfCandidates` for None. iOS and Flutter name no session here (3.1)."""
        line = {} if candidate is None else {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}
        return {**self.candidate_session(session_id), **line, "dialogParams": {"callID": call_id}}

    def candidate_session(self, session_id: str | None) -> Message:
        """How candidates name the session."""
        return {"sessid": session_id}

    def dialog(self, call_id: str, headers: Headers) -> Message:
        """`dialogParams` of invite, answer, info and attach."""
        return {
            "callID": call_id,
            "caller_id_name": "",
            "caller_id_number": "",
            "audio": True,
            "video": False,
            "useStereo": False,
            "attach": False,
            "screenShare": False,
            "custom_headers": [{"name": name, "value": value} for name, value in headers],
        }

    # ---- the rest

    def item_params(self, item_id: str, text: str, image: str | None = None) -> Message:
        """`ai_conversation` with something that the user typed or took a picture of."""
        content: list[Message] = [{"type": "input_text", "text": text}]
        if image is not None:
            content.append({"type": "image_url", "image_url": {"url": image}})
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        return {"type": "conversation.item.create", "item": item}

    def debug_report(self, kind: str, report_id: str) -> Message:
        """A debug frame: it has a `type` and no method (6.1)."""
        data = {"event": "stats", "tag": "stats", "peerId": "peer", "connectionId": "line", "timestamp": 0, "data": {}}
        return {
            "id": str(uuid.uuid4()),
            "type": kind,
            "debug_report_id": report_id,
            "debug_report_version": 1,
            "debug_report_data": data,
        }

    def report_headers(self, report_id: str, call_id: str, voice_sdk_id: str) -> dict[str, str]:
        """Header fields of `POST /call_report` (6.2)."""
        return {"x-call-report-id": report_id, "x-call-id": call_id, "x-voice-sdk-id": voice_sdk_id}

    def report_body(self, call_id: str) -> Message:
        """Body of `POST /call_report`."""
        direction = "outbound"
        return {"summary": {"callId": call_id, "direction": direction}, "stats": [], "logs": []}


def push_variables(login: Login, provider: str, *, flag: object) -> Message:
    """`userVariables` of a login that iOS and React Native agree on. `flag` is how the platform writes true."""
    token = {} if login.push_token is None else {"push_device_token": login.push_token}
    opted = {"push_when_active": flag, "pn_late_fanout": flag} if login.rings_when_active else {}
    environment = {"push_notification_environment": login.environment}
    return {**token, "push_notification_provider": provider, **environment, **opted}
