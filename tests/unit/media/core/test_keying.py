"""Which keys an offer, or an answer to ours, leads to."""

import pytest

from gateway.domain.media_encryption import MediaEncryption
from gateway.media.core.crypto_line import AEAD_128, AES_CM_80, CryptoLine
from gateway.media.core.keying import (
    Keying,
    KeyingPolicy,
    answered_line,
    keying_of_answer,
    keying_of_offer,
    protocol_of_offer,
)
from gateway.media.core.sdp import Audio, Fingerprint, Setup
from gateway.media.engine import EncryptionRefused

OFF, OPTIONAL, REQUIRED, DTLS = MediaEncryption
CRYPTO = (CryptoLine(1, AES_CM_80, bytes(30)),)
FINGERPRINT = (Fingerprint("sha-256", "AB"),)
REFUSED = None


def audio(
    protocol: str, *, has_crypto: bool = False, has_fingerprint: bool = False, setup: Setup | None = Setup.ACTPASS
) -> Audio:
    return Audio(
        port=4000,
        protocol=protocol,
        formats=(),
        crypto=CRYPTO if has_crypto else (),
        fingerprints=FINGERPRINT if has_fingerprint else (),
        setup=setup if has_fingerprint else None,
    )


PLAIN = audio("RTP/AVP")
BESIDE = audio("RTP/AVP", has_crypto=True)
SDES = audio("RTP/SAVP", has_crypto=True)
SDES_FEEDBACK = audio("RTP/SAVPF", has_crypto=True)
KEYLESS = audio("RTP/SAVP")
HANDSHAKE = audio("UDP/TLS/RTP/SAVP", has_fingerprint=True)
HANDSHAKE_FEEDBACK = audio("UDP/TLS/RTP/SAVPF", has_fingerprint=True)
HANDSHAKE_BESIDE = audio("RTP/AVP", has_fingerprint=True)
HANDSHAKE_KEYLESS = audio("UDP/TLS/RTP/SAVP")
HANDSHAKE_ROLELESS = audio("RTP/AVP", has_fingerprint=True, setup=None)
HANDSHAKE_HELD = audio("UDP/TLS/RTP/SAVP", has_fingerprint=True, setup=Setup.HOLDCONN)

CASES: list[tuple[Audio, Keying | None, Keying | None, Keying | None, Keying | None]] = [
    # offer, then what it leads to with off, optional, required, dtls
    (PLAIN, Keying.NONE, Keying.NONE, REFUSED, REFUSED),
    (BESIDE, Keying.NONE, Keying.SDES, Keying.SDES, REFUSED),
    (SDES, REFUSED, Keying.SDES, Keying.SDES, REFUSED),
    (SDES_FEEDBACK, REFUSED, Keying.SDES, Keying.SDES, REFUSED),
    (KEYLESS, REFUSED, REFUSED, REFUSED, REFUSED),
    (HANDSHAKE, REFUSED, Keying.DTLS, Keying.DTLS, Keying.DTLS),
    (HANDSHAKE_FEEDBACK, REFUSED, Keying.DTLS, Keying.DTLS, Keying.DTLS),
    (HANDSHAKE_BESIDE, Keying.NONE, Keying.DTLS, Keying.DTLS, Keying.DTLS),
    (HANDSHAKE_KEYLESS, REFUSED, REFUSED, REFUSED, REFUSED),
    (HANDSHAKE_ROLELESS, Keying.NONE, Keying.NONE, REFUSED, REFUSED),
    (HANDSHAKE_HELD, REFUSED, REFUSED, REFUSED, REFUSED),
]


def outcome(offer: Audio, policy: KeyingPolicy) -> Keying | None:
    try:
        return keying_of_offer(offer, policy)
    except EncryptionRefused:
        return REFUSED


@pytest.mark.parametrize(("offer", "off", "optional", "required", "dtls"), CASES)
def test_every_offer_leads_to_what_each_setting_allows(
    offer: Audio, off: Keying | None, optional: Keying | None, required: Keying | None, dtls: Keying | None
) -> None:
    outcomes = [outcome(offer, KeyingPolicy(encryption=each)) for each in MediaEncryption]

    assert outcomes == [off, optional, required, dtls]


@pytest.mark.parametrize("offer", [BESIDE, SDES])
def test_keys_in_descriptions_are_not_used_where_signalling_is_open(offer: Audio) -> None:
    policies = [KeyingPolicy(encryption=each, may_sdes=False) for each in (OPTIONAL, REQUIRED)]

    outcomes = [outcome(offer, policy) for policy in policies]

    assert outcomes == [Keying.NONE if offer is BESIDE else REFUSED, REFUSED]


