"""Session descriptions as the lab writes and reads them: one audio stream, plain RTP/AVP (RFC 8866, 3264). Pure.

Written apart from the gateway's own on purpose: a mistake made in both would be seen by no test.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.domain.ids import Sdp

PTIME_MS: Final = 20


class LabSdpError(GatewayError):
    """A session description that the lab cannot use; `sip_status` says how to refuse it."""

    code = "lab_bad_sdp"
    sip_status = 488


class Way(Enum):
    """The direction of a stream, as the one who wrote the description sees it (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def answer(self) -> "Way":
        """The direction that answers it when we want to do all we may (RFC 3264 section 6.1)."""
        return {Way.SENDONLY: Way.RECVONLY, Way.RECVONLY: Way.SENDONLY}.get(self, self)

    @property
    def held(self) -> "Way":
        """What is left of it for one who does not want to receive."""
        return {Way.SENDRECV: Way.SENDONLY, Way.RECVONLY: Way.INACTIVE}.get(self, self)

    @property
    def is_sending(self) -> bool:
        """Whether its writer sends."""
        return self in (Way.SENDRECV, Way.SENDONLY)


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoding name as in `a=rtpmap`, in lower case, with its clock rate in Hz."""

    name: str
    clock_rate: int


PCMU: Final = Codec("pcmu", 8000)
PCMA: Final = Codec("pcma", 8000)
G722: Final = Codec("g722", 8000)
OPUS: Final = Codec("opus", 48000)
TELEPHONE_EVENT: Final = "telephone-event"

G711_CODECS: Final[tuple[Codec, ...]] = (PCMU, PCMA)
ALL_CODECS: Final[tuple[Codec, ...]] = (PCMU, PCMA, G722, OPUS)

_STATIC: Final[Mapping[int, Codec]] = {0: PCMU, 8: PCMA, 9: G722}
_NAMES: Final[Mapping[str, str]] = {"pcmu": "PCMU", "pcma": "PCMA", "g722": "G722", "opus": "opus"}
_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^/\s]+)/(\d{1,6})(?:/\d+)?")
_MEDIA: Final = re.compile(r"audio (\d{1,5})(?:/\d+)? (\S+) ([\d ]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The audio stream of a description.

    Attributes:
        address, port: where its writer wants to get RTP; port 0 is a refused stream.
        codecs: payload type to codec in the writer's order, `telephone-event` among them.
        way: direction, as the writer sees it.
        profile: RTP/AVP or RTP/AVPF; an answer repeats it.
        position, media: which of these `m=` lines it is; the others are refused in an answer.
    """

    address: str
    port: int
    codecs: Mapping[int, Codec]
    way: Way
    profile: str = "RTP/AVP"
    position: int = 0
    media: tuple[str, ...] = ()

    @property
    def is_held(self) -> bool:
        """Whether its writer does not want to hear us; the address 0.0.0.0 is the old way to say it (RFC 2543)."""
        return self.way in (Way.SENDONLY, Way.INACTIVE) or self.address == "0.0.0.0"  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides speak: payload types of packets to and from the far end."""

    codec: Codec
    audio_to: int
    audio_from: int
    event_to: int | None
    event_from: int | None

    def payload_type_to(self, received: int) -> int | None:
        """The payload type under which a packet to us goes back, None for one that was not agreed."""
        if received == self.audio_from:
            return self.audio_to
        return self.event_to if received == self.event_from else None


def parse(text: Sdp) -> Stream:
    """Read the first audio stream of an offer or an answer.

    Raises:
        LabSdpError: no audio stream over RTP/AVP or RTP/AVPF, or a line of it that makes no sense.
    """
    sections = re.split(r"\r?\n(?=m=)", text.strip())
    media = tuple(section.partition("\n")[0].strip()[2:] for section in sections[1:])
    for position, line in enumerate(media):
        match = _MEDIA.fullmatch(line)
        if match is None or match[2] not in ("RTP/AVP", "RTP/AVPF"):
            continue
        return _audio(sections[0], sections[position + 1], match, position, media)
    raise LabSdpError(f"no audio stream over RTP/AVP among {len(media)} m= lines")


def _audio(session: str, section: str, match: re.Match[str], position: int, media: tuple[str, ...]) -> Stream:
    attributes = [line.strip() for line in f"{session}\n{section}".splitlines()]
    mapped = dict(_rtpmaps(attributes))
    payload_types = [int(part) for part in match[3].split()]
    port = int(match[1])
    if port > 65535 or any(payload_type > 127 for payload_type in payload_types):
        raise LabSdpError(f"port or payload type out of range: {match[0]}")
    codecs = {
        payload_type: codec
        for payload_type in payload_types
        if (codec := mapped.get(payload_type) or _STATIC.get(payload_type)) is not None
    }
    return Stream(
        address=_address(attributes),
        port=port,
        codecs=codecs,
        way=_way(attributes),
        profile=match[2],
        position=position,
        media=media,
    )


def _rtpmaps(attributes: Sequence[str]) -> list[tuple[int, Codec]]:
    found = [_RTPMAP.fullmatch(line.removeprefix("a=rtpmap:")) for line in attributes if line.startswith("a=rtpmap:")]
    return [(int(match[1]), Codec(match[2].lower(), int(match[3]))) for match in found if match is not None]


def _address(attributes: Sequence[str]) -> str:
    lines = [line for line in attributes if line.startswith("c=")]
    if not lines:
        raise LabSdpError("no c= line")
    fields = lines[-1][2:].split()  # the media level comes last and wins
    try:
        return str(ipaddress.IPv4Address(fields[2]))
    except (IndexError, ValueError) as error:
        raise LabSdpError(f"not an IPv4 address: {lines[-1]!r}") from error


def _way(attributes: Sequence[str]) -> Way:
    names = {way.value: way for way in Way}
    found = [names[line[2:]] for line in attributes if line.startswith("a=") and line[2:] in names]
    return found[-1] if found else Way.SENDRECV


def agree(remote: Stream, supported: Sequence[Codec], *, ours: Mapping[int, Codec] | None = None) -> Agreed:
    """Choose one audio codec and its telephone-event.

    Args:
        remote: the far end's offer (its order decides) or its answer to `ours`.
        supported: codecs that we can speak.
        ours: payload types of our own offer when `remote` answers it; packets to us carry those.
    Raises:
        LabSdpError: nothing in common, or the stream is refused (port 0).
    """
    if remote.port == 0:
        raise LabSdpError("the audio stream is refused (port 0)")
    for audio_to, codec in remote.codecs.items():
        if codec not in supported:
            continue
        event = Codec(TELEPHONE_EVENT, codec.clock_rate)
        event_to = _payload_type(remote.codecs, event)
        if ours is None:
            return Agreed(codec, audio_to, audio_to, event_to, event_to)
        audio_from = _payload_type(ours, codec)
        if audio_from is not None:
            return Agreed(codec, audio_to, audio_from, event_to, _payload_type(ours, event) if event_to else None)
    raise LabSdpError(f"no common codec: {[codec.name for codec in remote.codecs.values()]}")


def _payload_type(codecs: Mapping[int, Codec], wanted: Codec) -> int | None:
    return next((payload_type for payload_type, codec in codecs.items() if codec == wanted), None)


def payload_types(codec: Codec) -> dict[int, Codec]:
    """The static payload type of a codec that has one (RFC 3551 section 6)."""
    return {number: known for number, known in _STATIC.items() if known == codec}


OFFERED: Final[Mapping[int, Codec]] = {0: PCMU, 8: PCMA, 101: Codec(TELEPHONE_EVENT, 8000)}
"""What the lab offers when it calls."""


def write(
    *,
    address: str,
    port: int,
    codecs: Mapping[int, Codec],
    way: Way,
    session_id: int,
    version: int,
    answered: Stream | None = None,
) -> Sdp:
    """Write an offer, or with `answered` the answer to that offer (other streams get port 0, RFC 3264 section 6)."""
    payload_types = list(codecs)
    profile = answered.profile if answered is not None else "RTP/AVP"
    audio = [f"m=audio {port} {profile} {' '.join(map(str, payload_types))}"]
    for payload_type, codec in codecs.items():
        suffix = "/2" if codec == OPUS else ""
        audio.append(f"a=rtpmap:{payload_type} {_NAMES.get(codec.name, codec.name)}/{codec.clock_rate}{suffix}")
        if codec.name == TELEPHONE_EVENT:
            audio.append(f"a=fmtp:{payload_type} 0-15")
    audio += [f"a=ptime:{PTIME_MS}", f"a={way.value}"]
    lines = [
        "v=0",
        f"o=lab {session_id} {version} IN IP4 {address}",
        "s=lab",
        f"c=IN IP4 {address}",
        "t=0 0",
    ]
    media = answered.media if answered is not None else ("",)
    position = answered.position if answered is not None else 0
    for index, line in enumerate(media):
        lines += audio if index == position else [f"m={_refused(line)}"]
    return Sdp("\r\n".join(lines) + "\r\n")


def _refused(media: str) -> str:
    """The m= line with port 0."""
    kind, _port, rest = [*media.split(" ", 2), "", ""][:3]
    return f"{kind} 0 {rest}"
