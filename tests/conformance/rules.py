"""What any frame to the JavaScript SDK must look like (verto-js 0 to 2). On for every socket of the suite.

The mobile SDKs' rules are `tests.harness.mobile.rules`.
"""

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

Message = dict[str, Any]  # Any: JSON as it came

_SPEED_TEST: Final = re.compile(r"#SPU \d+|#SPD \d+|#SPB .*")
_WITHOUT_LOGIN: Final = ("login", "anonymous_login", "telnyx_rtc.ping")
END: Final = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
)
"""Types of the frames after which nothing comes."""

_PARTIES: Final = ("caller_id_name", "caller_id_number", "callee_id_name", "callee_id_number")


@dataclass(slots=True)
class _CallSeen:
    is_outbound: bool
    has_result: bool = False
    has_media: bool = False
    has_answer: bool = False
    is_over: bool = False


@dataclass(slots=True)
class FrameRules:
    """The rules of one socket. `breaches` are collected, so that a test fails with the frame and not with a timeout."""

    breaches: list[str] = field(default_factory=list)
    voice_sdk_id: str | None = None
    _waiting: defaultdict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    _batches: int = 0
    _last_id: int = 0
    _calls: dict[str, _CallSeen] = field(default_factory=dict)
    _frame: str = ""

    def verify(self) -> None:
        """Fail when a frame broke a rule."""
        assert not self.breaches, "\n".join(self.breaches)

    # ---- what the client sent

    def sent(self, text: str) -> None:
        """A text frame of the client's, be it good or bad."""
        try:
            message = json.loads(text)
        except ValueError:
            return
        if isinstance(message, list):
            self._batches += 1
        if not isinstance(message, dict) or message.get("id") is None or "result" in message or "error" in message:
            return
        self._waiting[json.dumps(message["id"])].append(message)
        call_id = _call_id_of(message)
        if message.get("method") == "telnyx_rtc.invite" and call_id is not None:
            call = self._calls.get(call_id)
            if call is None or call.is_over:
                self._calls[call_id] = _CallSeen(is_outbound=True)

    # ---- what the gateway sent

    def received(self, frame: aiohttp.WSMessage) -> None:
        """Any frame of the gateway's."""
        if frame.type in END:
            return
        self._frame = str(frame.data)
        if self._need(frame.type is aiohttp.WSMsgType.TEXT, "text frames only (V-4)"):
            self._received_text(frame.data)

    def _received_text(self, text: str) -> None:
        if _SPEED_TEST.fullmatch(text):
            return
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not self._need(isinstance(message, dict), "a frame is a JSON object"):
            return
        self._need(message.get("jsonrpc") == "2.0", 'jsonrpc is "2.0" (V-17)')
        self._check_voice_sdk_id(message.get("voice_sdk_id"))
        if "result" in message or "error" in message:
            self._check_answer(message)
        else:
            self._check_request(message)

    def _check_voice_sdk_id(self, value: object) -> None:
        self._need(isinstance(value, str) and value != "", "voice_sdk_id is a text on every message (V-10)")
        self._need(self.voice_sdk_id in (None, value), "voice_sdk_id stays the same on a socket (V-10)")
        self.voice_sdk_id = str(value)

    # Answers

    def _check_answer(self, message: Message) -> None:
        self._need(("result" in message) != ("error" in message), "an answer has a result or an error")
        if message.get("id") is None:
            self._need(self._batches > 0, "an answer has the id of its request (V-17)")
            self._batches -= 1
            return
        waiting = self._waiting[json.dumps(message["id"])]
        if not self._need(bool(waiting), "one answer for a request, and none without (V-17, V-23, V-28)"):
            return
        request = waiting.pop(0)
        if "result" in message:
            self._check_result(request, message["result"])
        else:
            self._check_error(request, message["error"])

    def _check_result(self, request: Message, result: object) -> None:
        if not self._need(isinstance(result, dict), "a result is an object (V-18)") or not isinstance(result, dict):
            return
        self._need("result" not in result, "no result in a result (V-19)")
        params, method = result.get("params"), request.get("method")
        if isinstance(params, dict) and "state" in params:
            self._need(method == "telnyx_rtc.gatewayState", "params.state in answers to gatewayState alone (V-20)")
        call_id = _call_id_of(request)
        if method == "telnyx_rtc.invite" and call_id in self._calls:
            self._calls[call_id].has_result = True

    def _check_error(self, request: Message, error: object) -> None:
        if not self._need(isinstance(error, dict), "an error is an object") or not isinstance(error, dict):
            return
        method = request.get("method")
        has_code = isinstance(error.get("code"), int) or method == "telnyx_rtc.attachCalls"
        self._need(has_code and isinstance(error.get("message"), str), "an error has an integer code and a message")
        may_be_32000 = method not in _WITHOUT_LOGIN
        self._need(error.get("code") != -32000 or may_be_32000, f"{method} never gets -32000 (trap 1, V-34)")
        call_id = _call_id_of(request)
        if method == "telnyx_rtc.invite" and call_id in self._calls and not self._calls[call_id].has_result:
            del self._calls[call_id]

    # Requests

    def _check_request(self, message: Message) -> None:
        method, params, number = str(message.get("method")), message.get("params"), message.get("id")
        if type(number) is int:
            self._need(number > self._last_id, "our ids are used once (V-22)")
            self._last_id = max(self._last_id, number)
        else:
            self._need(False, "our requests have integer ids (V-22)")
        if not self._need(isinstance(params, dict), "params is an object") or not isinstance(params, dict):
            return
        is_state = method == "telnyx_rtc.gatewayState"
        self._need(is_state or "state" not in params, "no params.state but in a gateway state (V-21)")
        if method.startswith("telnyx_rtc."):
            self._need(not list(_nulls(params)), "no null members")
            dialog = params.get("dialogParams", {})
            self._need(isinstance(dialog, dict) and "userVariables" not in dialog, "dialogParams without userVariables")
        check = CHECKS.get(method)
        if self._need(check is not None, f"{method} is nothing to send to a client (V-100)") and check is not None:
            check(self, params)

    def _check_ready(self, params: Message) -> None:
        listed = params.get("reattached_sessions")
        is_list = isinstance(listed, list) and all(isinstance(one, str) for one in listed)
        self._need(is_list, "reattached_sessions is a list of call ids (V-39)")

    def _check_offer(self, params: Message, *, is_attach: bool) -> None:
        call_id = self._check_call_id(params)
        known = self._calls.get(call_id)
        self._need(is_attach or known is None or known.is_over, "an invite never repeats a live callID (V-79)")
        self._calls[call_id] = _CallSeen(is_outbound=False)
        self._check_sdp(params)
        self._need(all(isinstance(params.get(name), str) for name in _PARTIES), "the parties are texts (V-77)")
        self._check_ids(params)
        dialog = params.get("dialogParams", {})
        self._need(_are_headers(dialog.get("custom_headers", [])), "custom_headers are names and values (V-78)")

    def _check_invite(self, params: Message) -> None:
        self._check_offer(params, is_attach=False)

    def _check_attach(self, params: Message) -> None:
        self._check_offer(params, is_attach=True)

    def _check_ringing(self, params: Message) -> None:
        self._outbound(params)
        self._check_ids(params)

    def _check_media(self, params: Message) -> None:
        call = self._outbound(params)
        self._check_sdp(params)
        if call is not None:
            self._need(not call.has_media, "media at most once per call (V-67)")
            self._need(not call.has_answer, "no media after the answer (V-67)")
            call.has_media = True

    def _check_call_answer(self, params: Message) -> None:
        call = self._outbound(params)
        if call is not None:
            self._need(not call.has_answer, "one answer per call (V-68)")
            self._need(("sdp" in params) != call.has_media, "sdp in the answer when no media went before (V-68, V-69)")
            call.has_answer = True
        if "sdp" in params:
            self._check_sdp(params)

    def _check_bye(self, params: Message) -> None:
        call_id = self._check_call_id(params)
        call = self._calls.get(call_id)
        if call is not None:
            self._need(call.has_result or not call.is_outbound, "the invite's result comes first (V-55)")
            self._need(not call.is_over, "a call ends once")
            call.is_over = True
        has_cause = isinstance(params.get("cause"), str) and params["cause"] != ""
        self._need(has_cause and isinstance(params.get("causeCode"), int), "bye has cause and causeCode (V-90)")
        self._need("isRecovering" not in params, "bye without isRecovering (V-90)")
        self._need(isinstance(params.get("sipCode", 0), int), "sipCode is a number")

    def _check_about_call(self, params: Message) -> None:
        self._check_call_id(params)

    def _check_anything(self, params: Message) -> None:
        """Its content is the business of the tests about it."""

    # Members

    def _outbound(self, params: Message) -> _CallSeen | None:
        call = self._calls.get(self._check_call_id(params))
        if call is not None:
            self._need(call.has_result or not call.is_outbound, "the invite's result comes first (V-55)")
            self._need(not call.is_over, "nothing about a call that is over")
        return call

    def _check_call_id(self, params: Message) -> str:
        call_id = params.get("callID")
        self._need(isinstance(call_id, str) and call_id != "", "callID is a text (V-57)")
        return str(call_id)

    def _check_sdp(self, params: Message) -> None:
        sdp = params.get("sdp")
        is_whole = isinstance(sdp, str) and "\r\na=candidate:" in sdp
        self._need(is_whole, "sdp holds every candidate (V-71, V-77)")

    def _check_ids(self, params: Message) -> None:
        for name in ("telnyx_session_id", "telnyx_leg_id"):
            self._need(_is_uuid(params.get(name)), f"{name} is a UUID (V-66)")

    def _need(self, condition: bool, rule: str) -> bool:
        if not condition:
            self.breaches.append(f"{rule}: {self._frame[:2000]}")
        return condition