@pytest.mark.parametrize(
    ("encryption", "may_sdes", "offers", "protocol"),
    [
        (OFF, True, Keying.NONE, "RTP/AVP"),
        (OPTIONAL, True, Keying.SDES, "RTP/AVP"),
        (OPTIONAL, False, Keying.NONE, "RTP/AVP"),
        (REQUIRED, True, Keying.SDES, "RTP/SAVP"),
        (REQUIRED, False, Keying.DTLS, "UDP/TLS/RTP/SAVP"),
        (DTLS, True, Keying.DTLS, "UDP/TLS/RTP/SAVP"),
    ],
)
def test_our_offers_say_what_the_setting_wants(
    encryption: MediaEncryption, may_sdes: bool, offers: Keying, protocol: str
) -> None:
    policy = KeyingPolicy(encryption=encryption, may_sdes=may_sdes)

    assert policy.offers is offers
    assert protocol_of_offer(policy, offers) == protocol


def answered(answer: Audio, encryption: MediaEncryption, offered: Keying, protocol: str) -> Keying | None:
    try:
        return keying_of_answer(answer, KeyingPolicy(encryption=encryption), offered, protocol=protocol)
    except EncryptionRefused:
        return REFUSED


@pytest.mark.parametrize(
    ("answer", "encryption", "offered", "protocol", "expected"),
    [
        (BESIDE, OPTIONAL, Keying.SDES, "RTP/AVP", Keying.SDES),
        (PLAIN, OPTIONAL, Keying.SDES, "RTP/AVP", Keying.NONE),
        (PLAIN, OPTIONAL, Keying.SDES, "RTP/SAVP", REFUSED),
        (PLAIN, OPTIONAL, Keying.NONE, "RTP/AVP", Keying.NONE),
        (SDES, OPTIONAL, Keying.NONE, "RTP/AVP", REFUSED),
        (SDES, REQUIRED, Keying.SDES, "RTP/SAVP", Keying.SDES),
        (BESIDE, REQUIRED, Keying.SDES, "RTP/SAVP", Keying.SDES),
        (PLAIN, REQUIRED, Keying.SDES, "RTP/SAVP", REFUSED),
        (KEYLESS, REQUIRED, Keying.SDES, "RTP/SAVP", REFUSED),
        (HANDSHAKE, REQUIRED, Keying.SDES, "RTP/SAVP", REFUSED),
        (HANDSHAKE, DTLS, Keying.DTLS, "UDP/TLS/RTP/SAVP", Keying.DTLS),
        (SDES, DTLS, Keying.DTLS, "UDP/TLS/RTP/SAVP", REFUSED),
        (PLAIN, DTLS, Keying.DTLS, "UDP/TLS/RTP/SAVP", REFUSED),
        (PLAIN, OPTIONAL, Keying.DTLS, "UDP/TLS/RTP/SAVP", REFUSED),
    ],
)
def test_answer_is_about_the_keys_of_the_offer_or_refused(
    answer: Audio, encryption: MediaEncryption, offered: Keying, protocol: str, expected: Keying | None
) -> None:
    assert answered(answer, encryption, offered, protocol) is expected


def test_answer_whose_keys_cannot_be_used_is_no_plain_answer() -> None:
    spoilt = Audio(port=4000, protocol="RTP/AVP", formats=(), has_bad_crypto=True)

    assert answered(spoilt, OPTIONAL, Keying.SDES, "RTP/AVP") is REFUSED


@pytest.mark.parametrize("theirs", [CryptoLine(2, AES_CM_80, bytes(30)), CryptoLine(1, AEAD_128, bytes(28))])
def test_answer_that_names_what_was_not_offered_is_refused(theirs: CryptoLine) -> None:
    answer = Audio(port=4000, protocol="RTP/SAVP", formats=(), crypto=(theirs,))

    with pytest.raises(EncryptionRefused, match="not offered"):
        answered_line(answer, CRYPTO)


def test_answer_chooses_our_line_by_its_tag() -> None:
    ours = (CryptoLine(1, AEAD_128, bytes(28)), CryptoLine(2, AES_CM_80, b"o" * 30))
    theirs = CryptoLine(2, AES_CM_80, b"t" * 30)

    chosen = answered_line(Audio(port=4000, protocol="RTP/SAVP", formats=(), crypto=(theirs,)), ours)

    assert chosen == (ours[1], theirs)
