"""Who a client is, once `auth` has said so."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A client that logged in.

    Attributes:
        connection_id: the credential connection that it belongs to.
        credential_id: the telephony credential, None when it used the connection's own user name.
        username: the name under which it registers and is called; a JWT registers as its credential's
            `sip_username` (rest-v2 A.1.5).
        caller_number: a number assigned to the connection, as the default caller id.
        token_expires_at: seconds since the epoch at which its JWT expires, None after a password login.
    """

    connection_id: str
    credential_id: str | None
    username: str
    caller_number: str | None = None
    token_expires_at: float | None = None
