"""docs/reference/parity.md is up to date, and its table says what the code does."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.domain import causes
from gateway.domain.ids import Sdp, SessionId, VertoCallId
from gateway.domain.registration import RegistrationState
from gateway.vsp.control import ClientText
from gateway.vsp.core.fields import Fields
from gateway.vsp.core.messages import METHODS
from tests.conformance.mobile.parity import sent
from tests.conformance.parity import CELLS, PLATFORMS, SECTIONS, Method, methods, page
from tests.conformance.rules import CHECKS
from tests.unit.vsp.conversation import ANSWER, OFFER, Conversation, Message, about, invite

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "parity.md"


def test_the_page_is_what_the_table_and_the_tests_make_of_it() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.conformance.parity > docs/reference/parity.md"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_has_a_known_sign_for_each_sdk_and_says_why_it_differs(section: str) -> None:
    for method in methods(section).values():
        for row in method.rows:
            assert len(row.cells) == len(PLATFORMS), (method.name, row)
            assert set(row.cells) <= set(CELLS), (method.name, row)
            assert row.note or not set(row.cells) & set("~x"), (method.name, row)


# ---- what the gateway reads


class Watched(dict[str, Any]):  # Any: JSON
    """An object that notes which of its members somebody looks at."""

    def __init__(self, values: Mapping[str, Any], seen: set[str], path: str = "") -> None:
        super().__init__({name: _watched(value, seen, f"{path}{name}") for name, value in values.items()})
        self._seen, self._path = seen, path

    def get(self, name: str, default: object = None) -> Any:
        self._seen.add(self._path + name)
        return super().get(name, default)


class Reader(Fields):
    """Looks at every spelling of a field, also behind the first that is there."""

    def _first(self, names: tuple[str, ...]) -> object:
        for name in names:
            self._values.get(name)
        return super()._first(names)

    def section(self, name: str) -> Fields:
        values = self._values.get(name)
        return Reader(values if isinstance(values, dict) else {}, rpc_code=self._rpc_code)


def _watched(value: Any, seen: set[str], path: str) -> Any:  # Any: JSON
    return Watched(value, seen, f"{path}.") if isinstance(value, dict) else value


VALUES: Final[Mapping[str, object]] = {
    "sdp": "v=0",
    "eventChannel": "news",
    "item.type": "message",
    "item.role": "user",
    "type": "conversation.item.create",
    "userVariables.push_notification_provider": "ios",
    "User-Agent.data": "iOS-4.1.2",
}
"""What is not just any text."""

VARIANTS: Final[Mapping[str, list[dict[str, object]]]] = {
    "telnyx_rtc.modify": [{"action": action} for action in ("hold", "updateMedia", "transfer", "replace")],
    "telnyx_rtc.info": [{"dtmf": "1"}, {"dtmf": None}],
    "login": [{}, {"User-Agent.data": "Mozilla"}],
    "anonymous_login": [{}, {"User-Agent.data": "Mozilla"}],
    "telnyx_rtc.invite": [{}, {"User-Agent.data": "Mozilla"}],
}
"""Messages of one method that are read differently."""

FIRST: Final = {
    *("dialogParams.callID", "dialogParams.callId", "destination", "replaceCallID", "replaceCallId"),
    *("conversation_id", "User-Agent.sdkVersion"),
}
"""Where these are, their other places are not looked at."""

DIALOG: Final = {"dialogParams.callID", "loginParams.attach_call"}


def named(method: Method) -> set[str]:
    """Every field of the table, spelled in any way."""
    return {name for row in method.rows for name in row.names} | set(method.also)


def objects(names: set[str]) -> set[str]:
    """Those names that stand for an object whose members are fields themselves."""
    return {name[: at.start()] for name in names for at in re.finditer(r"\.", name)}


def sample(names: set[str], changes: Mapping[str, object]) -> dict[str, Any]:
    """A message that has all of these fields."""
    made: dict[str, Any] = {}
    for name in sorted(names - objects(names)):
        *path, last = name.split(".")
        inner = made
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = changes.get(name, VALUES.get(name, "1"))
    return made


def read_by(method: str) -> set[str]:
    """The fields of a method that its reader looks at."""
    seen: set[str] = set()
    code, reader = METHODS[method]
    names = named(methods("to_gateway")[method])
    for changes in VARIANTS.get(method, [{}]):
        for chosen in (names, names - FIRST):
            reader(Reader(Watched(sample(chosen, changes), seen), rpc_code=code))
    return seen


def test_the_table_has_every_method_of_a_client() -> None:
    assert set(methods("to_gateway")) == set(METHODS)
    assert set(methods("answers")) == set(METHODS)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_the_table_calls_implemented_is_read_and_what_it_calls_ignored_is_not(method: str) -> None:
    entry = methods("to_gateway")[method]
    silent = {name for row in entry.rows if set(row.cells) == {"-"} for name in row.names}
    wanted = set(entry.fields("+~") | set(entry.also) | silent)

    assert read_by(method) - objects(named(entry) | DIALOG) == wanted - objects(named(entry) | DIALOG)


# ---- what the gateway sends


def paths(value: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """The members of an object, and those of the objects in it."""
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from paths(member, f"{prefix}{name}.")
        else:
            yield prefix + name


def asked(one: Conversation, method: str, params: Message) -> Message:
    """A request, and its result."""
    request_id = one.say(method, params)
    return next(message["result"] for message in one.heard() if message.get("id") == request_id)


def results() -> Iterator[tuple[str, Message]]:
    """A result of each method, in each of its forms."""
    login, visit = Conversation(), Conversation()
    login.say("login", {"login": "alice", "passwd": "secret"})
    visit.say("anonymous_login", {"target_type": "ai_assistant", "target_id": "a"})
    for name, one in (("login", login), ("anonymous_login", visit)):
        one.session.accept_login(SessionId("s"), now=0.0, call_report_id="r")
        yield name, one.heard()[0]["result"]
    one = login
    for method in ("telnyx_rtc.ping", "telnyx_rtc.gatewayState", "ai_conversation"):
        yield method, asked(one, method, {})
    for method in ("telnyx_rtc.subscribe", "telnyx_rtc.unsubscribe", "telnyx_rtc.broadcast"):
        yield method, asked(one, method, {"eventChannel": "news", "data": 1})
    yield "telnyx_rtc.invite", asked(one, "telnyx_rtc.invite", invite("c"))
    for method, params in (
        ("telnyx_rtc.answer", {"sdp": OFFER}),
        ("telnyx_rtc.info", {"dtmf": "1"}),
        ("telnyx_rtc.candidate", {"candidate": ""}),
        ("telnyx_rtc.endOfCandidates", {}),
        ("telnyx_rtc.ringing_ack", {}),
        ("telnyx_rtc.attach", {"sdp": OFFER}),
    ):
        yield method, asked(one, method, about("c", **params))
    yield from changes_of(one)
    yield "telnyx_rtc.bye", asked(one, "telnyx_rtc.bye", about("c", cause="NORMAL_CLEARING", causeCode=16))


def changes_of(one: Conversation) -> Iterator[tuple[str, Message]]:
    """The results of modify, which call control gives."""
    calls = one.session.calls
    for action in ("hold", "updateMedia"):
        one.take_events()
        one.say("telnyx_rtc.modify", about("c", action=action, sdp=OFFER))
        token = one.take_events()[-1].message.request_id  # type: ignore[union-attr] # a hold or an update
        if action == "hold":
            calls.reply_hold(token, action="hold", is_held=True)
        else:
            calls.reply_update_media(token, sdp=Sdp(ANSWER))
        yield "telnyx_rtc.modify", one.heard()[0]["result"]


def test_the_results_of_the_table_are_those_that_go_out() -> None:
    found: dict[str, set[str]] = {}
    for method, result in results():
        found.setdefault(method, set()).update(paths(result))
    table = {name: set(entry.fields()) for name, entry in methods("answers").items()}
    # What the server answers once it has asked others is looked at on the wire (M-62, M-65).
    del table["telnyx_rtc.disable_push_notification"], table["telnyx_rtc.attachCalls"]

    assert found == table


def told() -> list[Message]:
    """Everything that the gateway may tell a client."""
    one = Conversation().log_in()
    session, calls = one.session, one.session.calls
    heard = [{"method": "telnyx_rtc.clientReady", "params": {"reattached_sessions": []}}]
    ids, parties = ("i", "j"), {"caller": ("A", "1"), "callee": ("B", "2")}
    headers = [("X-A", "b")]
    one.call("c", keepConnectionAliveOnSocketClose=True)
    call = VertoCallId("c")
    calls.send_ringing(call, telnyx_ids=ids)
    calls.send_media(call, sdp=Sdp(ANSWER))
    calls.send_answer(call, sdp=None, telnyx_ids=ids)
    calls.send_attach(call, sdp=Sdp(OFFER), telnyx_ids=ids, custom_headers=headers, **parties)
    calls.send_text(call, ClientText("a", "b", "c"))
    calls.send_dtmf(call, "5", duration=0.1)
    calls.send_display(call, name="C", number="3")
    session.send_event("news", 1, sender="bob")
    session.registration.set(RegistrationState.UNREGED)
    session.punt()
    heard += one.heard()
    one.call("d")
    calls.send_answer(VertoCallId("d"), sdp=Sdp(ANSWER), telnyx_ids=ids)
    heard += [*one.heard(), one.ring(client_state="s", custom_headers=headers)]
    calls.send_bye(call, cause=causes.USER_BUSY, sip_code=486, sip_reason="r", sip_call_id=None, custom_headers=headers)
    item = {"id": "i", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "t"}]}
    one.say("ai_conversation", {"type": "conversation.item.create", "item": item})
    one.pass_time(20.0)
    return [*heard, *one.heard()]


def test_the_messages_of_the_table_are_those_that_go_out() -> None:
    found: dict[str, set[str]] = {}
    for message in told():
        if "method" in message:
            found.setdefault(message["method"], set()).update(paths(message["params"]))
    table = {name: set(entry.fields()) for name, entry in methods("to_client").items()}

    assert found == table
    assert set(table) <= set(CHECKS)


# ---- what the SDKs send


def test_the_table_says_of_each_mobile_sdk_what_its_client_here_sends() -> None:
    column = {letter: 1 + index for index, letter in enumerate("iafr")}
    wrong = [
        (method, path, letter)
        for method, fields in sent().items()
        for path, letters in fields.items()
        for letter in letters
        if not _is_in_table(_full(method), path, column[letter])
    ]

    assert wrong == []


def _full(method: str) -> str:
    return method if method in METHODS else f"telnyx_rtc.{method}"


def _is_in_table(method: str, path: str, column: int) -> bool:
    """Whether that path, or what stands above it, has a sign for that SDK."""
    known = {name: row.cells[column] for row in methods("to_gateway")[method].rows for name in row.names}
    parts = path.replace("[]", "").split(".")
    above = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return any(known.get(name, "-") != "-" for name in above)
