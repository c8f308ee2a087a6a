"""Which codec a leg uses: what is offered to whom, in which order, and what is chosen (RFC 3264).

Payload types belong to whoever receives with them (RFC 3264 section 5.1): what we receive carries the numbers of
our description, what we send those of the far end's. In an answer of ours both are the numbers of the offer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from gateway.media.core.codec import SUPPORTED, Codec, LegCodec
from gateway.media.core.sdp import Audio, Format
from gateway.media.core.sdp_parser import parse_fmtp
from gateway.media.engine import NoCommonCodec

TELEPHONE_EVENT: Final = "telephone-event"
OPUS_FMTP: Final = "minptime=10;useinbandfec=1"
"""What we wish to receive as opus: any packet time from 10 ms, and forward error correction in it."""
EVENT_FMTP: Final = "0-15"
"""The sixteen DTMF events (RFC 4733 section 2.5.1.1)."""

_EVENT_PAYLOAD_TYPES: Final = {48000: 110, 8000: 101}
_DYNAMIC: Final = range(96, 128)
_MIN_PTIME: Final = 0.010
_MAX_PTIME: Final = 0.060
_DEFAULT_PTIME: Final = 0.020


class Preference(Enum):
    """What matters more when a leg could use several codecs."""

    PASSTHROUGH = "passthrough"
    """The codec of the other leg, so that nothing is decoded: no delay, no loss, little work."""
    QUALITY = "quality"
    """Opus towards browsers whenever they offer it: it stands packet loss, at the price of transcoding."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What one leg was negotiated to carry.

    Attributes:
        receive: with our payload types, as the far end sends to us.
        send: with the far end's payload types and wishes.
    """

    receive: LegCodec
    send: LegCodec

    @property
    def codec(self) -> str:
        """Name of the audio codec."""
        return self.send.codec.name


def usable_codecs(audio: Audio, allowed: Sequence[str]) -> tuple[Codec, ...]:
    """The codecs of a far end's description that we support and that the leg may use, in its order.

    Raises:
        NoCommonCodec: there is none.
    """
    names = frozenset(name.lower() for name in allowed)
    candidates = (_codec(format_, audio) for format_ in audio.formats)
    codecs = tuple(codec for codec in candidates if codec is not None and codec.name.lower() in names)
    if not codecs:
        raise NoCommonCodec(
            offered=tuple(f"{format_.name}/{format_.clock_rate}" for format_ in audio.formats),
            supported=tuple(allowed),
        )
    return codecs


def choose(
    offered: Sequence[Codec],
    *,
    other: str | None,
    other_allowed: Sequence[str],
    keeps_opus: bool,
) -> Codec:
    """Choose from what a leg's far end offered (not empty).

    Args:
        other: codec name of the other leg, None while it is not negotiated.
        other_allowed: what the other leg may come to use: a good guess while `other` is None.
        keeps_opus: `Preference.QUALITY`, and this is a browser's leg.
    """
    by_name = {codec.name: codec for codec in reversed(offered)}
    if keeps_opus and "opus" in by_name:
        return by_name["opus"]
    if other is not None:
        return by_name.get(other, offered[0])
    guesses = frozenset(other_allowed)
    return next((codec for codec in offered if codec.name in guesses), offered[0])


def answered(audio: Audio, codec: Codec, *, has_events: bool = True) -> Agreement:
    """The agreement that our answer with `codec` makes; `audio` is the offer that it was chosen from.

    Without `has_events` telephone-event is left out of it.
    """
    leg_codec = LegCodec(codec, _telephone_event(audio.formats, codec.clock_rate) if has_events else None)
    return Agreement(receive=leg_codec, send=leg_codec)


def accepted(ours: Sequence[Format], answer: Audio, allowed: Sequence[str]) -> Agreement:
    """The agreement that a far end's answer makes to an offer of ours with the formats `ours`.

    If the answer names several codecs the first counts (RFC 3264 section 7).

    Raises:
        NoCommonCodec: none of its codecs was in the offer, or it refuses the line (port 0).
    """
    offered = {_key(format_): format_ for format_ in ours}
    formats = tuple(format_ for format_ in answer.formats if _key(format_) in offered)
    usable = replace(answer, formats=formats if answer.port != 0 else ())
    send = usable_codecs(usable, allowed)[0]
    receive = replace(send, payload_type=offered[_codec_key(send)].payload_type)
    event = _telephone_event(formats, send.clock_rate)
    our_event = offered[(TELEPHONE_EVENT, event[1], 1)].payload_type if event is not None else None
    return Agreement(
        receive=LegCodec(receive, (our_event, event[1]) if event is not None and our_event is not None else None),
        send=LegCodec(send, event),
    )


def offer_formats(
    allowed: Sequence[str], *, other_offer: Sequence[str], known: Iterable[Format] = (), has_events: bool = True
) -> tuple[Format, ...]:
    """The formats of an offer of ours: codecs, then (with `has_events`) telephone-event at each of their clock rates.

    Args:
        allowed: codec names of the leg, in our order of preference.
        other_offer: codec names that the other leg has, in its order: they come first, pass-through becomes likely.
        known: formats that either side has used on this leg: a payload type keeps its meaning for the whole
            session (RFC 3264 section 8.3.2).
    """
    names = [name for name in other_offer if name in allowed]
    names += [name for name in allowed if name not in names]
    wanted = [_format(SUPPORTED[name]) for name in dict.fromkeys(names) if name in SUPPORTED]
    rates = dict.fromkeys(format_.clock_rate for format_ in wanted if has_events)
    wanted += [
        Format(payload_type=_EVENT_PAYLOAD_TYPES[rate], name=TELEPHONE_EVENT, clock_rate=rate, fmtp=EVENT_FMTP)
        for rate in rates
    ]
    return _numbered(wanted, known)


def answer_formats(agreement: Agreement) -> tuple[Format, ...]:
    """The formats of an answer of ours: one codec, and its telephone-event."""
    codec = agreement.receive.codec
    formats = (replace(_format(codec), payload_type=codec.payload_type),)
    if agreement.receive.telephone_event is None:
        return formats
    payload_type, clock_rate = agreement.receive.telephone_event
    event = Format(payload_type=payload_type, name=TELEPHONE_EVENT, clock_rate=clock_rate, fmtp=EVENT_FMTP)
    return (*formats, event)


def _format(codec: Codec) -> Format:
    return Format(
        payload_type=codec.payload_type,
        name=codec.name,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        fmtp=OPUS_FMTP if codec.name == "opus" else "",
    )


def _numbered(wanted: Sequence[Format], known: Iterable[Format]) -> tuple[Format, ...]:
    """`wanted` with the payload types that the session already has for them, and no number twice."""
    numbers = {_key(format_): format_.payload_type for format_ in known}
    taken = set(numbers.values())
    result = []
    for format_ in wanted:
        number = numbers.get(_key(format_), format_.payload_type)
        if _key(format_) not in numbers and number in taken:
            number = next(free for free in reversed(_DYNAMIC) if free not in taken)
        taken.add(number)
        result.append(replace(format_, payload_type=number))
    return tuple(result)


def _codec(format_: Format, audio: Audio) -> Codec | None:
    """The codec that a format stands for, None if we have none.

    Clock rate and channels must be what the RFCs say: opus is always 48000/2 (RFC 7587 section 7), G722 always
    8000 (RFC 3551 section 4.5.2); a peer that writes G722/16000 would count its timestamps in an unknown unit.
    """
    for codec in SUPPORTED.values():
        if _codec_key(codec) == _key(format_):
            return replace(
                codec, payload_type=format_.payload_type, fmtp=parse_fmtp(format_.fmtp), ptime=_packet_time(audio)
            )
    return None


def _packet_time(audio: Audio) -> float:
    """The packet time that a far end wishes: a multiple of 10 ms from 10 to 60 ms, 20 ms if it does not say."""
    wished = audio.ptime or _DEFAULT_PTIME
    if audio.maxptime is not None:
        wished = min(wished, audio.maxptime)
    return min(max(int(wished * 100 + 0.001) / 100, _MIN_PTIME), _MAX_PTIME)


def _telephone_event(formats: Iterable[Format], clock_rate: int) -> tuple[int, int] | None:
    """Payload type and clock rate: at the codec's rate (RFC 4733 section 2.1), else at 8000, else none."""
    events = [format_ for format_ in formats if format_.name.lower() == TELEPHONE_EVENT]
    for rate in (clock_rate, 8000):
        for event in events:
            if event.clock_rate == rate:
                return event.payload_type, rate
    return None


def _key(format_: Format) -> tuple[str, int, int]:
    return format_.name.lower(), format_.clock_rate, format_.channels


def _codec_key(codec: Codec) -> tuple[str, int, int]:
    return codec.name.lower(), codec.clock_rate, codec.channels
