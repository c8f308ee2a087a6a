"""Session descriptions with one audio line, as values (RFC 8866, 3264, 8839, 8842, 8843).

`sdp_parser.parse` reads them, `sdp_writer.write` writes them.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.media.core.crypto_line import CryptoLine


class Direction(Enum):
    """Who sends, seen from the author of the description (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def is_sending(self) -> bool:
        """Whether the author sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def is_receiving(self) -> bool:
        """Whether the author wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> "Direction":
        """The same agreement, seen from the other side (RFC 3264 section 6.1)."""
        return _MIRRORED.get(self, self)

    @classmethod
    def of(cls, *, is_sending: bool, is_receiving: bool) -> "Direction":
        """The direction with these two properties."""
        if is_sending:
            return cls.SENDRECV if is_receiving else cls.SENDONLY
        return cls.RECVONLY if is_receiving else cls.INACTIVE


_MIRRORED: Final = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}


class Setup(Enum):
    """Who begins the DTLS handshake (RFC 4145 section 4, RFC 8842 section 5)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One payload type of an audio line, with its `a=rtpmap` and `a=fmtp`."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`a=fingerprint`: hash function in lower case, value in upper case with colons (RFC 8122 section 5)."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """`a=ice-ufrag` and `a=ice-pwd` (RFC 8839 section 5.4)."""

    ufrag: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """`a=candidate` (RFC 8839 section 5.1).

    Attributes:
        address: an IP address, or a name that a browser hides it behind.
        ufrag: of the ICE generation that it belongs to, when it says so (browsers do, RFC 8838 section 8.2).
    """

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    kind: str
    ufrag: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether we would check it: RTP over UDP at an IP address.

        Names are not resolved: a `.local` one is meant for its own link (RFC 8828), others are a way to make us
        ask the DNS. A peer that hides its address is found by the checks that it sends us.
        """
        is_udp_rtp = self.component == 1 and self.transport.lower() == "udp" and 0 < self.port < 65536
        return is_udp_rtp and is_ip_address(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """The audio line that we use, with everything that applies to it from the session level.

    Attributes:
        port: of the `m=` line, 0 when the line is refused.
        protocol: as written, such as `RTP/AVP` or `UDP/TLS/RTP/SAVPF`.
        address: of the `c=` line, None when there is none.
        ptime, maxptime: seconds.
        rtcp: `a=rtcp`: port, and the address if it differs from `address`.
        crypto: `a=crypto`, those that can be used, in their order (RFC 4568).
        has_bad_crypto: whether there are others.
        ssrc, cname, msid: written only, for browsers.
    """

    port: int
    protocol: str
    formats: tuple[Format, ...]
    address: str | None = None
    direction: Direction = Direction.SENDRECV
    ptime: float | None = None
    maxptime: float | None = None
    rtcp: tuple[int, str | None] | None = None
    is_rtcp_mux: bool = False
    mid: str | None = None
    ice: IceCredentials | None = None
    candidates: tuple[Candidate, ...] = ()
    is_end_of_candidates: bool = False
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    crypto: tuple[CryptoLine, ...] = ()
    has_bad_crypto: bool = False
    ssrc: int | None = None
    cname: str = ""
    msid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMedia:
    """A media line that we do not use: video, data, a second audio. Kept because an answer must repeat it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    mid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A parsed, or to be written, session description.

    Attributes:
        session_id, version, origin: of the `o=` line; `origin` is its address.
        media: every media line in order; exactly one is an `Audio`.
        bundle: mids of `a=group:BUNDLE`, None when there is no such group.
    """

    session_id: str = "0"
    version: int = 0
    origin: str = "127.0.0.1"
    media: tuple[Audio | OtherMedia, ...]
    bundle: tuple[str, ...] | None = None
    is_ice_lite: bool = False

    @property
    def audio(self) -> Audio:
        """The audio line."""
        return next(media for media in self.media if isinstance(media, Audio))


def is_ip_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, not a name, nor one of some network card (`fe80::1%eth0`)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
