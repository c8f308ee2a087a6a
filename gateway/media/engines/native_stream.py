"""What the far end of a leg hears, made by the compiled core: stands where the reference engine has a `Pipeline`."""

from collections.abc import Mapping, Sequence

from gateway.media._native import NativeLeg, NativeSound
from gateway.media.core.codec import LegCodec


class NativeSounds:
    """Sounds as the core has them, for as long as there are any calls that may hear them."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Sequence[bytes], NativeSound]] = {}

    def of(self, payloads: Sequence[bytes]) -> NativeSound:
        """The same for the same payloads, which `Sounds` makes once."""
        known = self._made.get(id(payloads))
        if known is None:
            known = self._made[id(payloads)] = payloads, NativeSound(list(payloads))
        return known[1]


class NativeStream:
    """See `Stream`. Its packets never come here."""

    def __init__(
        self,
        leg: NativeLeg,
        sounds: NativeSounds,
        *,
        source: LegCodec,
        sink: LegCodec,
        ssrc: int,
        first_sequence: int,
        first_timestamp: int,
        needs_continuity: bool,
        longest_pause: float | None,
        plays_digits: bool,
    ) -> None:
        """As `Pipeline`. Begins at once."""
        self.sink = sink
        self._leg, self._sounds = leg, sounds
        leg.begin(
            leg_values(source),
            leg_values(sink),
            ssrc=ssrc,
            first_sequence=first_sequence,
            first_timestamp=first_timestamp,
            needs_continuity=needs_continuity,
            longest_pause=longest_pause,
            plays_digits=plays_digits,
        )

    @property
    def takes_digits(self) -> bool:
        """See `Pipeline`."""
        return self._leg.takes_digits

    def set_codecs(self, source: LegCodec, sink: LegCodec, now: float) -> None:
        """See `Pipeline`."""
        self._leg.set_codecs(leg_values(source), leg_values(sink))
        self.sink = sink

    def change_source(self, source: LegCodec, now: float, *, longest_pause: float | None) -> None:
        """See `Pipeline`."""
        self._leg.change_source(leg_values(source), longest_pause)

    def set_muted(self, is_muted: bool, now: float) -> None:
        """See `Pipeline`."""
        self._leg.set_muted(is_muted)

    def play(self, payloads: Sequence[bytes]) -> None:
        """See `Pipeline`."""
        self._leg.play(self._sounds.of(payloads) if payloads else None)

    def send_digits(self, digits: str, duration: float, gap: float) -> int:
        """See `Pipeline`. Returns the ticket that the core's event names when the last of them has left."""
        return self._leg.send_digits(digits, duration, gap)

    def close(self) -> None:
        """See `Pipeline`."""
        self._leg.end()


def leg_values(leg: LegCodec) -> tuple[str, int, int, int, Mapping[str, str], float, tuple[int, int] | None]:
    """As the core takes it."""
    codec = leg.codec
    return (
        codec.name,
        codec.payload_type,
        codec.clock_rate,
        codec.channels,
        dict(codec.fmtp),
        codec.ptime,
        leg.telephone_event,
    )
