"""SRTP written down from RFC 3711 and RFC 7714, to compare libsrtp with: slow, and without replay protection."""

import hmac
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.media.core.crypto_line import Suite


def key_stream(key: bytes, initial: int, length: int) -> bytes:
    """AES in counter mode (RFC 3711 section 4.1.1)."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(initial.to_bytes(16, "big"))).encryptor()
    return encryptor.update(bytes(length))


def derive(master_key: bytes, master_salt: bytes, label: int, length: int) -> bytes:
    """A session key (RFC 3711 section 4.3.1, key derivation rate 0)."""
    salt = int.from_bytes(master_salt.ljust(14, b"\0"), "big")
    return key_stream(master_key, (salt ^ label << 48) << 16, length)


def aes_cm(master: bytes, packet: bytes, *, rollover: int, tag_length: int) -> bytes:
    """A packet with a header of twelve bytes under AES_CM_128_HMAC_SHA1 (RFC 3711 sections 4.1.1 and 4.2.1)."""
    key, salt = master[:16], master[16:]
    cipher_key, auth_key, session_salt = derive(key, salt, 0, 16), derive(key, salt, 1, 20), derive(key, salt, 2, 14)
    sequence, _, ssrc = struct.unpack("!HII", packet[2:12])
    initial = int.from_bytes(session_salt, "big") << 16 ^ ssrc << 64 ^ (rollover << 16 | sequence) << 16
    stream = key_stream(cipher_key, initial, len(packet) - 12)
    protected = packet[:12] + bytes(one ^ other for one, other in zip(packet[12:], stream, strict=True))
    tag = hmac.digest(auth_key, protected + struct.pack("!I", rollover), "sha1")
    return protected + tag[:tag_length]


def gcm(key: bytes, salt: bytes, packet: bytes, *, rollover: int) -> bytes:
    """A packet with a header of twelve bytes under the session key and salt given (RFC 7714 sections 8.1 and 9.1)."""
    sequence, _, ssrc = struct.unpack("!HII", packet[2:12])
    mixed = int.from_bytes(struct.pack("!HIIH", 0, ssrc, rollover, sequence), "big") ^ int.from_bytes(salt, "big")
    return packet[:12] + AESGCM(key).encrypt(mixed.to_bytes(12, "big"), packet[12:], packet[:12])


def protected(suite: Suite, master: bytes, packet: bytes, *, rollover: int = 0) -> bytes:
    """The packet under that suite's master key and salt."""
    if suite.name.startswith("AES_CM"):
        return aes_cm(master, packet, rollover=rollover, tag_length=10 if suite.name.endswith("80") else 4)
    key, salt = master[: suite.key_length], master[suite.key_length :]
    return gcm(
        derive(key, salt, 0, suite.key_length), derive(key, salt, 2, suite.salt_length), packet, rollover=rollover
    )
