"""A microphone for Chromium: a WAV file with a tone."""

import math
import struct
import wave
from pathlib import Path

RATE = 48_000


def write_tone(path: Path, frequency: float, *, seconds: float = 2.0, amplitude: float = 0.3) -> Path:
    """Write a sine of whole periods, so that Chromium's repetition of the file has no click."""
    periods = max(1, round(frequency * seconds))
    count = round(periods / frequency * RATE)
    samples = (round(amplitude * 32767 * math.sin(2 * math.pi * frequency * n / RATE)) for n in range(count))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return path
