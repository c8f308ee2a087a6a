"""What the gateway's own views need from below, as small Protocols that `app.py` fills in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.api.call_view import to_text
from gateway.b2bua.directory import CallSnapshot
from gateway.domain.facts import Fact
from gateway.domain.ids import CallId
from gateway.store.calls import CallRecord


class LiveCalls(Protocol):
    """`b2bua.directory.CallDirectory`."""

    def live(self) -> list[CallSnapshot]: ...

    def find(self, call_id: CallId) -> CallSnapshot | None: ...

    def hangup(self, call_id: CallId) -> bool: ...

    def subscribe(self, listener: Callable[[Fact], None]) -> Callable[[], None]: ...


class CallRecords(Protocol):
    """`store.calls.Calls`."""

    async def recent(self, limit: int = 50, before: CallId | None = None) -> tuple[CallRecord, ...]: ...

    async def get(self, call_id: CallId) -> CallRecord: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A logged-in client.

    Attributes:
        is_connected: false while its socket is gone and it may still come back.
        peer: address and port of its socket.
        user_agent: as the client said.
    """

    session_id: str
    username: str
    connection_id: str
    credential_id: str | None = None
    is_connected: bool = True
    connected_at: datetime | None = None
    peer: str | None = None
    user_agent: str | None = None

    def to_json(self) -> dict[str, object]:
        """For a response."""
        return {
            "record_type": "gateway_session",
            "session_id": self.session_id,
            "username": self.username,
            "connection_id": self.connection_id,
            "credential_id": self.credential_id,
            "is_connected": self.is_connected,
            "connected_at": None if self.connected_at is None else to_text(self.connected_at),
            "peer": self.peer,
            "user_agent": self.user_agent,
        }


class LiveSessions(Protocol):
    """The logged-in clients; `app.py` translates `vsp.registry`'s snapshots."""

    def __call__(self) -> Sequence[SessionView]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayInfo:
    """What the gateway is and where it listens. Nothing secret."""

    version: str
    started_at: datetime
    public_url: str
    http: tuple[str, ...]
    sip: tuple[str, ...]
    trunks: tuple[str, ...]
    is_lab_enabled: bool

    def to_json(self) -> dict[str, object]:
        """For a response."""
        return {
            "record_type": "gateway_info",
            "name": "rtc-gateway",
            "version": self.version,
            "started_at": to_text(self.started_at),
            "public_url": self.public_url,
            "listeners": {"http": list(self.http), "sip": list(self.sip)},
            "trunks": list(self.trunks),
            "lab": {"enabled": self.is_lab_enabled},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Everything that the views read."""

    calls: LiveCalls
    records: CallRecords
    sessions: LiveSessions
    info: GatewayInfo
