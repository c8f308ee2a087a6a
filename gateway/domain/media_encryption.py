"""How the media of a SIP leg is encrypted, as a trunk's setting says."""

from enum import Enum


class MediaEncryption(Enum):
    """The values of `srtp` of a trunk."""

    OFF = "off"
    """Plain RTP. What a peer says of keys is ignored, encryption that it insists on is refused."""
    OPTIONAL = "optional"
    """Offered beside plain RTP, and taken as the peer wants it (RFC 8643)."""
    REQUIRED = "required"
    """SRTP with the keys in SDP (RFC 4568), or DTLS-SRTP where the peer offers that; nothing in plain."""
    DTLS = "dtls"
    """DTLS-SRTP (RFC 5764) and nothing else."""

    @property
    def is_demanded(self) -> bool:
        """Whether nothing may be in plain."""
        return self in (MediaEncryption.REQUIRED, MediaEncryption.DTLS)
