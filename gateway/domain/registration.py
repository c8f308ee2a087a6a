"""Whether a client's registration is up, as the SDKs call it (verto-js 3.4, verto-mobile 2.3), and whose ends."""

from dataclasses import dataclass
from enum import Enum

from gateway.domain.identity import Identity


class RegistrationState(Enum):
    """What `telnyx_rtc.gatewayState` says. docs/reference/verto.md tells what each SDK does with it."""

    REGED = "REGED"
    REGISTER = "REGISTER"
    UNREGED = "UNREGED"
    UNREGISTER = "UNREGISTER"
    NOREG = "NOREG"
    TRYING = "TRYING"
    FAIL_WAIT = "FAIL_WAIT"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    EXPIRED = "EXPIRED"
    DOWN = "DOWN"
    PENDING = "PENDING"
    """Never on the wire: who asks gets its answer once there is another state (V-50)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Whose registrations end: those that fit everything that is not None.

    Attributes:
        other_login_than: clients that logged in with the connection's own user name under another `login_mark`.
        other_key_than: clients whose token was signed by a key with none of these marks.
    """

    connection_id: str | None = None
    credential_id: str | None = None
    other_login_than: str | None = None
    other_key_than: frozenset[str] | None = None

    def concerns(self, identity: Identity) -> bool:
        """Whether it ends that client's registration."""
        if self.connection_id is not None and identity.connection_id != self.connection_id:
            return False
        if self.credential_id is not None and identity.credential_id != self.credential_id:
            return False
        if self.other_login_than is not None and identity.login_mark in (None, self.other_login_than):
            return False
        return self.other_key_than is None or (
            identity.key_mark is not None and identity.key_mark not in self.other_key_than
        )
