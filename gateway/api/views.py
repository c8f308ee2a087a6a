"""What the gateway's own views need from below, as small Protocols that `app.py` fills in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.api.resources.times import to_milliseconds
from gateway.b2bua.call_index import CallQuality, CallSnapshot
from gateway.b2bua.overload import OverloadStatus
from gateway.domain.facts import Fact
from gateway.domain.ids import CallId
from gateway.sip.core.banning import Ban
from gateway.store.calls import CallRecord
from gateway.trunks.line import TrunkStatus
from gateway.vsp.registry import SessionSnapshot


class LiveCalls(Protocol):
    """`b2bua.directory.CallDirectory`."""

    def live(self) -> list[CallSnapshot]: ...

    def find(self, call_id: CallId) -> CallSnapshot | None: ...

    def quality(self, call_id: CallId, after: float) -> CallQuality | None: ...

    def hangup(self, call_id: CallId) -> bool: ...

    def subscribe(self, listener: Callable[[Fact], None]) -> Callable[[], None]: ...


class CallRecords(Protocol):
    """`store.calls.Calls`."""

    async def recent(self, limit: int = 50, before: CallId | None = None) -> tuple[CallRecord, ...]: ...

    async def get(self, call_id: CallId) -> CallRecord: ...


class LiveSessions(Protocol):
    """`b2bua.whereabouts.Whereabouts`."""

    def sessions(self) -> list[SessionSnapshot]: ...


class Bans(Protocol):
    """`sip.endpoint.Endpoint`."""

    def bans(self) -> tuple[Ban, ...]: ...

    def lift_ban(self, host: str) -> bool: ...


def session_json(session: SessionSnapshot) -> dict[str, object]:
    """A logged-in client or a registered phone. `is_connected` is false while its socket is lost and it may be back."""
    return {
        "record_type": "gateway_session",
        "session_id": session.session_id,
        "username": session.username,
        "connection_id": session.connection_id,
        "credential_id": session.credential_id,
        "is_connected": session.is_connected,
        "logged_in_at": to_milliseconds(session.logged_in_at),
        "peer": session.peer,
        "transport": session.transport,
        "user_agent": session.user_agent,
        "calls": session.calls,
        "user_variables": dict(session.user_variables),
        "target_id": session.target_id,
    }


def _trunk_json(trunk: TrunkStatus) -> dict[str, object]:
    return {
        "name": trunk.name,
        "health": trunk.health,
        "registration": trunk.registration,
        "is_registered": trunk.is_registered,
        "is_usable": trunk.is_usable,
        "calls": trunk.calls,
        "rests_s": trunk.rests_s,
    }


def _load_json(load: OverloadStatus) -> dict[str, object]:
    return {
        "is_limiting": load.is_limiting,
        "setup_delay_s": round(load.setup_delay, 3),
        "calls_in_hand": load.calls_in_hand,
        "limit": load.limit,
        "refused": load.refused,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayInfo:
    """What the gateway is and where it listens. Nothing secret."""

    version: str
    started_at: datetime
    public_url: str
    http: tuple[str, ...]
    sip: tuple[str, ...]
    trunks: tuple[TrunkStatus, ...]
    load: OverloadStatus
    is_lab_enabled: bool

    def to_json(self) -> dict[str, object]:
        """For a response."""
        return {
            "record_type": "gateway_info",
            "name": "rtc-gateway",
            "version": self.version,
            "started_at": to_milliseconds(self.started_at),
            "public_url": self.public_url,
            "listeners": {"http": list(self.http), "sip": list(self.sip)},
            "trunks": [trunk.name for trunk in self.trunks],
            "trunk_states": [_trunk_json(trunk) for trunk in self.trunks],
            "load": _load_json(self.load),
            "lab": {"enabled": self.is_lab_enabled},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Everything that the views read."""

    calls: LiveCalls
    records: CallRecords
    sessions: LiveSessions
    bans: Bans
    info: Callable[[], GatewayInfo]
