"""How good the media of a leg is, each direction by itself. What was not measured is None, never a guess.

Sources: RFC 3550 (loss, jitter, round trip), RFC 3611 section 4.7.2 (bursts and gaps), ITU-T G.107 and G.107.2 (MOS).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """The shape of what was lost: shares lost within bursts and within gaps, and their mean lengths in seconds."""

    density: float
    duration: float
    gap_density: float
    gap_duration: float

    def to_json(self) -> dict[str, float]:
        """See `DirectionQuality.to_json`."""
        return {
            "density": round(self.density, 4),
            "duration_s": round(self.duration, 3),
            "gap_density": round(self.gap_density, 4),
            "gap_duration_s": round(self.gap_duration, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionQuality:
    """One direction of a leg: inbound as we see it, outbound as the far end reports it.

    Attributes:
        packets: that came, or were sent.
        lost: of them, and `loss` as a share of those that were due.
        reordered, duplicated: behind a later one, once more; inbound only, as all that follows but for what is said.
        late: not passed on, because their time was over.
        jitter: interarrival jitter in seconds, both ways.
        round_trip: seconds, both ways.
        concealed: share of the audio that our decoder made up; None where nothing is decoded.
        level: mean of the frames with sound, dBov; `noise_level` of those without; None where it is not measured.
        silence: share of the frames without sound.
        mos: opinion of the E-model, both ways; `scale` is `narrow` (at most 4.4) or `full` (at most 4.5), which are
            not comparable.
    """

    packets: int = 0
    lost: int = 0
    loss: float | None = None
    bursts: Bursts | None = None
    reordered: int | None = None
    duplicated: int | None = None
    late: int | None = None
    jitter: float | None = None
    round_trip: float | None = None
    concealed: float | None = None
    level: float | None = None
    noise_level: float | None = None
    silence: float | None = None
    mos: float | None = None
    scale: str | None = None

    def to_json(self) -> dict[str, object]:
        """As call records and the API show it: without what was not measured, times in seconds, levels in dBov."""
        return {
            shown: _rounded(value, digits)
            for name, shown, digits in _SHOWN
            if (value := getattr(self, name)) is not None
        }


_JSON: Final[Mapping[str, tuple[str, int]]] = {
    "jitter": ("jitter_s", 6),
    "round_trip": ("round_trip_s", 6),
    "level": ("level_dbov", 1),
    "noise_level": ("noise_dbov", 1),
    "mos": ("mos", 2),
}
"""Names that say their unit, and digits behind the point."""

_SHOWN: Final = tuple((each.name, *_JSON.get(each.name, (each.name, 4))) for each in fields(DirectionQuality))
"""Name, name in JSON, and digits of each figure."""


def _rounded(value: object, digits: int) -> object:
    if isinstance(value, float):
        return round(value, digits)
    return value.to_json() if isinstance(value, Bursts) else value


@dataclass(frozen=True, slots=True)
class CodecUse:
    """A codec that the far end sent, by its encoding name, and since when: seconds of the loop's clock."""

    codec: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LegQuality:
    """A leg, both directions of it.

    Attributes:
        codecs: what came in, in order.
        raised: names of the warnings that stand.
        warnings: of those that stood at some time.
    """

    inbound: DirectionQuality
    outbound: DirectionQuality
    codecs: tuple[CodecUse, ...] = ()
    raised: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self, began: float) -> dict[str, object]:
        """As call records and the API show it; `began` is when the call did, on the loop's clock."""
        return {
            "inbound": self.inbound.to_json(),
            "outbound": self.outbound.to_json(),
            "codecs": [{"codec": use.codec, "at_s": round(max(0.0, use.since - began), 3)} for use in self.codecs],
            "raised": list(self.raised),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """One direction in one second: share lost, interarrival jitter in seconds, opinion of the E-model."""

    loss: float | None = None
    jitter: float | None = None
    mos: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """As the API shows it."""
        return {"loss": self.loss, "jitter_s": self.jitter, "mos": self.mos}


@dataclass(frozen=True, slots=True)
class Sample:
    """A leg in one second.

    Attributes:
        at: seconds of the loop's clock.
        level: of what came in at last, dBov.
        round_trip: seconds.
    """

    at: float
    inbound: Moment
    outbound: Moment
    level: float | None
    round_trip: float | None

    def to_json(self, began: float) -> dict[str, object]:
        """As the API shows it; `began` is when the call did."""
        return {
            "at_s": round(self.at - began, 3),
            "inbound": self.inbound.to_json(),
            "outbound": self.outbound.to_json(),
            "level_dbov": self.level,
            "round_trip_s": self.round_trip,
        }
