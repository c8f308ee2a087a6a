"""Live calls and sessions in memory, as `b2bua.directory` and `vsp.registry` show them to the API."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.b2bua.call_index import CallQuality, CallSnapshot
from gateway.domain.causes import NORMAL_CLEARING, Cause
from gateway.domain.facts import CallAnswered, CallEnded, CallHeld, CallInitiated, CallRinging, Fact
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.media.engine import LegStats
from gateway.vsp.registry import SessionSnapshot

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def snapshot(call_id: str, *, state: str = "new", started_at: datetime = START) -> CallSnapshot:
    return CallSnapshot(
        call_id=CallId(call_id),
        direction=Direction.OUTBOUND,
        caller="alice",
        callee="+12025550100",
        state=state,
        started_at=started_at,
        answered_at=None,
        codec_a="",
        codec_b="",
        is_held=False,
        connection_id="1001",
        session_id=SessionId("session-1"),
        verto_call_id=VertoCallId(f"verto-{call_id}"),
        sip_call_id=None,
        trunk=None,
        stats={},
    )


class FakeCalls:
    """Calls that a test moves along by hand; facts go out as the directory sends them: after the state changed."""

    def __init__(self) -> None:
        self.calls: dict[CallId, CallSnapshot] = {}
        self.listeners: list[Callable[[Fact], None]] = []
        self.hung_up: list[CallId] = []
        self.qualities: dict[CallId, CallQuality] = {}

    def live(self) -> list[CallSnapshot]:
        return list(self.calls.values())

    def find(self, call_id: CallId) -> CallSnapshot | None:
        return self.calls.get(call_id)

    def quality(self, call_id: CallId, after: float) -> CallQuality | None:
        return self.qualities.get(call_id)

    def hangup(self, call_id: CallId) -> bool:
        if call_id not in self.calls:
            return False
        self.hung_up.append(call_id)
        self.end(call_id)
        return True

    def subscribe(self, listener: Callable[[Fact], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def begin(self, call_id: str) -> CallId:
        call = self.calls[CallId(call_id)] = snapshot(call_id)
        self._tell(
            CallInitiated(
                call_id=call.call_id,
                at=START,
                direction=call.direction,
                caller=call.caller,
                callee=call.callee,
                connection_id=call.connection_id,
                session_id=call.session_id,
                verto_call_id=call.verto_call_id,
            )
        )
        return call.call_id

    def ring(self, call_id: CallId) -> None:
        self.set(call_id, state="ringing", trunk="lab", sip_call_id=SipCallId("sip-1"))
        self._tell(CallRinging(call_id=call_id, at=START + timedelta(seconds=1)))

    def answer(self, call_id: CallId) -> None:
        at = START + timedelta(seconds=2)
        self.set(call_id, state="active", answered_at=at, codec_a="opus", codec_b="PCMU")
        self._tell(CallAnswered(call_id=call_id, at=at, codec_a="opus", codec_b="PCMU"))

    def hold(self, call_id: CallId) -> None:
        self.set(call_id, state="held", is_held=True)
        self._tell(CallHeld(call_id=call_id, at=START + timedelta(seconds=3), leg=LegName.A, is_held=True))

    def count_packets(self, call_id: CallId, received: int) -> None:
        """A change without a fact."""
        self.set(call_id, stats={"a": LegStats(codec="opus", packets_received=received)})

    def end(self, call_id: CallId, cause: Cause = NORMAL_CLEARING, sip_status: int | None = None) -> None:
        self.set(call_id, state="ended")
        self._tell(
            CallEnded(
                call_id=call_id,
                at=START + timedelta(seconds=9),
                direction=Direction.OUTBOUND,
                cause=cause,
                ended_by=LegName.A,
                sip_status=sip_status,
                duration_s=9.0,
                trunk="lab",
                sip_call_id=SipCallId("sip-1"),
                stages={"ringing": 1.0},
                media={"a_packets_lost": 0.0},
                quality={"a": {"inbound": {"packets": 9}, "warnings": ["no_sound"]}, "b": {"warnings": []}},
            )
        )
        del self.calls[call_id]

    def set(self, call_id: CallId, **changes: object) -> None:
        self.calls[call_id] = replace(self.calls[call_id], **changes)  # type: ignore[arg-type] # a test's own fields

    def _tell(self, fact: Fact) -> None:
        for listener in list(self.listeners):
            listener(fact)


def session(session_id: str, username: str) -> SessionSnapshot:
    return SessionSnapshot(
        session_id=SessionId(session_id),
        username=username,
        connection_id="1001",
        credential_id=None,
        peer="127.0.0.1:50000",
        user_agent="JavaScript SDK 2.27.10",
        logged_in_at=START,
        is_connected=True,
        calls=0,
    )


class FakeSessions:
    """Sessions that a test sets."""

    def __init__(self, *sessions: SessionSnapshot) -> None:
        self.list = list(sessions)

    def sessions(self) -> list[SessionSnapshot]:
        return list(self.list)
