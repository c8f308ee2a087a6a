"""Ends the registrations of clients whose login is good no longer, and sees to their calls."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from gateway.domain.ids import SessionId
from gateway.domain.registration import Ending
from gateway.vsp.client import REVOKED, VertoClient
from gateway.vsp.control import CallControl, ClientBye
from gateway.vsp.registry import SessionRegistry


class Endings:
    """One per server; `app.py` has the accounts' changes tell it."""

    def __init__(
        self,
        registry: SessionRegistry,
        control: CallControl,
        *,
        keeps_calls: bool,
        end_lost: Callable[[SessionId], bool],
        clock: Callable[[], datetime],
    ) -> None:
        """
        Args:
            keeps_calls: whether a call goes on when the registration of its client ends (`[verto] revoked_calls`).
            end_lost: ends a session that waits for its client without a socket; False when it has one.
        """
        self._registry, self._control, self._clock = registry, control, clock
        self._keeps_calls, self._end_lost = keeps_calls, end_lost
        self._retired: set[VertoClient] = set()
        self._checks: list[list[Ending]] = []

    @property
    def retired(self) -> int:
        """Clients without a registration that stay for a call."""
        return len(self._retired)

    @contextmanager
    def noted(self) -> Iterator[list[Ending]]:
        """What ends while a login is being checked, for whoever checks it: then it is to be checked again."""
        endings: list[Ending] = []
        self._checks.append(endings)
        try:
            yield endings
        finally:
            self._checks = [one for one in self._checks if one is not endings]

    def end_registrations(self, which: Ending) -> int:
        """A connection or a credential is gone, off or changed: its clients are told; how many there were.

        They are not rung any more and may not call. Those without a call are closed, and those whose socket is lost;
        a call that goes on does so until it ends, or ends now.
        """
        self._note(which)
        return self._end([client for client in self._registry.registered() if which.concerns(client.identity)])

    def set_credential_expiry(self, credential_id: str, expires_at: float) -> None:
        """A credential expires at another time than before: at `expires_at`, seconds since the epoch."""
        which = Ending(credential_id=credential_id)
        self._note(which)
        for client in self._registry.registered():
            if which.concerns(client.identity):
                client.identity = replace(client.identity, credential_expires_at=expires_at)

    def end_expired(self) -> int:
        """The clients whose credential has expired meanwhile are told; how many there were.

        Call it often: it also closes those that stayed for a call, once that is over.
        """
        self._close_retired()
        now = self._clock().timestamp()
        return self._end([client for client in self._registry.registered() if client.identity.has_expired(now)])

    def forget(self, client: VertoClient) -> None:
        """Its socket is gone."""
        self._retired.discard(client)

    def _note(self, which: Ending) -> None:
        for endings in self._checks:
            endings.append(which)

    def _end(self, clients: Sequence[VertoClient]) -> int:
        for client in clients:
            if self._end_lost(client.session_id):
                continue
            if client.live_calls and self._keeps_calls:
                client.retire()
                self._retired.add(client)
            else:
                self._end_calls(client)
                client.end_registration()
        return len(clients)

    def _end_calls(self, client: VertoClient) -> None:
        for verto_call_id in client.live_calls:
            client.send_bye(verto_call_id, cause=REVOKED, sip_code=REVOKED.sip_status, sip_reason=REVOKED.sip_reason)
            bye = ClientBye(cause=REVOKED, sip_code=REVOKED.sip_status, custom_headers=())
            self._control.client_message(client.session_id, verto_call_id, bye)

    def _close_retired(self) -> None:
        """Whoever kept a call when the registration ended, and has none any more."""
        for client in [one for one in self._retired if not one.is_ended or not one.live_calls]:
            self._retired.discard(client)
            if client.is_ended:
                client.end_registration()
