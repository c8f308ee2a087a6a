"""Who is logged in or registered, browsers and SIP phones together, as the API and the console show them."""

import hashlib
from datetime import datetime

from gateway.domain.ids import SessionId
from gateway.sip.registrar import Phone, Registrar
from gateway.vsp.registry import SessionRegistry, SessionSnapshot


class Whereabouts:
    """Implements `api.views.LiveSessions`."""

    def __init__(self, clients: SessionRegistry, registrar: Registrar | None) -> None:
        self._clients, self._registrar = clients, registrar

    def sessions(self) -> list[SessionSnapshot]:
        """All clients and phones, the first to come first."""
        phones = [] if self._registrar is None else self._registrar.phones()
        shown = [_snapshot(username, phone, since) for username, phone, since in phones]
        return sorted([*self._clients.sessions(), *shown], key=lambda session: session.logged_in_at)


def _snapshot(username: str, phone: Phone, since: datetime) -> SessionSnapshot:
    remote = phone.flow.remote
    return SessionSnapshot(
        session_id=_name_of(username, phone),
        username=username,
        connection_id=phone.owner.connection_id,
        credential_id=phone.owner.credential_id,
        peer=remote.host,
        peer_port=remote.port,
        transport=remote.transport.upper(),
        user_agent=phone.user_agent,
        logged_in_at=since,
        is_connected=True,
        calls=0,
    )


def _name_of(username: str, phone: Phone) -> SessionId:
    """A name that stays the same as long as the binding does."""
    text = f"{username} {phone.uri} {phone.instance} {phone.reg_id}"
    return SessionId("phone-" + hashlib.sha256(text.encode()).hexdigest()[:32])
