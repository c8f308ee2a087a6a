"""flutter-voice-sdk 4.4.0 as it writes and as it reads: its parsers throw on a type that they did not expect."""

import uuid
from typing import ClassVar, Final

from tests.harness.mobile.dialect import Dialect, Headers, Login, Message
from tests.harness.mobile.rules import Rules, Sent

SAME_ID: Final = "Instance of 'Uuid'"
"""The id of every gatewayState request: the SDK prints the generator in place of what it generates."""


class FlutterDialect(Dialect):
    """`model/verto/send/*.dart`, `telnyx_client.dart`. Nulls are written out (M-12)."""

    name: ClassVar = "Flutter"
    letter: ClassVar = "f"
    version: ClassVar = "4.4.0"

    def request_id(self, method: str) -> str:
        return SAME_ID if method == "telnyx_rtc.gatewayState" else super().request_id(method)

    def pong(self, text: str, message: Message, *, session_id: str | None, is_registered: bool) -> str | None:
        """A result for an id that the server never issued (1.2)."""
        return self.encode({"id": str(uuid.uuid4()), "result": {"message": "PONG", "sessid": session_id}})

    def acknowledgement(self, message: Message) -> Message | None:
        if message["method"] != "telnyx_rtc.ringing":
            return None
        return {"id": message["id"], "result": {"method": "telnyx_rtc.ringing"}}

    def login_params(self, login: Login, session_id: str | None) -> Message:
        """A token login has user name and password as well, both null (M-16)."""
        token = {"login_token": login.token} if login.has_token else {}
        return {
            "login": login.username,
            "passwd": login.password,
            **token,
            "sessid": session_id,
            "User-Agent": self.agent(),
            "loginParams": {"decline_push": "true"} if login.is_declining else {"attach_call": "true"},
            "userVariables": {
                "push_device_token": login.push_token,
                "push_notification_provider": "android",
                "push_notification_environment": login.environment,
            },
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
        more = {"target_version_id": None, "conversation_id": None}
        return {**super().anonymous_login_params(target_id, session_id), **more}

    def push_data(self, login: Login) -> Message:
        """The one that calls it push_notification_token (M-61)."""
        return {"push_notification_token": login.push_token, "push_notification_provider": "android"}

    def invite_params(self, *args: object, is_trickle: bool = False, **more: object) -> Message:
        """`trickle` is always there, true or false."""
        return {**super().invite_params(*args, is_trickle=is_trickle, **more), "trickle": is_trickle}  # type: ignore[arg-type] # handed through

    def attach_params(self, session_id: str | None, call_id: str, sdp: str) -> Message:
        """The one that says `attach` false (M-50)."""
        params = super().attach_params(session_id, call_id, sdp)
        params["dialogParams"]["attach"] = False
        return params

    def bye_params(self, session_id: str | None, call_id: str, cause: tuple[str, int]) -> Message:
        return {**super().bye_params(session_id, call_id, cause), "dialogParams": {"callId": call_id}}

    def candidate_session(self, session_id: str | None) -> Message:
        return {}

    def dialog(self, call_id: str, headers: Headers) -> Message:
        return {**super().dialog(call_id, headers), "userVariables": []}

    def item_params(self, item_id: str, text: str, image: str | None = None) -> Message:
        return {**super().item_params(item_id, text, image), "previous_item_id": None}


class FlutterRules(Rules):
    """`received_message_body.dart`, `invite_answer_message_body.dart`, `receive_bye_message_body.dart`."""

    name: ClassVar = "Flutter"

    def check_envelope(self, message: Message) -> None:
        if "result" in message:
            self.need(isinstance(message["result"], dict), "throws on a result that is no object (M-29)")
        if "result" in message or "error" in message:
            is_text = message.get("id") is None or isinstance(message["id"], str)
            self.need(is_text, "throws on an answer whose id is no string (2.4)")
        params = message.get("params")
        if "method" in message and isinstance(params, dict):
            self._check_types(params)

    def _check_types(self, params: Message) -> None:
        """`ReceivedMessage.fromJson`: the same for every method."""
        for name in ("causeCode", "sipCode"):
            self.need(isinstance(params.get(name, 0), int), f"throws when {name} is no integer (M-46)")
        self.need(isinstance(params.get("state", ""), str), "throws when state is no string")
        dialog = params.get("dialogParams", {})
        self.need(isinstance(dialog, dict), "throws when dialogParams is no object")
        self.need("userVariables" not in dialog, "throws on dialogParams.userVariables of whatever kind (M-36)")
        variables = params.get("variables", {})
        self.need(
            isinstance(variables, dict) and all(isinstance(value, str) for value in variables.values()),
            "throws on variables that are no strings (3.3)",
        )

    def check_ready(self, params: Message) -> None:
        sessions = params.get("reattached_sessions", [])
        self.need(isinstance(sessions, list), "throws when reattached_sessions is no list (M-20)")

    def check_invite(self, params: Message) -> None:
        self.need_texts(
            params, ("callID", "sdp", "caller_id_name", "caller_id_number"), "throws on an invite without them (M-38)"
        )
        self.need_headers(params)

    def check_attach(self, params: Message) -> None:
        self.check_invite(params)

    def check_ringing(self, params: Message) -> None:
        self.need(self.knows(params), "shows an error on ringing for a call that it does not have (3.2)")

    def check_media(self, params: Message) -> None:
        self.need_texts(params, ("sdp",), "takes the description out of media (M-41)")

    def check_answer(self, params: Message) -> None:
        self.need(self.knows(params), "shows an error on an answer for a call that it does not have")
        if self.has_media(params):
            self.need("sdp" not in params, "shows an error when a second description comes with the answer (M-41)")
        else:
            self.need_texts(params, ("sdp",), "hangs up on an answer without sdp (M-41)")

    def check_bye(self, params: Message) -> None:
        self.need(isinstance(params.get("causeCode"), int), "knows the cause by causeCode alone (M-46)")

    def check_candidate(self, params: Message) -> None:
        super().check_candidate(params)
        self.need("callID" in params, "looks for params.callID in a candidate (M-53)")

    def check_conversation(self, params: Message) -> None:
        self.need_deltas(params)
        item = params.get("item", {})
        for name in ("id", "role", "status", "type"):
            self.need(isinstance(item.get(name, ""), str), f"throws when item.{name} is no string (M-73)")

    def check_result(self, message: Message, sent: Sent) -> None:
        if sent.method == "telnyx_rtc.modify" and sent.params["action"] == "updateMedia":
            self.need_texts(message["result"], ("callID", "sdp"), "casts both of updateMedia's answer (M-48)")

    def check_error(self, message: Message, sent: Sent | None) -> None:
        code = message["error"].get("code")
        is_attach = sent is not None and sent.method == "telnyx_rtc.attachCalls"
        self.need(is_attach or isinstance(code, int), "types error.code as int (M-25)")
        self.need(isinstance(message["error"].get("message"), str), "types error.message as String (M-25)")

    def check_debug_answer(self, message: Message) -> None:
        self.need("error" not in message, "shows every error to its application, those of debug frames too (M-14)")
