"""What goes wrong with a SIP peer.

SipError
 +- SipParseError        not a SIP message, or a header field that breaks its grammar or range
 |   +- BrokenMessage    the same for a whole message, with what is needed to answer it (message.py)
 +- IntervalTooBrief     a registration that shall be shorter than we let it
 +- UnsupportedUri       a URI that we cannot send to (an unknown scheme or transport, no listener for it)
 +- UnresolvedHost       a host name without a usable address
 +- ListenFailed         a socket of ours could not be bound
 +- TlsFailed            a TLS connection could not be made
 |   +- WrongIdentity    the far end's certificate names somebody else
 +- TlsSetUpFailed       a certificate, key or authority of ours cannot be used
"""

from collections.abc import Iterable
from typing import ClassVar

from gateway.domain.errors import GatewayError


class SipError(GatewayError):
    """A SIP peer broke a rule, or cannot be reached."""

    code: ClassVar[str] = "sip_error"
    sip_status: ClassVar[int] = 400


class SipParseError(SipError):
    """Bytes that are no SIP message, or a header field outside its grammar or range.

    Attributes:
        status: the response to suggest (400, 413, 505, 513 ...).
    """

    code: ClassVar[str] = "sip_parse_error"

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class IntervalTooBrief(SipError):
    """A registration that shall end sooner than we let it (RFC 3261 section 21.4.17); `min_expires` in seconds."""

    code: ClassVar[str] = "interval_too_brief"
    sip_status: ClassVar[int] = 423

    def __init__(self, min_expires: int) -> None:
        super().__init__(f"a registration shorter than {min_expires} s")
        self.min_expires = min_expires


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


class TlsFailed(SipError):
    """A handshake did not succeed: a certificate that nobody vouches for, no version in common, silence."""

    code: ClassVar[str] = "tls_failed"
    sip_status: ClassVar[int] = 503


class WrongIdentity(TlsFailed):
    """A far end's certificate is sound, but not good for the domain that we called (RFC 5922 section 7)."""

    code: ClassVar[str] = "tls_wrong_identity"

    def __init__(self, domain: str, found: Iterable[str]) -> None:
        shown = ", ".join(sorted(found)[:5]) or "nobody"
        super().__init__(f"certificate is good for {shown[:200]}, not for {domain}")
        self.domain = domain


class TlsSetUpFailed(SipError):
    """A certificate, a key or an authority of ours cannot be read or used; the message names the file."""

    code: ClassVar[str] = "tls_set_up_failed"
    sip_status: ClassVar[int] = 503
