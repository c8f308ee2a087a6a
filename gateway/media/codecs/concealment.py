"""Hides a lost packet by repeating what was heard before it, fading out (after the idea of ITU-T G.711 appendix I)."""

from array import array
from typing import Final

_FADE: Final = 0.060
"""Seconds after which the repetition has become silence."""
_MEMORY: Final = 0.020
"""Seconds that are repeated."""


class Concealer:
    """Remembers the last samples of a stream at `rate`."""

    def __init__(self, rate: int) -> None:
        self._memory_bytes = 2 * round(rate * _MEMORY)
        self._fade_samples = round(rate * _FADE)
        self._last = b""
        self._concealed = 0
        """Samples made up since the last real ones."""

    def heard(self, pcm: bytes) -> None:
        """Real samples came."""
        self._concealed = 0
        self._last = pcm if len(pcm) >= self._memory_bytes else (self._last + pcm)[-self._memory_bytes :]

    def conceal(self, samples: int) -> bytes:
        """As many samples as are missing."""
        total, start = self._fade_samples, self._concealed
        self._concealed += samples
        if not self._last or start >= total:
            return bytes(2 * samples)
        memory = self._last[-self._memory_bytes :]
        position = 2 * start % len(memory)
        repeated = (memory[position:] + memory * (2 * samples // len(memory) + 1))[: 2 * samples]
        left = total - start
        return array(
            "h", (sample * max(0, left - index) // total for index, sample in enumerate(array("h", repeated)))
        ).tobytes()
