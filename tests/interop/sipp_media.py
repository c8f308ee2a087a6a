"""The media that the SIPp scenarios play: PCMU tones, and a capture with DTMF events (RFC 4733)."""

import math
import struct
from pathlib import Path
from typing import Final

_EVENTS: Final = "0123456789*#ABCD"
_PAYLOAD_TYPE: Final = 101
_PACKET_US: Final = 20_000


def write_media(folder: Path) -> None:
    """Make that folder with `tone425.ulaw`, `tone1000.ulaw`, `tone1000.alaw` and `dtmf_123hash.pcap`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tone425.ulaw").write_bytes(_tone(425, seconds=1))
    (folder / "tone1000.ulaw").write_bytes(_tone(1000, seconds=2))
    (folder / "tone1000.alaw").write_bytes(bytes(_alaw(sample) for sample in _samples(1000, seconds=2)))
    (folder / "dtmf_123hash.pcap").write_bytes(_dtmf_capture("123#"))


def _tone(hz: int, *, seconds: int) -> bytes:
    return bytes(_ulaw(sample) for sample in _samples(hz, seconds=seconds))


def _samples(hz: int, *, seconds: int) -> list[int]:
    return [int(9830 * math.sin(2 * math.pi * hz * n / 8000)) for n in range(8000 * seconds)]


def _ulaw(sample: int) -> int:
    """One 16 bit sample in G.711 mu-law (ITU-T G.711; bias 132)."""
    magnitude = min(abs(sample), 32635) + 132
    segment = magnitude.bit_length() - 8
    return ~((0x80 if sample < 0 else 0) | segment << 4 | magnitude >> segment + 3 & 0x0F) & 0xFF


def _alaw(sample: int) -> int:
    """One 16 bit sample in G.711 A-law (ITU-T G.711; 13 bits, even bits inverted)."""
    sign, magnitude = (0xD5, sample >> 3) if sample >= 0 else (0x55, ~sample >> 3)
    segment = max(magnitude.bit_length() - 5, 0)
    return sign ^ (segment << 4 | magnitude >> max(segment, 1) & 0x0F)


def _dtmf_capture(digits: str) -> bytes:
    """Each digit 100 ms long in packets of 20 ms, the last one three times, then 200 ms of silence."""
    capture = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    sequence, clock_ticks, at_us = 1000, 160_000, 0
    for digit in digits:
        steps = [(160 * n, 0) for n in range(1, 6)] + [(800, 0x80)] * 3
        for number, (duration_ticks, end) in enumerate(steps):
            marker = 0x80 if number == 0 else 0
            packet = struct.pack("!BBHII", 0x80, marker | _PAYLOAD_TYPE, sequence, clock_ticks, 0x5EED0001)
            packet += struct.pack("!BBH", _EVENTS.index(digit), end | 10, duration_ticks)
            frame = _frame(packet)
            capture += struct.pack("<IIII", at_us // 1_000_000, at_us % 1_000_000, len(frame), len(frame)) + frame
            sequence, at_us = sequence + 1, at_us + _PACKET_US
        clock_ticks, at_us = clock_ticks + 2400, at_us + 7 * _PACKET_US
    return capture


def _frame(payload: bytes) -> bytes:
    """An Ethernet frame with IPv4 and UDP around it; SIPp puts the real addresses in."""
    udp = struct.pack("!HHHH", 4000, 4000, 8 + len(payload), 0) + payload
    loopback = bytes((127, 0, 0, 1))
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, loopback, loopback)
    checksum = struct.pack("!H", _checksum(header))
    return bytes(12) + b"\x08\x00" + header[:10] + checksum + header[12:] + udp


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
