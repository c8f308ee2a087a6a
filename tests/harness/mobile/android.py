"""telnyx-webrtc-android 3.7.0 as it writes and as it reads: the one whose socket dies of a surprise."""

import json
from typing import ClassVar, Final

from tests.harness.mobile.dialect import Dialect, Headers, Login, Message
from tests.harness.mobile.rules import Rules, Sent, is_uuid

_GSON_ESCAPES: Final = {"=": "\\u003d", "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"}


class AndroidDialect(Dialect):
    """`verto/send/*.kt`, `socket/TxSocket.kt`, `TelnyxClient.kt`."""

    name: ClassVar = "Android"
    letter: ClassVar = "a"
    version: ClassVar = "3.7.0"

    def encode(self, message: Message) -> str:
        """Gson: pretty-printed over many lines, HTML escapes, nulls left out (M-12)."""
        text = json.dumps(_without_nulls({**message, "jsonrpc": "2.0"}), indent=2)
        for character, escape in _GSON_ESCAPES.items():
            text = text.replace(character, escape)
        return text

    def pong(self, text: str, message: Message, *, session_id: str | None, is_registered: bool) -> str | None:
        """The very text that came, always."""
        return text

    def adopts_session_of(self, method: str) -> bool:
        return method == "telnyx_rtc.gatewayState"

    def login_params(self, login: Login, session_id: str | None) -> Message:
        """Token logins spell it attach_calls; a decline has neither (2.1). There is no environment."""
        secret = (
            {"login_token": login.token} if login.has_token else {"login": login.username, "passwd": login.password}
        )
        attach = {"attach_calls" if login.has_token else "attach_call": "true"}
        opted = {"push_when_active": True, "pn_late_fanout": True} if login.rings_when_active else {}
        return {
            **secret,
            "userVariables": {
                "push_device_token": login.push_token or "",
                "push_notification_provider": "android",
                **opted,
            },
            "loginParams": {"decline_push": "true"} if login.is_declining else attach,
            "sessid": session_id,
            "User-Agent": self.agent(),
        }

    def attach_calls_params(self, login: Login) -> Message | None:
        environment = "production" if login.environment == "production" else "development"
        return {
            "userVariables": {
                "push_notification_environment": environment,
                "push_notification_provider": "android",
            }
        }

    def anonymous_login_params(self, target_id: str, session_id: str | None) -> Message:
        return {**super().anonymous_login_params(target_id, session_id), "conversation_id": None}

    def bye_params(self, session_id: str | None, call_id: str, cause: tuple[str, int]) -> Message:
        return {**super().bye_params(session_id, call_id, cause), "dialogParams": {"callId": call_id}}

    def dialog(self, call_id: str, headers: Headers) -> Message:
        return {**super().dialog(call_id, headers), "userVariables": []}

    def report_body(self, call_id: str) -> Message:
        ids = {"call_id": call_id, "call_report_id": "", "telnyx_leg_id": "", "telnyx_session_id": ""}
        return {**super().report_body(call_id), **ids, "voice_sdk_id": "", "android_extra": {"model": "Pixel"}}


class AndroidRules(Rules):
    """`socket/TxSocket.kt` (onMessage), `TelnyxClient.kt`: an exception in there costs the socket (code 1006)."""

    name: ClassVar = "Android"

    def check_envelope(self, message: Message) -> None:
        """What `TxSocket.onMessage` does to any frame before anybody looks at its method."""
        if "result" in message:
            result = message["result"]
            self.need(isinstance(result, dict), "drops the socket on a result that is no object (M-29)")
            if "params" in result:
                self.need("sessid" in result, "drops the socket on result.params without result.sessid (rule 6)")
        params = message.get("params")
        if isinstance(params, dict) and message.get("method") != "telnyx_rtc.gatewayState":
            self.need("state" not in params, "takes params.state for a gateway state and swallows the message (M-30)")

    def check_invite(self, params: Message) -> None:
        self.need(is_uuid(params.get("callID")), "fails on an invite whose callID is no UUID (M-38)")
        self.need_texts(params, ("sdp", "caller_id_name", "caller_id_number"), "fails on an invite without them (M-38)")
        self._need_ids(params, is_mandatory=True)
        self.need_headers(params)
        self.need_no_nulls(params)

    def check_attach(self, params: Message) -> None:
        self.need(self.knows(params), "answers no attach of a call that it does not have (M-49)")
        self.need_texts(params, ("sdp", "caller_id_number"), "fails on an attach without them (3.9)")
        self._need_ids(params, is_mandatory=True)
        self.need_no_nulls(params)

    def check_ringing(self, params: Message) -> None:
        self.need(self.knows(params), "fails on ringing for a call that it does not have")
        self.need_texts(params, ("caller_id_name", "caller_id_number"), "fails on ringing without them (M-37)")
        self._need_ids(params, is_mandatory=False)
        self.need_no_nulls(params)

    def check_media(self, params: Message) -> None:
        self.need(self.knows(params), "fails on media for a call that it does not have")
        self.need_texts(params, ("sdp",), "ends the call on media without sdp (M-41)")

    def check_answer(self, params: Message) -> None:
        self.need(self.knows(params), "fails on an answer for a call that it does not have")
        if self.has_media(params):
            self.need("sdp" not in params, "shows an error when a second description comes with the answer (M-41)")
        else:
            self.need_texts(params, ("sdp",), "ends the call on an answer without sdp (M-41)")

    def check_bye(self, params: Message) -> None:
        self.need_no_nulls(params)
        self.need(is_uuid(params.get("callID")), "reads callID of a bye as a UUID")

    def check_candidate(self, params: Message) -> None:
        super().check_candidate(params)
        dialog = params.get("dialogParams")
        is_named = "callID" in params or (isinstance(dialog, dict) and "callId" in dialog)
        self.need(is_named, "looks for params.callID or dialogParams.callId in a candidate (M-53)")

    def check_conversation(self, params: Message) -> None:
        self.need_deltas(params)

    def check_result(self, message: Message, sent: Sent) -> None:
        if sent.method == "telnyx_rtc.modify" and sent.params["action"] == "updateMedia":
            result = message["result"]
            self.need(is_uuid(result.get("callID")), "reads result.callID of updateMedia as a UUID (M-48)")
            self.need_texts(result, ("sdp",), "takes updateMedia without sdp for a failure (M-48)")

    def check_error(self, message: Message, sent: Sent | None) -> None:
        code = message["error"].get("code")
        is_attach = sent is not None and sent.method == "telnyx_rtc.attachCalls"
        self.need(is_attach or isinstance(code, int), "reads error.code with asInt (M-25)")
        self.need(isinstance(message["error"].get("message"), str), "reads error.message with asString (M-25)")

    def check_debug_answer(self, message: Message) -> None:
        self.need("error" not in message, "shows every error to its application, those of debug frames too (M-14)")

    def _need_ids(self, params: Message, *, is_mandatory: bool) -> None:
        for name in ("telnyx_session_id", "telnyx_leg_id"):
            if is_mandatory or name in params:
                self.need(is_uuid(params.get(name)), f"fails when {name} is no UUID (M-37, M-38)")


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
