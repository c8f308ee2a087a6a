"""Whatever arrives, a session neither crashes nor acts before its login."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.ids import SessionId
from gateway.vsp.core.jsonrpc import parse_frame
from gateway.vsp.core.messages import METHODS
from gateway.vsp.core.session import FrameRefused, LoginRequested, State
from tests.unit.vsp.conversation import ANSWER, OFFER, Conversation

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = [
    "sessid", "sessionId", "sdp", "dialogParams", "callID", "callId", "destination_number", "custom_headers", "name",
    "value", "action", "dtmf", "msg", "candidate", "cause", "causeCode", "login", "passwd", "login_token", "trickle",
    "eventChannel", "userVariables", "User-Agent", "sdkVersion", "clientState",
]  # fmt: skip
likely = st.sampled_from(["call-1", "in-1", "hold", "updateMedia", OFFER, ANSWER, "1", True, "true", 16, "USER_BUSY"])
params = st.recursive(
    likely | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=20,
)
methods = st.sampled_from(sorted(METHODS)) | st.text(max_size=20)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | scalars,
        "id": st.text(max_size=10) | scalars,
        "method": methods | scalars,
        "params": params | values,
        "type": st.just("debug_report_start") | scalars,
        "result": values,
        "error": values,
    },
)
requests = st.builds(
    lambda method, params: {"jsonrpc": "2.0", "id": "fuzz", "method": method, "params": params}, methods, params
)
frames = (
    st.text(max_size=200)
    | (requests | envelopes | values).map(json.dumps)
    | st.text(max_size=20).map(lambda text: "#SP" + text)
)


@given(frames)
def test_any_text_is_some_frame(text: str) -> None:
    parse_frame(text)


@settings(deadline=None, max_examples=100)
@given(st.lists(frames, max_size=8))
def test_no_frame_before_the_login_acts_or_changes_the_state(texts: list[str]) -> None:
    talk = Conversation(max_login_attempts=100)

    for text in texts:
        before = talk.session.state
        events = talk.say_text(text)
        has_asked = any(isinstance(event, LoginRequested) for event in events)
        assert all(isinstance(event, LoginRequested | FrameRefused) for event in events) or "anonymous_login" in text
        assert talk.session.state is (State.AUTHENTICATING if has_asked else before)
        assert talk.session.calls.live == ()
    assert talk.session.session_id is None
    for message in talk.heard():
        assert message["voice_sdk_id"] == "VSDK1test"


@settings(deadline=None, max_examples=100)
@given(st.lists(frames, max_size=12))
def test_no_frame_after_the_login_crashes_and_every_answer_is_well_formed(texts: list[str]) -> None:
    talk = Conversation(max_login_attempts=100).log_in().call()
    talk.ring()

    for text in texts:
        talk.say_text(text)
        if any(isinstance(event, LoginRequested) for event in talk.take_events()):
            talk.session.accept_login(SessionId("sess-1"), now=0.0)
    talk.pass_time(30.0)

    for frame in talk.session.frames_to_send():
        if frame.startswith("#SP"):
            continue
        message = json.loads(frame)
        assert message["jsonrpc"] == "2.0"
        assert sum(key in message for key in ("method", "result", "error")) == 1
        assert "result" not in message or (isinstance(message["result"], dict) and "result" not in message["result"])
    assert talk.session.state is State.READY
