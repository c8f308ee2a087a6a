"""How strictly a mobile SDK reads. What would crash it, or cost it a frame or a call, is a `Violation`."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NoReturn

from tests.harness.mobile.dialect import Message

_UNREAD: Final = frozenset(
    f"telnyx_rtc.{name}" for name in ("gatewayState", "punt", "modify", "info", "display", "event")
)
"""What JavaScript acts on and the mobile SDKs let pass (2.2, 3.7); Android reads a gateway state like its answer."""

_WITH_NULLS_FORBIDDEN: Final = ("telnyx_rtc.bye", "telnyx_rtc.ringing", "telnyx_rtc.invite", "telnyx_rtc.attach")


class Violation(AssertionError):
    """A frame that this client cannot live with."""

    def __init__(self, client: str, rule: str, frame: object) -> None:
        super().__init__(f"{client} {rule}: {json.dumps(frame)[:2000]}")
        self.client, self.rule = client, rule


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of the client's that waits for its answer."""

    method: str
    params: Message

    @property
    def call_id(self) -> str | None:
        """The call it is about, as this request spelled it."""
        dialog = self.params.get("dialogParams", {})
        found: str | None = dialog.get("callID", dialog.get("callId"))
        return found


@dataclass(slots=True)
class CallSeen:
    """What a client remembers of one call."""

    has_media: bool = False


def is_uuid(value: object) -> bool:
    """Whether `java.util.UUID.fromString` and Swift's `UUID(uuidString:)` take it."""
    if not isinstance(value, str):
        return False
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


