"""Sessions by id and by user name. A session outlives its socket for the reattach window."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId
from gateway.domain.registration import RegistrationState
from gateway.observability.metrics import VERTO_SESSIONS
from gateway.vsp.client import VertoClient
from gateway.vsp.control import ClientSession
from gateway.vsp.core.messages import Login, LoginRequest

_OF_DEVICES: Final = frozenset(
    {"push_device_token", "push_notification_token", "push_notification_provider", "push_notification_environment"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSnapshot:
    """A session as the console and the API show it."""

    session_id: SessionId
    username: str
    """Empty for a visitor."""
    connection_id: str | None
    credential_id: str | None
    peer: str
    peer_port: int | None = None
    user_agent: str
    logged_in_at: datetime
    is_connected: bool
    """False while its socket is lost and the reattach window runs."""
    calls: int
    user_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Those of the login, without what belongs to push notifications: a device's token is a secret."""
    target_id: str | None = None
    """What a visitor came for."""
    transport: str = "WSS"
    """How it reached us: `WSS`, or of a SIP phone `UDP`, `TCP` or `TLS`."""
    is_registered: bool = True
    """False once its user is gone, while a call of it goes on."""


@dataclass(slots=True)
class _Entry:
    client: VertoClient
    is_connected: bool = True

    @property
    def is_rung(self) -> bool:
        """Whether a call may ring it: not one that came only to decline (M-69)."""
        return self.is_connected and not self.client.push.is_declined and not self.client.is_ended


@dataclass(frozen=True, slots=True)
class RingGroup:
    """Who rings beside one client: others of its user, and whether the user's devices are pushed as well."""

    others: tuple[VertoClient, ...] = ()
    is_pushed: bool = False


class SessionRegistry:
    """One per process. Of several sessions of a user the one that logged in last is the one to ring."""

    def __init__(self) -> None:
        self._entries: dict[SessionId, _Entry] = {}  # in order of login

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def visitors(self) -> int:
        """Sessions of clients that logged in anonymously."""
        return sum(entry.client.identity.is_visitor for entry in self._entries.values())

    def find(self, session_id: SessionId) -> VertoClient | None:
        """The client with that session, if it is connected."""
        entry = self._entries.get(session_id)
        return entry.client if entry is not None and entry.is_connected else None

    def find_by_username(self, username: str) -> VertoClient | None:
        """The client to ring for that user: of the connected ones, the last to log in."""
        for entry in reversed(self._entries.values()):
            if entry.is_rung and username and entry.client.identity.username == username:
                return entry.client
        return None

    def ring_group(self, client: ClientSession) -> RingGroup:
        """Who rings beside a client that `find_by_username` or `find_by_connection` has found.

        Nobody, unless a client of that user asked for `push_when_active`: then all that did, and the user's devices
        (V-54, verto-mobile 4.6).
        """
        username = client.identity.username
        same = [entry.client for entry in reversed(self._entries.values()) if entry.is_rung]
        asked = [one for one in same if one.identity.username == username and one.push.rings_when_active]
        return RingGroup(tuple(one for one in asked if one is not client), is_pushed=bool(asked))

    def count(self, identity: Identity) -> tuple[int, int]:
        """Connected sessions of that user name, and of its connection."""
        owners = [entry.client.identity for entry in self._entries.values() if entry.is_connected]
        of_connection = [owner for owner in owners if owner.connection_id == identity.connection_id]
        return sum(owner.username == identity.username for owner in of_connection), len(of_connection)

    def find_by_connection(self, connection_id: str) -> VertoClient | None:
        """The client to ring for a number of that connection.

        A number belongs to the connection's own user name, as the product has it: the last client to log in under
        that. The clients of its credentials only when there is none, the last of them.
        """
        clients = [
            entry.client
            for entry in reversed(self._entries.values())
            if entry.is_rung and entry.client.identity.connection_id == connection_id
        ]
        return min(clients, key=lambda client: client.identity.credential_id is not None, default=None)

    def registered(self) -> list[VertoClient]:
        """The clients, connected or not, whose registration has not ended."""
        return [entry.client for entry in self._entries.values() if not entry.client.is_ended]

    def set_registration(self, session_id: SessionId, state: RegistrationState) -> bool:
        """Tell a client that its registration is so; False when there is no such client."""
        client = self.find(session_id)
        if client is not None:
            client.set_registration(state)
        return client is not None

    def sessions(self) -> list[SessionSnapshot]:
        """All sessions, oldest login first."""
        return [_snapshot(entry) for entry in self._entries.values()]

    # ---- for the server

    def add(self, client: VertoClient) -> None:
        """A client has logged in; it replaces what had the same session id."""
        self.forget(client.session_id)
        self._entries[client.session_id] = _Entry(client)
        VERTO_SESSIONS.inc()

    def renew(self, client: VertoClient, identity: Identity) -> None:
        """A client logged in again on its socket: it is the last one now, maybe under another name."""
        client.identity = identity
        self._entries[client.session_id] = self._entries.pop(client.session_id)

    def reclaimed(self, login: LoginRequest, identity: Identity, voice_sdk_id: str) -> VertoClient | None:
        """The client, connected or not, whose session this login takes over. Only the same user's (V-41 to V-43).

        Found by our session id. Mobile clients that ask for their calls are also found by the id that they made up
        themselves and keep presenting (iOS, Flutter), or by the last socket's `voice_sdk_id` (M-5).
        """
        entry = None if login.session_id is None else self._entries.get(login.session_id)
        candidates = [] if entry is None else [entry.client]
        if isinstance(login, Login) and login.wants_calls:
            everybody = [entry.client for entry in self._entries.values()]
            candidates += [one for one in everybody if login.session_id and one.presented_id == login.session_id]
            candidates += [one for one in everybody if voice_sdk_id and one.voice_sdk_id == voice_sdk_id]
        return next((one for one in candidates if _who(one.identity) == _who(identity)), None)

    def disconnect(self, client: VertoClient) -> bool:
        """The client's socket is gone, its session is kept. False when another socket has the session by now."""
        entry = self._entries.get(client.session_id)
        if entry is None or entry.client is not client:
            return False
        entry.is_connected = False
        return True

    def remove(self, client: VertoClient) -> bool:
        """Forget a session. False when another socket has it by now."""
        entry = self._entries.get(client.session_id)
        if entry is None or entry.client is not client:
            return False
        self.forget(client.session_id)
        return True

    def forget(self, session_id: SessionId) -> None:
        """Forget a session whose window is over."""
        if self._entries.pop(session_id, None) is not None:
            VERTO_SESSIONS.dec()


def _who(identity: Identity) -> tuple[object, ...]:
    """Whose session it is. Visitors have no name: what they came for, and an id that nobody can guess, must do."""
    target = identity.target
    return identity.connection_id, identity.username, target and (target.target_type, target.target_id)


def _snapshot(entry: _Entry) -> SessionSnapshot:
    client = entry.client
    return SessionSnapshot(
        session_id=client.session_id,
        username=client.identity.username,
        connection_id=client.identity.connection_id,
        credential_id=client.identity.credential_id,
        peer=client.peer,
        peer_port=client.peer_port,
        user_agent=client.user_agent,
        logged_in_at=client.logged_in_at,
        is_connected=entry.is_connected,
        calls=len(client.live_calls),
        user_variables=tuple(pair for pair in client.user_variables if pair[0] not in _OF_DEVICES),
        is_registered=not client.is_ended,
        target_id=None if client.identity.target is None else client.identity.target.target_id,
    )
