"""Who a client is, once `auth` has said so."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a visitor wants to talk to: an assistant (verto-js 3.3).

    Attributes:
        params: free-form, for the assistant; a nested value is left out.
    """

    target_type: str
    target_id: str
    version_id: str | None = None
    conversation_id: str | None = None
    params: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client that logged in.

    Attributes:
        connection_id: the credential connection that it belongs to, None for a visitor.
        credential_id: the telephony credential, None when it used the connection's own user name.
        username: the name under which it registers and is called; a JWT registers as its credential's
            `sip_username` (rest-v2 A.1.5). Empty for a visitor, whom nobody can call.
        caller_number: a number assigned to the connection, as the default caller id.
        token_expires_at: seconds since the epoch at which its JWT expires, None after a password login.
        credential_expires_at: the same of its credential, None without one.
        login_mark: tells the connection's user name and password that it used from later ones; None with a credential.
        key_mark: tells the key that signed its JWT from others; None after a password login.
        target: what a visitor came for; None for everybody else.
    """

    connection_id: str | None
    credential_id: str | None
    username: str
    caller_number: str | None = None
    token_expires_at: float | None = None
    credential_expires_at: float | None = None
    login_mark: str | None = None
    key_mark: str | None = None
    target: Target | None = None

    def has_expired(self, now: float) -> bool:
        """Whether its credential has, by then (seconds since the epoch)."""
        return self.credential_expires_at is not None and self.credential_expires_at <= now

    @property
    def is_visitor(self) -> bool:
        """Whether it logged in anonymously."""
        return self.target is not None
