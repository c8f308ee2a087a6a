"""The error codes of the Verto dialect, and what is raised for a client that broke a rule."""

from typing import ClassVar, Final

from gateway.domain.errors import GatewayError

AUTHENTICATION_REQUIRED: Final = -32000
"""Not logged in. Never the answer to `login`, `anonymous_login` or a ping: the JavaScript SDK answers this code
with another login, at round-trip speed for ever (SDK 2.27.10, BaseSession.ts)."""

AUTHENTICATION_FAILED: Final = -32001
"""A refused login. The SDK reports it and stays connected."""

CALL_ERROR: Final = -32002
"""Anything about a call that cannot be done."""

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
PARSE_ERROR: Final = -32700


class VertoError(GatewayError):
    """A Verto client broke a rule."""

    code: ClassVar[str] = "verto_error"
    sip_status: ClassVar[int] = 400


class BadParams(VertoError):
    """The params of a request cannot be used. Carries the JSON-RPC error to answer with."""

    code: ClassVar[str] = "bad_params"

    def __init__(self, message: str, *, rpc_code: int = INVALID_PARAMS) -> None:
        super().__init__(message)
        self.message, self.rpc_code = message, rpc_code
