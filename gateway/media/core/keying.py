"""Where the keys of a SIP leg's media come from: what an offer, or an answer to ours, leads to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.media_encryption import MediaEncryption
from gateway.media.core.crypto_line import CryptoLine
from gateway.media.core.sdp import Audio, Setup
from gateway.media.engine import EncryptionRefused

PLAIN: Final = ("RTP/AVP", "RTP/AVPF")
DTLS: Final = ("UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF")

KNOWN_HASHES: Final = ("sha-256", "sha-384", "sha-512")
"""Hash functions of `a=fingerprint` that we check (RFC 8122 section 5)."""


class Keying(Enum):
    """Where keys come from."""

    NONE = "none"
    SDES = "sdes"
    """The descriptions themselves (RFC 4568)."""
    DTLS = "dtls"
    """A handshake on the media path (RFC 5764)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyingPolicy:
    """What a leg may do.

    Attributes:
        encryption: see `MediaEncryption`.
        may_sdes: whether keys may stand in descriptions: signalling is encrypted, or a setting allows it in the clear.
    """

    encryption: MediaEncryption = MediaEncryption.OFF
    may_sdes: bool = True

    @property
    def offers(self) -> Keying:
        """What our first offer is about. Demanded where keys may not stand in it, it is DTLS."""
        if self.encryption is MediaEncryption.OFF:
            return Keying.NONE
        if self.encryption is not MediaEncryption.DTLS and self.may_sdes:
            return Keying.SDES
        return Keying.DTLS if self.encryption.is_demanded else Keying.NONE


def protocol_of_offer(policy: KeyingPolicy, keying: Keying) -> str:
    """The transport of our first offer. An optional one is plain with keys beside it (RFC 8643 section 3.1)."""
    if keying is Keying.DTLS:
        return "UDP/TLS/RTP/SAVP"
    return "RTP/SAVP" if keying is Keying.SDES and policy.encryption.is_demanded else "RTP/AVP"


def keying_of_offer(audio: Audio, policy: KeyingPolicy) -> Keying:
    """How we answer an offer.

    Raises:
        EncryptionRefused: it wants what this leg has not, or has not what this leg demands.
    """
    protocol, encryption = audio.protocol.upper(), policy.encryption
    may_sdes = policy.may_sdes and encryption in (MediaEncryption.OPTIONAL, MediaEncryption.REQUIRED)
    has_sdes = may_sdes and bool(audio.crypto) and protocol not in DTLS
    has_dtls = encryption is not MediaEncryption.OFF and offers_dtls(audio)
    if has_sdes:
        return Keying.SDES
    if has_dtls:
        return Keying.DTLS
    if protocol not in PLAIN:
        raise EncryptionRefused(f"transport {audio.protocol!r} without keys that this leg can use")
    if encryption.is_demanded:
        raise EncryptionRefused(f"transport {audio.protocol!r}, this leg must be encrypted")
    return Keying.NONE


def keying_of_answer(audio: Audio, policy: KeyingPolicy, offered: Keying, *, protocol: str) -> Keying:
    """What an answer makes of an offer of ours, which had that transport.

    Raises:
        EncryptionRefused: it is about other keys than the offer, has keys that cannot be used, or none where this leg
            demands them.
    """
    answered = audio.protocol.upper()
    is_plain = answered in PLAIN and protocol in PLAIN
    match offered:
        case Keying.SDES if audio.crypto and answered not in DTLS:
            return Keying.SDES
        case Keying.DTLS if offers_dtls(audio):
            return Keying.DTLS
        case _ if is_plain and not policy.encryption.is_demanded and not audio.has_bad_crypto:
            return Keying.NONE
    raise EncryptionRefused(f"transport {audio.protocol!r} without the keys that were offered")


def answered_line(audio: Audio, offered: Sequence[CryptoLine]) -> tuple[CryptoLine, CryptoLine]:
    """The line of ours that an answer has chosen, and the answer's own (RFC 4568 section 5.1.3).

    Raises:
        EncryptionRefused: the answer names a tag or a suite that was not offered under it.
    """
    theirs = audio.crypto[0]
    for ours in offered:
        if (ours.tag, ours.suite) == (theirs.tag, theirs.suite):
            return ours, theirs
    raise EncryptionRefused(f"the answer chose crypto {theirs.tag} {theirs.suite.name}, which was not offered")


def offers_dtls(audio: Audio) -> bool:
    """Whether a description has what a handshake needs: a fingerprint that we can check, and a role.

    Beside RTP/AVP the role must be said (RFC 8643 section 4), elsewhere there is a default (RFC 4145 section 4.1).
    """
    has_fingerprint = any(fingerprint.algorithm in KNOWN_HASHES for fingerprint in audio.fingerprints)
    has_role = audio.setup is not Setup.HOLDCONN and not (audio.setup is None and audio.protocol.upper() in PLAIN)
    return has_fingerprint and has_role
