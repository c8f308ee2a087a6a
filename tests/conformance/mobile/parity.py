"""The mobile chapters of `docs/reference/parity.md`: each method and field of the scripted clients, and what becomes
of it. The fields come from the dialects themselves, so that none can be forgotten."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tests.harness.mobile.dialect import Dialect, Login, Message
from tests.harness.mobile.sdk import SDKS

Verdict = Literal["implemented", "ignored", "different"]


@dataclass(frozen=True, slots=True)
class Word:
    """What the gateway does with something, and why it does not do all."""

    verdict: Verdict
    why: str = ""


YES: Final = Word("implemented")

_SESSION: Final = Word("ignored", "the socket knows its session, whatever a message says (M-27, M-33)")
_IN_THE_SDP: Final = Word("ignored", "the description says it")
_SAME_PARTY: Final = Word("ignored", "the gateway knows who calls and who is called")
_MARKS: Final = Word("ignored", "no call is routed by it")

FIELDS: Final[Mapping[str, Word]] = {
    # In any message, under its path there; `method:path` where one message differs.
    "sessid": _SESSION,
    "sessionId": _SESSION,
    "sessId": _SESSION,
    "sdp": YES,
    "trickle": YES,
    "User-Agent": Word("ignored", "the login's counts"),
    "dialogParams.callID": YES,
    "dialogParams.callId": YES,
    "dialogParams.destination_number": YES,
    "dialogParams.caller_id_name": YES,
    "dialogParams.caller_id_number": YES,
    "dialogParams.clientState": YES,
    "dialogParams.custom_headers[].name": YES,
    "dialogParams.custom_headers[].value": YES,
    "dialogParams.trickle": YES,
    "dialogParams.useTrickleIce": YES,
    "dialogParams.preferred_codecs[]": Word("ignored", "the SDK has put its offer into that order already (M-56)"),
    "dialogParams.audio": _IN_THE_SDP,
    "dialogParams.video": Word("different", "video is refused in the answer (port 0), the audio goes on"),
    "dialogParams.useStereo": _IN_THE_SDP,
    "dialogParams.screenShare": _IN_THE_SDP,
    "dialogParams.attach": Word("ignored", "the method says it (M-50)"),
    "dialogParams.userVariables": Word("ignored", "array, object or missing (M-35)"),
    "dialogParams.remote_caller_id_name": _SAME_PARTY,
    "dialogParams.telnyxLegId": _MARKS,
    "dialogParams.telnyxSessionId": _MARKS,
    "answer:dialogParams.caller_id_name": _SAME_PARTY,
    "answer:dialogParams.caller_id_number": _SAME_PARTY,
    "attach:dialogParams.caller_id_name": _SAME_PARTY,
    "attach:dialogParams.caller_id_number": _SAME_PARTY,
    "info:dialogParams.caller_id_name": _SAME_PARTY,
    "info:dialogParams.caller_id_number": _SAME_PARTY,
    "attach:dialogParams.custom_headers": Word("ignored", "the call has its headers"),
    "info:dialogParams.custom_headers": Word("ignored", "digits have no headers"),
    "answered_device_token": YES,
    "action": YES,
    "cause": YES,
    "causeCode": YES,
    "dtmf": YES,
    "candidate": YES,
    "sdpMid": Word("ignored", "there is one m-line"),
    "sdpMLineIndex": Word("ignored", "there is one m-line"),
    # Logins
    "login:login": YES,
    "login:passwd": YES,
    "login:login_token": YES,
    "login:sessid": Word("implemented", "a session is found again by the id that we gave or the client made up"),
    "login:User-Agent": Word("implemented", "tells mobile from JavaScript: pings, error codes, pushes"),
    "login:reconnection": Word("ignored", "the session id says it"),
    "login:loginParams.attach_call": YES,
    "login:loginParams.attach_calls": YES,
    "login:loginParams.decline_push": YES,
    "login:from_push": Word("ignored", "a client that logs in while a call waits for its user gets it (M-65)"),
    "login:userVariables.push_when_active": YES,
    "login:userVariables.pn_late_fanout": YES,
    "login:userVariables.push_device_token": YES,
    "login:userVariables.push_notification_provider": YES,
    "login:userVariables.push_notification_environment": YES,
    "anonymous_login:sessid": Word("implemented", "a visitor's session is found again by the id that we gave"),
    "anonymous_login:User-Agent.data": YES,
    "anonymous_login:User-Agent.sdkVersion": Word("ignored", "it stands in `data` as well"),
    "anonymous_login:reconnection": Word("ignored", "the session id says it"),
    "anonymous_login:conversation_id": YES,
    "anonymous_login:target_id": YES,
    "anonymous_login:target_type": YES,
    "anonymous_login:target_version_id": YES,
    "anonymous_login:userVariables": YES,
    # Pushes
    "disable_push_notification:User-Agent.push_device_token": YES,
    "disable_push_notification:User-Agent.push_notification_token": YES,
    "disable_push_notification:User-Agent.push_notification_provider": Word("ignored", "the token is enough"),
    "disable_push_notification:User-Agent.push_notification_environment": Word("ignored", "the token is enough"),
    "disable_push_notification:user": YES,
    "disable_push_notification:login_token": YES,
    "attachCalls:loginParams": Word("ignored", "always empty"),
    "attachCalls:push_notification_provider": Word("ignored", "the login named the device"),
    "attachCalls:userVariables.push_notification_provider": Word("ignored", "the login named the device"),
    "attachCalls:userVariables.push_notification_environment": Word("ignored", "the login named the device"),
    # Assistants
    "ai_conversation:type": YES,
    "ai_conversation:previous_item_id": Word("ignored", "items are in the order of their arrival"),
    "ai_conversation:item.id": YES,
    "ai_conversation:item.type": YES,
    "ai_conversation:item.role": YES,
    "ai_conversation:item.content[].type": YES,
    "ai_conversation:item.content[].text": YES,
    "ai_conversation:item.content[].image_url.url": YES,
}

_CODEC: Final = {"mimeType": "audio/PCMU", "clockRate": 8000, "channels": 1, "sdpFmtpLine": ""}
_HEADERS: Final = [("X-A", "b")]


def sent() -> dict[str, dict[str, str]]:
    """Method, path of a field, and the letters of the platforms that send it."""
    found: dict[str, dict[str, str]] = defaultdict(lambda: defaultdict(str))
    for letter, sdk in SDKS.items():
        for method, path in sorted({(method, path) for method, body in _bodies(sdk.dialect) for path in _paths(body)}):
            found[method][path] += letter
    return {method: dict(fields) for method, fields in found.items()}


def word_of(method: str, path: str) -> Word | None:
    """What becomes of that field; what stands above it counts for what is below."""
    for key in (f"{method}:{path}", path):
        while True:
            if key in FIELDS:
                return FIELDS[key]
            if "." not in key:
                break
            key = key.rpartition(".")[0]
    return None


def _bodies(dialect: Dialect) -> Iterator[tuple[str, Message]]:
    """Every message of an SDK with all the fields that it may have."""
    password = Login(username="u", password="p", push_token="t", is_from_push=True, rings_when_active=True)
    token = Login(token="j", push_token="t")
    for login in (password, token, Login(token="j", is_declining=True)):
        yield "login", dialect.login_params(login, "s")
        yield "disable_push_notification", dialect.disable_push_params(login)
        yield "attachCalls", dialect.attach_calls_params(login) or {}
    if dialect.letter != "r":
        yield "anonymous_login", dialect.anonymous_login_params("t", "s")
        yield "ai_conversation", dialect.item_params("i", "text", "data:")
        yield "modify", dialect.modify_params("s", "c", "updateMedia", "v=0")
    offer = dialect.invite_params(
        "s", "c", "n", "v=0", is_trickle=True, headers=_HEADERS, preferred_codecs=[_CODEC]
    )  # fmt: skip
    yield "invite", offer
    yield "answer", dialect.answer_params("s", "c", "v=0", headers=_HEADERS, device_token="t")
    yield "attach", dialect.attach_params("s", "c", "v=0")
    yield "bye", dialect.bye_params("s", "c", ("NORMAL_CLEARING", 16))
    yield "modify", dialect.modify_params("s", "c", "hold")
    yield "info", dialect.info_params("s", "c", "1")
    yield "candidate", dialect.candidate_params("s", "c", "candidate:")
    yield "endOfCandidates", dialect.candidate_params("s", "c", None)


def _paths(value: object, path: str = "") -> Iterator[str]:
    """The paths of all leaves; an empty object or list is one."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _paths(member, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _paths(item, f"{path}[]")
    elif path:
        yield path


