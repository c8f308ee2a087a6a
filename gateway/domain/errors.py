"""The root of our exceptions.

An expected outcome (busy, no answer, refused login) is a value, not an exception. A `GatewayError` says
that a peer broke a rule or that a resource failed; it is raised where that is known and mapped to a reply
at the edge. A bug of ours is an `AssertionError` or a `ValueError`.

    GatewayError
     +- SipError (gateway.sip.core.errors)          a SIP peer broke a rule
     +- MediaError (gateway.media.engine)           media could not be set up or failed
     +- VertoError (gateway.vsp.core.errors)        a Verto client broke a rule
     +- ConfigError (gateway.config)                a setting is wrong; carries the full key
     +- StoreError (gateway.store.errors)           the database refused or is gone
"""

from typing import ClassVar


class GatewayError(Exception):
    """Root of the exceptions that carry data for a reply, a log line or a metric."""

    code: ClassVar[str] = "gateway_error"
    """Stable slug: log key `error_code`, metric label, REST error."""

    sip_status: ClassVar[int] = 500
    """The reply to suggest if a SIP peer asked."""
