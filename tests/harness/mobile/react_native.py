"""`@telnyx/react-native-voice-sdk` 1.1.0 as it writes and as it reads: it waits for exact answers."""

import uuid
from typing import ClassVar

from tests.harness.mobile.dialect import USER_BUSY, Dialect, Login, Message, push_variables
from tests.harness.mobile.rules import Rules, Sent


class ReactNativeDialect(Dialect):
    """`lib/client.ts`, `lib/call.ts`, `lib/messages/*.ts`."""

    name: ClassVar = "ReactNative"
    letter: ClassVar = "r"
    version: ClassVar = "1.1.0"

    def pong(self, text: str, message: Message, *, session_id: str | None, is_registered: bool) -> str | None:
        """A request of its own, without params (keep-alive.ts)."""
        return self.encode({"id": str(uuid.uuid4()), "method": "telnyx_rtc.ping"})

    def acknowledgement(self, message: Message) -> Message | None:
        if message["method"] != "telnyx_rtc.answer":
            return None
        return {"id": message["id"], "result": {"method": "telnyx_rtc.answer"}}

    def adopts_session_of(self, method: str) -> bool:
        return method == "login"

    def login_params(self, login: Login, session_id: str | None) -> Message:
        """A session id only when an earlier login left one; `from_push` only when it is true."""
        secret = (
            {"login_token": login.token} if login.has_token else {"login": login.username, "passwd": login.password}
        )
        return {
            **secret,
            **({} if session_id is None else {"sessid": session_id}),
            **({"from_push": True} if login.is_from_push else {}),
            "reconnection": False,
            "loginParams": {"attach_call": "true"},
            "userVariables": push_variables(login, "android", flag="true"),
            "User-Agent": self.agent(login),
        }

    def invite_params(self, *args: object, is_trickle: bool = False, **more: object) -> Message:
        """`trickle` stands inside dialogParams."""
        params = super().invite_params(*args, **more)  # type: ignore[arg-type] # handed through
        if is_trickle:
            params["dialogParams"] |= {"trickle": True, "useTrickleIce": True}
        return params

    def bye_params(self, session_id: str | None, call_id: str, cause: tuple[str, int]) -> Message:
        dialog = {"callID": call_id, "telnyxSessionId": str(uuid.uuid4()), "telnyxLegId": str(uuid.uuid4())}
        return {**super().bye_params(session_id, call_id, cause), "dialogParams": dialog}

    def hang_up_cause(self, *, is_active: bool) -> tuple[str, int]:
        """Busy, even out of a conversation (M-47)."""
        return USER_BUSY

    def modify_params(self, session_id: str | None, call_id: str, action: str, sdp: str | None = None) -> Message:
        return {**super().modify_params(session_id, call_id, action, sdp), "dialogParams": {"callId": call_id}}

    def info_params(self, session_id: str | None, call_id: str, digits: str) -> Message:
        params = super().info_params(session_id, call_id, digits)
        params["dialogParams"]["userVariables"] = []
        return params

    def attach_params(self, session_id: str | None, call_id: str, sdp: str) -> Message:
        params = super().attach_params(session_id, call_id, sdp)
        params["dialogParams"]["userVariables"] = []
        return params

    def report_body(self, call_id: str) -> Message:
        return {**super().report_body(call_id), "summary": {"callId": call_id, "direction": "OUTGOING"}}


class ReactNativeRules(Rules):
    """`isLoginSuccessResponse`, `isInviteACKMessage`, `isByeEvent` and their like."""

    name: ClassVar = "ReactNative"

    def check_ping(self, params: Message) -> None:
        self.need(bool(params.get("serno")), "ignores a ping without params.serno (M-7)")

    def check_invite(self, params: Message) -> None:
        self.need_texts(params, ("callID", "sdp", "telnyx_session_id", "telnyx_leg_id"), "needs them in an invite")
        self.need_headers(params)

    def check_attach(self, params: Message) -> None:
        self.check_invite(params)

    def check_ringing(self, params: Message) -> None:
        self.need_texts(params, ("telnyx_session_id", "telnyx_leg_id"), "ignores ringing without them (M-37)")

    def check_media(self, params: Message) -> None:
        self.need_texts(params, ("sdp",), "applies the description of media (M-41)")

    def check_answer(self, params: Message) -> None:
        if self.has_media(params):
            self.need("sdp" not in params, "logs an error when a second description comes with the answer (M-41)")
        else:
            self.need_texts(params, ("sdp",), "goes active without media on an answer without sdp (M-41)")

    def check_bye(self, params: Message) -> None:
        self.need_texts(params, ("cause",), "ignores a bye without a cause: its call stays up (M-46)")

    def check_result(self, message: Message, sent: Sent) -> None:
        result = message["result"]
        match sent.method:
            case "login":
                self.need(result.get("message") == "logged in", 'wants the message "logged in" (M-19)')
                self.need_texts(result, ("sessid",), "wants a sessid in the login result (M-19)")
            case "telnyx_rtc.gatewayState":
                params = result.get("params", {})
                self.need(params.get("state") == "REGED", "fails the login unless the first state is REGED (M-22)")
            case "telnyx_rtc.invite":
                self.need(result.get("message") == "CALL CREATED", 'wants the message "CALL CREATED" (M-32)')
                self.need(result.get("callID") == sent.call_id, "takes the call id out of the invite result (M-32)")
                self.need_texts(result, ("sessid",), "wants a sessid in the invite result (M-32)")
            case "telnyx_rtc.modify":
                self.need("params" not in result, "takes a modify result with params for something else (3.7)")
                self.need_texts(result, ("callID", "sessid"), "wants them in a modify result (M-44)")
                self.need(result.get("action") in ("hold", "unhold"), "wants action in a modify result (M-44)")
                is_state = result.get("holdState") in ("held", "unheld", "active")
                self.need(is_state, "wants holdState in a modify result (M-44)")
            case "telnyx_rtc.info":
                self.need_texts(result, ("sessid",), "wants a sessid in the info result (M-45)")
            case _:
                pass