SERVER_MESSAGES: Final[Sequence[tuple[str, str, str, str, str]]] = (
    # method, and what iOS, Android, Flutter, React Native do with it (verto-mobile 7.1)
    ("clientReady", *("goes on with gatewayState",) * 4),
    ("ping", "echoes it once registered", "echoes it", "a result with a new id", "a ping of its own"),
    ("invite", *("rings",) * 4),
    ("ringing", "rings", "rings; socket fails without caller", "rings; a result", "takes the ids"),
    ("media", "early description", *("final description",) * 3),
    ("answer", *("active",) * 3, "active; a result"),
    ("bye", "ends", "ends; not if null", "ends; by causeCode", "ends; not without cause"),
    ("attach", "answers", "answers calls that it has", "answers", "answers"),
    ("ai_conversation", *("transcript",) * 3, "does not know it"),
    ("candidate", *("never sent: all candidates stand in the SDP",) * 4),
    ("modify, info, display, event, punt", *("lets it pass",) * 4),
)


def chapter() -> str:
    """The chapters in Markdown."""
    lines = ["## Fields that mobile SDKs send", ""]
    for method, fields in sent().items():
        lines += [f"### `{method}`", "", "| field | iOS | Android | Flutter | React Native | gateway |"]
        lines += ["|---|---|---|---|---|---|", *(_row(method, path, who) for path, who in sorted(fields.items())), ""]
    lines += ["## Messages that mobile SDKs get", "", "| message | iOS | Android | Flutter | React Native |"]
    lines += ["|---|---|---|---|---|", *(f"| `{row[0]}` | {' | '.join(row[1:])} |" for row in SERVER_MESSAGES)]
    return "\n".join(lines) + "\n"


def _row(method: str, path: str, who: str) -> str:
    word = word_of(method, path)
    assert word is not None, f"no word about {method}:{path}"
    marks = " | ".join("✓" if letter in who else "–" for letter in SDKS)
    return f"| `{path}` | {marks} | {word.verdict}{f': {word.why}' if word.why else ''} |"
