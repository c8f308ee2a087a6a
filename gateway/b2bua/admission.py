"""What call control asks before it lets a call through; `accounts.gate` answers, `app.py` joins the two."""

from typing import Protocol

from gateway.domain.admission import Admitted
from gateway.domain.causes import Cause
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId


class Admission(Protocol):
    """`accounts.gate.CallGate`. What is admitted counts as live until the call ends.

    Raises nothing that a client could cause; the database may fail (`StoreUnavailable`).
    """

    async def to_trunk(self, call_id: CallId, caller: Identity | None, dialled: str, shown: str) -> Admitted | Cause:
        """May that client call that number at a trunk, and as whom?

        Args:
            caller: None where a far end behind a trunk has it dialled (REFER): whoever the call counts for pays.
            shown: the number that it wants to show.
        """

    async def to_client(
        self, call_id: CallId, username: str, connection_id: str | None, *, caller: Identity | None, is_by_uri: bool
    ) -> Cause | None:
        """May that user be called by that client (None: by a trunk)? None if so.

        Args:
            connection_id: the user's, where a client of it is registered.
            is_by_uri: whether its user name was dialled, not a number.
        """
