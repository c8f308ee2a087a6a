"""The sounds that the gateway plays by itself, encoded once for each codec and then only sent."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Final

from gateway.media.codecs import registry
from gateway.media.codecs.interface import CodecError, CodecUnavailable
from gateway.media.core import music, tones
from gateway.media.core.codec import SUPPORTED
from gateway.media.core.stream import FRAME
from gateway.media.engine import Sound
from gateway.observability.logging import get_logger

_OPUS_RATE: Final = 16000
"""Samples a second at which opus is encoded: neither sound has anything above 8 kHz."""
_RATES: Final = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "opus": _OPUS_RATE}

WhenReady = Callable[[str, Sequence[bytes]], None]
"""Takes the codec's name and the payloads of 20 ms, to be repeated from the first."""


@functools.cache
def encoded(sound: Sound, codec: str) -> tuple[bytes, ...]:
    """The payloads of a sound from its beginning to its end. Raises CodecError, CodecUnavailable.

    Takes up to some tenths of a second the first time: not for the loop's thread. Kept, some 100 kB for each sound and
    codec.
    """
    rate = _RATES[codec]
    encoder = registry.make_encoder(SUPPORTED[codec], rate)
    try:
        return tuple(encoder.encode(frame) for frame in _frames(sound, rate))
    finally:
        encoder.close()


def _frames(sound: Sound, rate: int) -> list[bytes]:
    if sound is Sound.RINGBACK:
        period = round((tones.RINGBACK.on + tones.RINGBACK.off) / FRAME)
        return list(islice(tones.call_progress_frames(tones.RINGBACK, rate=rate), period))
    pcm = music.melody(rate=rate)
    size = 2 * round(FRAME * rate)
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


class Sounds:
    """Makes sounds in a thread when they are first wanted, and keeps them."""

    def __init__(self) -> None:
        self._made: dict[tuple[Sound, str], tuple[bytes, ...]] = {}
        self._making: dict[tuple[Sound, str], asyncio.Future[tuple[bytes, ...]]] = {}

    def load(self, sound: Sound, codec: str, then: WhenReady) -> None:
        """Call `then` with the payloads: at once if they are made, else later on the loop's thread.

        It is not called if the codec's library is missing: there will be silence.
        """
        key = (sound, codec)
        if key in self._made:
            then(codec, self._made[key])
            return
        if key not in self._making:
            loop = asyncio.get_running_loop()
            self._making[key] = loop.run_in_executor(None, encoded, sound, codec)
            self._making[key].add_done_callback(partial(self._keep, key))
        self._making[key].add_done_callback(partial(_hand_over, codec, then))

    def _keep(self, key: tuple[Sound, str], future: asyncio.Future[tuple[bytes, ...]]) -> None:
        del self._making[key]
        error = None if future.cancelled() else future.exception()
        if isinstance(error, CodecError | CodecUnavailable):
            get_logger().warning("sound_not_made", sound=key[0].value, codec=key[1], error_code=error.code)
        elif error is not None:
            raise error  # a defect: the loop reports it
        elif not future.cancelled():
            self._made[key] = future.result()

    async def close(self) -> None:
        """Wait for what is being made."""
        if self._making:
            await asyncio.wait(list(self._making.values()))


def _hand_over(codec: str, then: WhenReady, future: asyncio.Future[tuple[bytes, ...]]) -> None:
    if not future.cancelled() and future.exception() is None:
        then(codec, future.result())
