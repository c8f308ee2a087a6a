"""Who may upload: the `call_report_id` of each session, its window and its quota. Knows no clock and no random."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId

MAX_CLOSED: Final = 20_000
"""Ids of ended sessions that are remembered; beyond that the oldest are forgotten before their window is over."""


@dataclass(slots=True)
class Grant:
    """A session's leave to upload.

    Attributes:
        report_id: `call_report_id` in the gateway state; who has it may upload as this session.
        bytes_left: of the session's quota.
        expires_at: None while the session lives.
    """

    report_id: str = field(repr=False)
    session_id: SessionId
    connection_id: str
    username: str
    bytes_left: int
    expires_at: float | None = None

    def take(self, size: int) -> bool:
        """Count `size` bytes against the quota; False when it is used up."""
        if size > self.bytes_left:
            return False
        self.bytes_left -= size
        return True


class Grants:
    """One grant a session, found by its secret id."""

    def __init__(self, *, window: float, quota: int, new_report_id: Callable[[], str]) -> None:
        """
        Args:
            window: seconds that a grant outlives its session.
            new_report_id: makes ids that cannot be guessed.
        """
        self._window, self._quota, self._new_report_id = window, quota, new_report_id
        self._by_id: dict[str, Grant] = {}
        self._by_session: dict[SessionId, Grant] = {}
        self._closed: OrderedDict[str, Grant] = OrderedDict()  # in order of their ends, so of their expiry

    def __len__(self) -> int:
        return len(self._by_id)

    def issue(self, session_id: SessionId, identity: Identity, *, now: float) -> Grant | None:
        """The session's grant: the one it has (a token refresh, a client that came back), else a new one.

        None for a visitor: nobody who is unknown may fill our disk.
        """
        if identity.connection_id is None:
            return None
        self._forget_expired(now)
        grant = self._by_session.get(session_id)
        if grant is not None and grant.connection_id == identity.connection_id:
            grant.expires_at = None
            self._closed.pop(grant.report_id, None)
            return grant
        grant = Grant(self._new_report_id(), session_id, identity.connection_id, identity.username, self._quota)
        self._by_id[grant.report_id] = self._by_session[session_id] = grant
        return grant

    def close(self, session_id: SessionId, *, now: float) -> None:
        """The session has ended; its grant goes on for the window. Of no effect for a session without one."""
        grant = self._by_session.get(session_id)
        if grant is None or grant.expires_at is not None:
            return
        grant.expires_at = now + self._window
        self._closed[grant.report_id] = grant
        self._forget_expired(now)

    def find(self, report_id: str, *, now: float) -> Grant | None:
        """The grant of that id, unless its window is over."""
        self._forget_expired(now)
        return self._by_id.get(report_id)

    def of_session(self, session_id: SessionId) -> Grant | None:
        """The grant of a session."""
        return self._by_session.get(session_id)

    def _forget_expired(self, now: float) -> None:
        while self._closed:
            report_id, grant = next(iter(self._closed.items()))
            assert grant.expires_at is not None, "only grants of ended sessions are in there"
            if now < grant.expires_at and len(self._closed) <= MAX_CLOSED:
                return
            del self._closed[report_id], self._by_id[report_id]
            if self._by_session.get(grant.session_id) is grant:
                del self._by_session[grant.session_id]
