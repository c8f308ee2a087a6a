"""telnyx-webrtc-ios 4.1.2 as it writes and as it reads."""

from typing import ClassVar

from tests.harness.mobile.dialect import Dialect, Headers, Login, Message, push_variables
from tests.harness.mobile.rules import Rules, Sent, is_uuid


class IosDialect(Dialect):
    """`TelnyxRTC/Telnyx/Verto/*.swift`, `TxClient.swift`."""

    name: ClassVar = "iOS"
    letter: ClassVar = "i"
    version: ClassVar = "4.1.2"
    session_key: ClassVar = "sessionId"

    def encode(self, message: Message) -> str:
        """JSONSerialization escapes slashes."""
        return super().encode(message).replace("/", "\\/")

    def pong(self, text: str, message: Message, *, session_id: str | None, is_registered: bool) -> str | None:
        """The very text that came, once registered; before that an answer would draw an authentication error."""
        return text if is_registered else None

    def adopts_session_of(self, method: str) -> bool:
        return method in ("login", "anonymous_login")

    def login_params(self, login: Login, session_id: str | None) -> Message:
        secret = (
            {"login_token": login.token} if login.has_token else {"login": login.username, "passwd": login.password}
        )
        declines: object = True if login.has_token else "true"
        return {
            **secret,
            "sessid": session_id,
            "User-Agent": self.agent(login),
            "from_push": login.is_from_push,
            "loginParams": {"attach_call": "true", **({"decline_push": declines} if login.is_declining else {})},
            "userVariables": push_variables(login, "ios", flag="true"),
        }

    def attach_calls_params(self, login: Login) -> Message | None:
        return {
            "push_notification_provider": "ios",
            "loginParams": {},
            "userVariables": {"push_notification_environment": login.environment},
        }

    def push_data(self, login: Login) -> Message:
        return {
            "push_device_token": login.push_token,
            "push_notification_provider": "ios",
            "push_notification_environment": login.environment,
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
        params = super().answer_params(session_id, call_id, sdp, headers=headers, device_token=device_token)
        params["dialogParams"]["remote_caller_id_name"] = "Outbound Call"
        return params

    def bye_params(self, session_id: str | None, call_id: str, cause: tuple[str, int]) -> Message:
        params = super().bye_params(session_id, call_id, cause)
        params["sessId"] = params.pop("sessid")
        return params

    def candidate_session(self, session_id: str | None) -> Message:
        return {}

    def dialog(self, call_id: str, headers: Headers) -> Message:
        """User variables are an object here; headers are absent when there are none."""
        dialog = {**super().dialog(call_id, headers), "userVariables": {}}
        if not headers:
            del dialog["custom_headers"]
        return dialog

    def report_headers(self, report_id: str, call_id: str, voice_sdk_id: str) -> dict[str, str]:
        """UUIDs print in upper case in Swift."""
        return super().report_headers(report_id, call_id.upper(), voice_sdk_id)


class IosRules(Rules):
    """`TxClient.swift`, `Call.swift`, `Message.swift`, `Peer.swift`."""

    name: ClassVar = "iOS"

    def check_envelope(self, message: Message) -> None:
        """`AIAssistantManager` looks for these in whatever comes (5)."""
        for part in (message, message.get("params"), message.get("result")):
            members = part if isinstance(part, dict) else {}
            for name in ("transcript", "conversation", "ui_config", "assistant_config"):
                self.need(name not in members, f"takes a member {name} for something of an assistant (5)")

    def check_invite(self, params: Message) -> None:
        """Drops an invite silently that it cannot read."""
        self.need(is_uuid(params.get("callID")), "drops an invite whose callID is no UUID (M-38)")
        self.need_texts(params, ("sdp",), "drops an invite without sdp (M-38)")
        self.need(is_uuid(params.get("telnyx_session_id")), "wants a UUID telnyx_session_id in an invite (M-38)")
        self.need(is_uuid(params.get("telnyx_leg_id")), "wants a UUID telnyx_leg_id in an invite (M-38)")
        self.need_headers(params)

    def check_attach(self, params: Message) -> None:
        self.check_invite(params)

    def check_answer(self, params: Message) -> None:
        self.need(
            "sdp" in params or self.has_media(params),
            "applies an empty description after an answer without sdp and no media before it (M-41)",
        )

    def check_candidate(self, params: Message) -> None:
        super().check_candidate(params)
        self.need(is_uuid(params.get("callID")), "routes a candidate by params.callID alone (M-53)")
        candidate = params.get("candidate")
        self.need(
            isinstance(candidate, str) and candidate.startswith("candidate:"),
            "does not add the prefix candidate: (M-53)",
        )

    def check_result(self, message: Message, sent: Sent) -> None:
        result = message["result"]
        match sent.method:
            case "login" | "anonymous_login":
                self.need_texts(result, ("sessid",), "takes its session id from the login result (M-19)")
            case "telnyx_rtc.gatewayState":
                params = result.get("params")
                self.need(
                    isinstance(params, dict) and isinstance(params.get("state"), str),
                    "reads the gateway state at result.params.state alone (M-21)",
                )
            case "telnyx_rtc.modify" if sent.params["action"] == "updateMedia":
                self.need_texts(result, ("callID", "sdp"), "drops the socket on an updateMedia answer without them")
                self.need(result.get("action") == "updateMedia", "knows the answer by result.action (M-48)")
            case "telnyx_rtc.disable_push_notification":
                self.need(message.get("method") == sent.method, "knows the answer by its method (M-62)")
                self.need("success" in str(result.get("message")), "wants a message with success in it (M-62)")
            case _:
                pass

    def check_error(self, message: Message, sent: Sent | None) -> None:
        """`code` as Int, else 0; an error without code is known after attachCalls alone."""
        error = message["error"]
        is_attach = sent is not None and sent.method == "telnyx_rtc.attachCalls"
        self.need(isinstance(error.get("code"), int) or is_attach, "reads error.code as an integer (M-25)")

    def check_debug_answer(self, message: Message) -> None:
        self.need("error" not in message, "shows every error to its application, those of debug frames too (M-14)")
