"""What the Verto side needs of the call reports. Declared here and filled in by `app.py`."""

from typing import Protocol

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId


class ReportIntake(Protocol):
    """Takes what clients tell about the quality of their calls. Nothing here blocks or raises."""

    def issue(self, session_id: SessionId, identity: Identity) -> str | None:
        """The `call_report_id` of a session, the same for as long as it lives; None for no reports (V-129)."""

    def debug_frame(self, session_id: SessionId, *, kind: str, report_id: str, call_id: str | None, text: str) -> None:
        """A debug frame, answered already: its `type`, its `debug_report_id`, its call if that is known, all of it."""

    def socket_over(self, session_id: SessionId) -> None:
        """A socket of the session has gone; it may come back, with another one."""

    def session_over(self, session_id: SessionId) -> None:
        """The session has ended for good. Of no effect when it had no id."""


class NoReports:
    """Takes none."""

    def issue(self, session_id: SessionId, identity: Identity) -> str | None:
        """See `ReportIntake`."""
        return None

    def debug_frame(self, session_id: SessionId, *, kind: str, report_id: str, call_id: str | None, text: str) -> None:
        """See `ReportIntake`."""

    def socket_over(self, session_id: SessionId) -> None:
        """See `ReportIntake`."""

    def session_over(self, session_id: SessionId) -> None:
        """See `ReportIntake`."""
