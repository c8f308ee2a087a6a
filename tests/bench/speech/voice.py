"""Speech to measure with, spoken when it is needed: nobody's recording, so under nobody's licence."""

import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy
from scipy.signal import resample_poly

RATE: Final = 48000
"""Samples a second of what is spoken: a browser's."""
VOICES: Final = ("en-gb+m3", "en-gb+f2", "en-us+m7", "en-us+f4")
_TEXTS: Final = (
    "The parcel was left with the neighbour because nobody opened the door. "
    "Please hold the line while I look up the number of your booking. "
    "Seventeen thick sheets of paper were stacked beside the old printer. "
    "She asked for a quieter table, close to the window, and a glass of water. "
    "The next train to the harbour leaves at twenty five past eight. "
    "He fixed the squeaking hinge with a drop of oil and half a match.",
    "You can change the address on the third page of the form. "
    "Fresh bread, two cheeses and a jar of pickles were all they bought. "
    "If the light flashes twice, switch the device off and wait a minute. "
    "Both judges gave the youngest singer a very generous score. "
    "The invoice that you sent in July has not been paid so far. "
    "A thin fog covered the valley, though the sky above was blue.",
)
_WORDS_A_MINUTE: Final = 150
_PEAK: Final = 8000.0
"""Of 32768: some -12 dB, as a microphone with automatic gain has it."""

Signal = Any
"""An array of samples; numpy is installed for this part only, and has no part in the types of the rest."""


def speak(folder: Path) -> Sequence[Signal]:
    """Some 25 s of each voice, at `RATE`.

    Raises:
        FileNotFoundError: there is no `espeak-ng`.
        subprocess.CalledProcessError: it does not speak.
    """
    return [_speak(voice, _TEXTS[number % len(_TEXTS)], folder / "voice.wav") for number, voice in enumerate(VOICES)]


def _speak(voice: str, text: str, file: Path) -> Signal:
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(_WORDS_A_MINUTE), "-w", str(file), text], check=True)
    with wave.open(str(file)) as spoken:
        pcm = numpy.frombuffer(spoken.readframes(spoken.getnframes()), numpy.int16).astype(float)
        pcm = resample_poly(pcm, RATE, spoken.getframerate())
    return pcm * _PEAK / numpy.abs(pcm).max()


def at_rate(signal: Signal, rate: int) -> Signal:
    """The same speech at another rate: 8000, 16000 or 48000."""
    return resample_poly(signal, 1, RATE // rate)


def as_pcm(signal: Signal) -> bytes:
    """16-bit samples, little-endian."""
    return bytes(numpy.round(signal).astype("<i2").tobytes())


def as_signal(pcm: bytes) -> Signal:
    """The other way round."""
    return numpy.frombuffer(pcm, "<i2").astype(float)