CHECKS: Final[Mapping[str, Callable[[FrameRules, Message], None]]] = {
    "telnyx_rtc.ping": FrameRules._check_anything,
    "telnyx_rtc.clientReady": FrameRules._check_ready,
    "telnyx_rtc.gatewayState": FrameRules._check_anything,
    "telnyx_rtc.invite": FrameRules._check_invite,
    "telnyx_rtc.attach": FrameRules._check_attach,
    "telnyx_rtc.ringing": FrameRules._check_ringing,
    "telnyx_rtc.media": FrameRules._check_media,
    "telnyx_rtc.answer": FrameRules._check_call_answer,
    "telnyx_rtc.bye": FrameRules._check_bye,
    "telnyx_rtc.candidate": FrameRules._check_about_call,
    "telnyx_rtc.display": FrameRules._check_about_call,
    "telnyx_rtc.info": FrameRules._check_anything,
    "telnyx_rtc.event": FrameRules._check_anything,
    "telnyx_rtc.punt": FrameRules._check_anything,
    "ai_conversation": FrameRules._check_anything,
}
"""What the gateway may send, and what must be in it."""


def _call_id_of(message: Message) -> str | None:
    """The call that a client's request is about."""
    params = message.get("params")
    dialog = params.get("dialogParams") if isinstance(params, dict) else None
    call_id = dialog.get("callID") if isinstance(dialog, dict) else None
    return call_id if isinstance(call_id, str) else None


def _nulls(value: object) -> Iterator[None]:
    if value is None:
        yield None
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _nulls(child)


def _are_headers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(header, dict)
        and set(header) == {"name", "value"}
        and all(isinstance(part, str) for part in header.values())
        for header in value
    )


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
