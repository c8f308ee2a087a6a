"""The SRTP of a leg whose keys come with its descriptions, beside one written down from the RFCs."""

import pytest

from gateway.media.core.crypto_line import AEAD_128, AES_CM_32, AES_CM_80, OFFERED, SUITES, CryptoLine, Suite
from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.engines.sdes import SdesKeys
from gateway.media.engines.srtp import SrtpError, SrtpKey

from . import srtp_by_hand

EVERY_SUITE = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)


def packet(sequence: int) -> bytes:
    return serialize(RtpPacket(0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, 0xCAFEBABE, False, b"\x5a" * 160))


def joined(suite: Suite = AES_CM_80) -> tuple[SdesKeys, SdesKeys]:
    """Two ends that have exchanged their lines."""
    one, other = SdesKeys(), SdesKeys()
    exchange(one, other, suite)
    return one, other


def exchange(one: SdesKeys, other: SdesKeys, suite: Suite = AES_CM_80) -> None:
    ours, theirs = one.line(1, suite), other.line(1, suite)
    one.use(ours, theirs)
    other.use(theirs, ours)


def test_session_keys_are_those_of_rfc_3711_appendix_b_3() -> None:
    key, salt = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139"), bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")

    derived = [srtp_by_hand.derive(key, salt, label, length).hex().upper() for label, length in ((0, 16), (2, 14))]
    auth_key = srtp_by_hand.derive(key, salt, 1, 20).hex().upper()

    assert derived == ["C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1"]
    assert auth_key == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


def test_gcm_is_that_of_rfc_7714_section_16_1_1() -> None:
    plain = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"

    result = srtp_by_hand.gcm(bytes(range(16)), bytes.fromhex("517569642070726f2071756f"), plain, rollover=0)

    assert result.hex() == (
        "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
        "899d7f27beb16a9152cf765ee4390cce"
    )


@EVERY_SUITE
def test_packets_are_protected_as_the_rfcs_say_also_past_the_end_of_sixteen_bits(suite: Suite) -> None:
    keys, _ = joined(suite)
    ours = keys.line(1, suite)

    sent = [keys.protect(packet(sequence)) for sequence in (65534, 65535, 65536, 65537)]

    expected = [
        srtp_by_hand.protected(suite, ours.key, packet(sequence), rollover=sequence >> 16)
        for sequence in (65534, 65535, 65536, 65537)
    ]
    assert sent == expected


@EVERY_SUITE
def test_packets_written_down_from_the_rfcs_are_read(suite: Suite) -> None:
    keys, other = joined(suite)
    theirs = other.line(1, suite)

    read = [
        keys.unprotect(srtp_by_hand.protected(suite, theirs.key, packet(sequence), rollover=sequence >> 16))
        for sequence in (65535, 65536)
    ]

    assert read == [packet(65535), packet(65536)]


@EVERY_SUITE
def test_reports_cross_too_and_are_not_readable_on_the_way(suite: Suite) -> None:
    one, other = joined(suite)
    report = b"\x80\xc9\x00\x01\x00\x00\x00\x07"

    protected = one.protect_rtcp(report + b"\x81\xcb\x00\x01\x00\x00\x00\x07")

    assert other.unprotect_rtcp(protected) == report + b"\x81\xcb\x00\x01\x00\x00\x00\x07"
    assert b"\x81\xcb" not in protected


def test_packet_that_came_before_is_not_taken_again() -> None:
    one, other = joined()
    first = one.protect(packet(1))
    other.unprotect(first)

    with pytest.raises(SrtpError):
        other.unprotect(first)


def test_changed_packet_is_not_taken_and_costs_the_true_one_nothing() -> None:
    one, other = joined()
    protected = one.protect(packet(1))

    with pytest.raises(SrtpError):
        other.unprotect(protected[:-1] + bytes([protected[-1] ^ 1]))

    assert other.unprotect(protected) == packet(1)


def test_gap_of_half_a_minute_is_bridged() -> None:
    one, other = joined()
    other.unprotect(one.protect(packet(65000)))

    assert other.unprotect(one.protect(packet(66500))) == packet(66500)


def test_offer_has_every_suite_with_a_key_of_its_own_which_stays() -> None:
    keys = SdesKeys()

    lines = keys.offer()

    assert [(line.tag, line.suite) for line in lines] == [(1, OFFERED[0]), (2, OFFERED[1]), (3, OFFERED[2])]
    assert len({line.key[:16] for line in lines}) == 3
    assert keys.offer() == lines


def test_later_offers_keep_to_what_is_agreed() -> None:
    keys, other = SdesKeys(), SdesKeys()
    ours = keys.line(4, AES_CM_32)
    keys.use(ours, other.line(4, AES_CM_32))

    assert keys.offer() == (ours,)


def test_new_key_of_theirs_is_taken_and_packets_on_their_way_under_the_old_one_are_too() -> None:
    one, other = joined()
    one.unprotect(other.protect(packet(1)))
    late = other.protect(packet(2))
    successor = SdesKeys()
    one.use(one.line(1, AES_CM_80), successor.line(1, AES_CM_80))
    successor.use(successor.line(1, AES_CM_80), one.line(1, AES_CM_80))

    assert one.unprotect(late) == packet(2)
    assert one.unprotect(successor.protect(packet(3))) == packet(3)
    with pytest.raises(SrtpError):
        one.unprotect(other.protect(packet(4)))


def test_same_key_in_a_new_description_changes_nothing() -> None:
    one, other = joined()
    first = one.protect(packet(65535))
    assert other.unprotect(first) == packet(65535)
    other.unprotect(one.protect(packet(65536)))

    exchange(one, other)

    assert other.unprotect(one.protect(packet(65537))) == packet(65537)
    with pytest.raises(SrtpError):
        other.unprotect(first)


def test_no_key_stream_is_used_twice_whatever_is_negotiated_in_between() -> None:
    one, other = joined()
    one.protect(packet(1))
    exchange(one, other, AEAD_128)
    one.protect(packet(2))
    exchange(one, other, AES_CM_80)

    with pytest.raises(SrtpError):
        one.protect(packet(1))


def test_keys_are_in_no_representation() -> None:
    key = SrtpKey(AES_CM_80, b"secret-secret-secret-secret-12")

    assert "secret" not in repr(key)
    assert "secret" not in repr(CryptoLine(1, AES_CM_80, key.key))
