"""What encrypts an RTP leg: which keys its descriptions lead to, and the keys in force."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.media.core.crypto_line import CryptoLine
from gateway.media.core.keying import (
    Keying,
    KeyingPolicy,
    answered_line,
    keying_of_answer,
    keying_of_offer,
    protocol_of_offer,
)
from gateway.media.core.sdp import Audio, Setup
from gateway.media.core.source_lock import Address, SourceLock
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.handshake_channel import HandshakeChannel
from gateway.media.engines.sdes import SdesKeys
from gateway.media.engines.srtp import Protection, SrtpKey

Send = Callable[[bytes, Address], None]

_ROLES: Final = {True: Setup.ACTIVE, False: Setup.PASSIVE}


class RtpSecurity:
    """The keys of one leg. Descriptions come in; `rtp` and `rtcp` are the keys in force."""

    def __init__(self, policy: KeyingPolicy, certificate: Certificate, *, send: Send, send_rtcp: Send) -> None:
        """
        Args:
            send, send_rtcp: how a handshake's datagram leaves, to which address.
        """
        self.policy = policy
        self.keying: Keying | None = None
        """What is in force; None before the first exchange."""
        self.channel = HandshakeChannel(certificate, send)
        self.rtcp_channel = HandshakeChannel(certificate, send_rtcp)
        self._fingerprint = certificate.fingerprint
        self._sdes = SdesKeys()
        self._protocol = ""
        self._offered: tuple[Keying, str] = (Keying.NONE, "")
        self._lines: tuple[CryptoLine, ...] = ()
        self._answered: CryptoLine | None = None
        self._is_mux = False

    @property
    def is_keyed(self) -> bool:
        """Whether packets can be sent: protected, or in plain where that is agreed."""
        return self.keying is not None and (self.keying is Keying.NONE or self.rtp is not None)

    @property
    def rtp(self) -> Protection | None:
        """The keys of RTP; None while there are none, or where none are agreed."""
        return self._sdes if self.keying is Keying.SDES else self.channel.association

    @property
    def rtcp(self) -> Protection | None:
        """The keys of RTCP: those of RTP, or without rtcp-mux those of a handshake of its own (RFC 5764, 4.2)."""
        if not self.has_own_rtcp:
            return self.rtp
        return self.rtcp_channel.association

    @property
    def keys(self) -> tuple[SrtpKey, SrtpKey] | None:
        """The keys of RTP themselves, ours and theirs; None while there are none, or where none are agreed."""
        if self.keying is Keying.SDES:
            return self._sdes.keys
        association = self.channel.association
        return None if association is None else association.keys

    @property
    def rtcp_keys(self) -> tuple[SrtpKey, SrtpKey] | None:
        """Those of RTCP's own handshake, which there may not be."""
        association = self.rtcp_channel.association
        return None if association is None else association.keys

    @property
    def has_own_rtcp(self) -> bool:
        """Whether RTCP has, or will have, keys of its own."""
        return self.keying is Keying.DTLS and not self._is_mux

    # Descriptions

    def check(self, audio: Audio, *, is_offer: bool) -> None:
        """Raise EncryptionRefused for a description that this leg cannot take."""
        if is_offer:
            keying_of_offer(audio, self.policy)
        else:
            self._check_answer(audio)

    def _check_answer(self, audio: Audio) -> Keying:
        keying, protocol = self._offered
        keying = keying_of_answer(audio, self.policy, keying, protocol=protocol)
        if keying is Keying.SDES:
            answered_line(audio, self._lines)
        return keying

    def in_offer(self, local: Audio) -> Audio:
        """Our audio line as an offer: with the keys in force, else with what the policy says."""
        keying = self.keying or self.policy.offers
        if keying is Keying.NONE:
            keying = self.policy.offers
        protocol = self._protocol if self.keying is keying else protocol_of_offer(self.policy, keying)
        self._offered, self._lines = (keying, protocol), ()
        if keying is Keying.SDES:
            self._lines = self._sdes.offer()
            return replace(local, protocol=protocol, crypto=self._lines)
        if keying is Keying.DTLS:
            return replace(
                local,
                protocol=protocol,
                fingerprints=(self._fingerprint,),
                setup=Setup.ACTPASS,
                is_rtcp_mux=self._is_mux or self.keying is not keying,
            )
        return replace(local, protocol=protocol)

    def in_answer(self, local: Audio) -> Audio:
        """Our audio line as the answer to the offer that came into force last."""
        if self.keying is Keying.SDES and self._answered is not None:
            return replace(local, crypto=(self._answered,))
        if self.keying is Keying.DTLS:
            return replace(local, fingerprints=(self._fingerprint,), setup=_ROLES[self.channel.is_client])
        return local

    def take_offer(self, audio: Audio, locks: tuple[SourceLock, SourceLock], *, timing: tuple[float, float]) -> None:
        """An offer comes into force. `timing`: now, and how long a handshake may take."""
        self.keying, self._protocol, self._is_mux = (
            keying_of_offer(audio, self.policy),
            audio.protocol,
            audio.is_rtcp_mux,
        )
        if self.keying is Keying.SDES:
            theirs = audio.crypto[0]  # RFC 4568 section 5.1.1: the most preferred one first
            self._answered = self._sdes.line(theirs.tag, theirs.suite)
            self._sdes.use(self._answered, theirs)
        self._follow(audio, self._is_client_for(audio, locks[0]), locks, timing)

    def take_answer(self, audio: Audio, locks: tuple[SourceLock, SourceLock], *, timing: tuple[float, float]) -> None:
        """An answer, which has been checked, comes into force; as `take_offer`."""
        self.keying = self._check_answer(audio)
        self._protocol, self._is_mux = self._offered[1], audio.is_rtcp_mux
        if self.keying is Keying.SDES:
            self._sdes.use(*answered_line(audio, self._lines))
        # RFC 4145 section 4.1: an answer without a=setup is passive
        self._follow(audio, audio.setup is not Setup.ACTIVE, locks, timing)

    def _is_client_for(self, offer: Audio, lock: SourceLock) -> bool:
        """Our role in answer to an offer: the client's (RFC 5763 section 5), unless only the far end can begin."""
        if offer.setup is Setup.ACTPASS:
            if self.channel.is_same_peer(offer.fingerprints):
                return self.channel.is_client  # RFC 8842 section 5.3: the association goes on, so do its roles
            return not lock.may_be_elsewhere  # a hello of ours would not pass its NAT
        return offer.setup is Setup.PASSIVE

    def _follow(
        self, audio: Audio, is_client: bool, locks: tuple[SourceLock, SourceLock], timing: tuple[float, float]
    ) -> None:
        channels = (self.channel, self.rtcp_channel)
        for channel, lock, is_used in zip(channels, locks, (True, not self._is_mux), strict=True):
            if self.keying is not Keying.DTLS or not is_used:
                channel.abandon()
            elif channel.is_same_peer(audio.fingerprints) and channel.is_client is is_client:
                channel.move(lock, timing[0])
            else:
                now, timeout = timing
                channel.begin(is_client=is_client, fingerprints=audio.fingerprints, lock=lock, now=now, timeout=timeout)

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        deadlines = (self.channel.next_deadline(), self.rtcp_channel.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> bool:
        """Send again what was not answered, or give up; RTCP whose handshake fails is gone without.

        False when there was nothing to do.
        """
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return False
        self.channel.handle_timeout(now)
        self.rtcp_channel.handle_timeout(now)
        return True

    def close(self) -> None:
        """Say goodbye."""
        self.channel.close()
        self.rtcp_channel.close()
