"""The methods of SIP that the IANA registry has."""

from typing import Final

METHODS: Final = frozenset(
    (
        *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK"),
        *("UPDATE", "INFO", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH"),
    )
)
"""Any other is unknown: 501 instead of 405 (RFC 3261 sections 8.2.1, 21.5.2), and `other` as a label of metrics."""
