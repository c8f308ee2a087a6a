"""The gateway states of the SDKs: whether a client's registration is up (verto-js 3.4, verto-mobile 2.3)."""

from enum import Enum


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
