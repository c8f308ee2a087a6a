"""What goes wrong with a SIP peer.

SipError
 +- SipParseError        not a SIP message, or a header field that breaks its grammar or range
 +- UnsupportedUri       a URI that we cannot send to (sips, tls, an unknown scheme)
 +- UnresolvedHost       a host name without a usable address
 +- ListenFailed         a socket of ours could not be bound
"""

from typing import TYPE_CHECKING, ClassVar

from gateway.domain.errors import GatewayError

if TYPE_CHECKING:
    from gateway.sip.core.message import Request


class SipError(GatewayError):
    """A SIP peer broke a rule, or cannot be reached."""

    code: ClassVar[str] = "sip_error"
    sip_status: ClassVar[int] = 400


class SipParseError(SipError):
    """Bytes that are no SIP message, or a header field outside its grammar or range.

    Attributes:
        status: the response to suggest (400, 413, 505, 513 ...).
        salvaged: the request as far as it could be read, good enough for `response_to`; None when it was not
            a request or cannot be answered (no usable Via, RFC 3261 section 18.2.2).
        is_via_unusable: the top Via is missing or broken: nobody can be told.
    """

    code: ClassVar[str] = "sip_parse_error"

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        salvaged: "Request | None" = None,
        is_via_unusable: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.salvaged, self.is_via_unusable = status, salvaged, is_via_unusable


class UnsupportedUri(SipError):
    """A URI whose scheme or transport we do not speak (RFC 3261 section 21.4.14)."""

    code: ClassVar[str] = "unsupported_uri"
    sip_status: ClassVar[int] = 416


class UnresolvedHost(SipError):
    """A host name without an address that one of our listeners could reach."""

    code: ClassVar[str] = "unresolved_host"
    sip_status: ClassVar[int] = 502


class ListenFailed(SipError):
    """A listener of the settings could not be bound; the message names it."""

    code: ClassVar[str] = "listen_failed"
    sip_status: ClassVar[int] = 503