class Rules:
    """What every mobile SDK needs, and hooks for what one alone needs. Keeps the calls of one client.

    Every `check_...` raises `Violation`.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self.calls: dict[str, CallSeen] = {}
        """By call id in lower case; a call stays here after its end, since a bye may cross."""
        self.voice_sdk_id: str | None = None
        self._frame: Message = {}
        self._checks: Mapping[str, Callable[[Message], None]] = {
            "telnyx_rtc.ping": self.check_ping,
            "telnyx_rtc.clientReady": self.check_ready,
            "telnyx_rtc.invite": self.check_invite,
            "telnyx_rtc.attach": self.check_attach,
            "telnyx_rtc.ringing": self.check_ringing,
            "telnyx_rtc.media": self.check_media,
            "telnyx_rtc.answer": self.check_answer,
            "telnyx_rtc.bye": self.check_bye,
            "telnyx_rtc.candidate": self.check_candidate,
            "ai_conversation": self.check_conversation,
        }

    # ---- for the client

    def placed(self, call_id: str) -> None:
        """The client calls."""
        self.calls[call_id.lower()] = CallSeen()

    def read(self, text: str) -> Message:
        """A frame off the socket, its envelope checked."""
        self._frame = {"text": text}
        try:
            message = json.loads(text)
        except ValueError:
            self.fail("takes JSON alone")
        self._frame = message
        self.need(isinstance(message, dict) and message.get("jsonrpc") == "2.0", "reads JSON-RPC 2.0 objects")
        self._check_voice_sdk_id(message)
        self.check_envelope(message)
        return message  # type: ignore[no-any-return] # an object, as was just seen

    def take_request(self, message: Message) -> None:
        """A request of the server's."""
        self._frame = message
        method, params = message["method"], message.get("params", {})
        self.need(isinstance(message.get("id"), int), "counts on integer ids of the server's requests (M-28)")
        self.need(isinstance(params, dict), "reads params as an object (M-29)")
        if method in _WITH_NULLS_FORBIDDEN:
            self.need_no_nulls(params)
        if method in _UNREAD:
            return
        check = self._checks.get(method)
        if check is None:
            self.fail("knows no such method (7.1)")
        check(params)
        self._note(method, params)

    def take_answer(self, message: Message, sent: Sent | None) -> None:
        """An answer; `sent` is None where the client does not know its id."""
        self._frame = message
        if sent is not None and sent.method.startswith("debug_report_"):
            self.check_debug_answer(message)
        elif "error" in message:
            self.need(isinstance(message["error"], dict), "reads the error as an object (2.4)")
            self.check_error(message, sent)
        else:
            self.need(isinstance(message["result"], dict), "reads the result as an object (M-29)")
            params = message["result"].get("params", {})
            self.need(isinstance(params, dict), "reads result.params as an object (M-29)")
            if sent is not None:
                self.check_result(message, sent)

    # ---- hooks

    def check_envelope(self, message: Message) -> None:
        """What becomes of any frame before its method is looked at."""

    def check_ping(self, params: Message) -> None:
        """`telnyx_rtc.ping`."""

    def check_ready(self, params: Message) -> None:
        """`telnyx_rtc.clientReady`."""

    def check_invite(self, params: Message) -> None:
        """`telnyx_rtc.invite`."""

    def check_attach(self, params: Message) -> None:
        """`telnyx_rtc.attach`."""

    def check_ringing(self, params: Message) -> None:
        """`telnyx_rtc.ringing`."""

    def check_media(self, params: Message) -> None:
        """`telnyx_rtc.media`."""

    def check_answer(self, params: Message) -> None:
        """`telnyx_rtc.answer`."""

    def check_bye(self, params: Message) -> None:
        """`telnyx_rtc.bye`."""

    def check_candidate(self, params: Message) -> None:
        """`telnyx_rtc.candidate`: all four need the m-line's name and number."""
        self.need_texts(params, ("sdpMid", "candidate"), "needs them in a candidate (M-53)")
        self.need(isinstance(params.get("sdpMLineIndex"), int), "needs sdpMLineIndex as a number (M-53)")

    def check_conversation(self, params: Message) -> None:
        """`ai_conversation`."""

    def check_result(self, message: Message, sent: Sent) -> None:
        """A result of a request."""

    def check_error(self, message: Message, sent: Sent | None) -> None:
        """An error of a request."""

    def check_debug_answer(self, message: Message) -> None:
        """Whatever a debug frame draws."""

    # ---- for the hooks

    def need(self, condition: bool, rule: str) -> None:
        """A condition of the frame at hand."""
        if not condition:
            self.fail(rule)

    def need_texts(self, values: Message, names: Sequence[str], rule: str) -> None:
        """Members that must be there, as texts with something in them (a caller may be without name and number)."""
        missing = [name for name in names if not isinstance(values.get(name), str)]
        missing += [name for name in names if values.get(name) == "" and not name.startswith("caller_id")]
        self.need(not missing, f"{rule}: {', '.join(missing)}")

    def need_no_nulls(self, params: Message) -> None:
        """JSON null among the members."""
        nulls = [name for name, value in params.items() if value is None]
        self.need(not nulls, f"throws on null members (M-31): {', '.join(nulls)}")

    def need_headers(self, params: Message) -> None:
        """`dialogParams.custom_headers`: a list of names and values, both texts."""
        dialog = params.get("dialogParams")
        self.need(isinstance(dialog, dict), "wants dialogParams with custom_headers (M-38)")
        headers = dialog.get("custom_headers") if isinstance(dialog, dict) else None
        is_list = isinstance(headers, list) and all(
            isinstance(header, dict)
            and set(header) == {"name", "value"}
            and all(isinstance(part, str) for part in header.values())
            for header in headers
        )
        self.need(is_list, "decodes custom_headers as a list of name and value (M-57)")

    def need_deltas(self, params: Message) -> None:
        """`response.text.delta` of an assistant."""
        if params.get("type") == "response.text.delta":
            self.need_texts(params, ("delta", "item_id"), "appends deltas by item_id (M-74)")
            for name in ("content_index", "output_index"):
                self.need(isinstance(params.get(name, 0), int), f"wants {name} as an integer (M-74)")

    def knows(self, params: Message) -> bool:
        """Whether the client has that call."""
        return str(params.get("callID")).lower() in self.calls

    def has_media(self, params: Message) -> bool:
        """Whether early media came for that call."""
        return self.knows(params) and self._seen(params).has_media

    def fail(self, rule: str) -> NoReturn:
        """Say which client, which rule, which frame."""
        raise Violation(self.name, rule, self._frame)

    # ---- inside

    def _seen(self, params: Message) -> CallSeen:
        return self.calls.setdefault(str(params.get("callID")).lower(), CallSeen())

    def _note(self, method: str, params: Message) -> None:
        """What a request changes in the client's table of calls."""
        match method:
            case "telnyx_rtc.invite" | "telnyx_rtc.attach":
                self.calls[str(params["callID"]).lower()] = CallSeen()
            case "telnyx_rtc.media":
                self._seen(params).has_media = True

    def _check_voice_sdk_id(self, message: Message) -> None:
        """On every frame, and always the same: iOS forgets it at a gateway result without (1.1)."""
        value = message.get("voice_sdk_id")
        self.need(isinstance(value, str) and value != "", "reads voice_sdk_id off every frame (M-4)")
        self.need(self.voice_sdk_id in (None, value), "keeps one voice_sdk_id for a session (M-4)")
        self.voice_sdk_id = str(value)
