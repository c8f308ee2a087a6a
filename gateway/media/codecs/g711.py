"""G.711 behind the codecs' seam; the tables are in `core.g711`."""

from collections.abc import Callable

from gateway.media.codecs.concealment import Concealer

SAMPLE_RATE = 8000


class G711Decoder:
    """µ-law or A-law, by the table that it is made with."""

    def __init__(self, expand: Callable[[bytes], bytes]) -> None:
        self.sample_rate = SAMPLE_RATE
        self._expand = expand
        self._concealer = Concealer(SAMPLE_RATE)

    def decode(self, payload: bytes) -> bytes:
        """See `Decoder`; every byte is a sample, so nothing is refused."""
        pcm = self._expand(payload)
        self._concealer.heard(pcm)
        return pcm

    def conceal(self, samples: int, following: bytes | None) -> bytes:
        """See `Decoder`."""
        return self._concealer.conceal(samples)

    def close(self) -> None:
        """Nothing native here."""


class G711Encoder:
    """µ-law or A-law, by the table that it is made with."""

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self.sample_rate = SAMPLE_RATE
        self._compress = compress

    def encode(self, pcm: bytes) -> bytes:
        """See `Encoder`."""
        return self._compress(pcm)

    def close(self) -> None:
        """Nothing native here."""
