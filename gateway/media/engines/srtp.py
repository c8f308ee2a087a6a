"""SRTP and SRTCP by libsrtp (RFC 3711, RFC 7714): its profiles, and its sessions."""

from dataclasses import dataclass
from typing import Final, Protocol

import pylibsrtp

from gateway.media.core.crypto_line import AEAD_128, AEAD_256, AES_CM_32, AES_CM_80, Suite

SrtpError = pylibsrtp.Error
"""Not authentic, a replay, or a packet that must not leave: libsrtp uses no key stream twice."""

MAX_PLAIN: Final = 1300
"""Longest packet that still fits a datagram once it is protected."""

WINDOW: Final = 1024
"""Packets behind the newest that are still taken, each of them once."""

_PROFILES: Final = {
    AES_CM_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    AES_CM_32: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    AEAD_128: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    AEAD_256: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


class Protection(Protocol):
    """Keys for both directions of one stream."""

    def protect(self, packet: bytes) -> bytes:
        """RTP to SRTP. Raises SrtpError; ValueError when it is longer than libsrtp's wrapper takes."""

    def protect_rtcp(self, packet: bytes) -> bytes:
        """RTCP to SRTCP; as `protect`."""

    def unprotect(self, packet: bytes) -> bytes:
        """SRTP to RTP. Raises SrtpError: not authentic, or a replay."""

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """SRTCP to RTCP; as `unprotect`."""


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """Suite, master key and master salt. Two are equal when they make the same key stream."""

    suite: Suite
    key: bytes

    def __repr__(self) -> str:
        return f"SrtpKey({self.suite.name})"


def sender(key: SrtpKey) -> pylibsrtp.Session:
    """A session that protects."""
    return _session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)


def receiver(key: SrtpKey) -> pylibsrtp.Session:
    """A session that unprotects, and takes no packet twice."""
    return _session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND)


def _session(key: SrtpKey, ssrc_type: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key.key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[key.suite])
    policy.window_size = WINDOW
    return pylibsrtp.Session(policy)
