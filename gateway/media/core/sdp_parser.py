"""The parser of session descriptions (RFC 8866).

Lenient in what does not matter (an attribute that we do not know, or cannot read, is as if it were absent),
strict in what does: the `m=` line, and whatever a leg's profile needs, which the legs check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.media.core.crypto_line import parse_lines
from gateway.media.core.sdp import (
    Audio,
    Candidate,
    Direction,
    Fingerprint,
    Format,
    IceCredentials,
    OtherMedia,
    SessionDescription,
    Setup,
)
from gateway.media.engine import BadSdp

MAX_SIZE: Final = 65536
"""Longer texts are refused. Chromium's audio and video offers stay below 12 KiB."""
MAX_MEDIA: Final = 32
MAX_FORMATS: Final = 64
MAX_CANDIDATES: Final = 64
"""Further ones of a description are left out: each one costs connectivity checks."""

_STATIC: Final[Mapping[int, tuple[str, int]]] = {
    # RFC 3551 table 4: payload types that need no rtpmap
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
}


@dataclass(slots=True)
class _Section:
    """The lines of the session, or of one media line, sorted by their letter."""

    media: str = ""
    connection: str | None = None
    origin: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def take(self, letter: str, value: str) -> None:
        if letter == "a":
            name, _, rest = value.partition(":")
            self.attributes.setdefault(name.strip().lower(), []).append(rest.strip())
        elif letter == "c" and self.connection is None:
            self.connection = value
        elif letter == "o":
            self.origin = value

    def all(self, name: str) -> Sequence[str]:
        return self.attributes.get(name, ())

    def has(self, name: str) -> bool:
        return name in self.attributes

    def first(self, name: str) -> str | None:
        values = self.attributes.get(name)
        return values[0] if values else None


def parse(text: str) -> SessionDescription:
    """Parse a session description and pick its audio line: the first that is not refused, else the first.

    Raises:
        BadSdp: not a session description, too large, or without an audio line.
    """
    session, sections = _split(text)
    index = _audio_index(sections)
    media = tuple(
        _audio(section, session) if at == index else _other_media(section) for at, section in enumerate(sections)
    )
    session_id, version, origin = _origin(session.origin)
    return SessionDescription(
        session_id=session_id,
        version=version,
        origin=origin,
        media=media,
        bundle=_bundle(session),
        is_ice_lite=session.has("ice-lite"),
    )


def parse_candidate(text: str) -> Candidate | None:
    """The candidate in `candidate:...`, with or without `a=` before it; None when it is not one."""
    words = text.removeprefix("a=").removeprefix("candidate:").split()
    if len(words) < 8 or words[6] != "typ":
        return None
    component, priority, port = _number(words[1]), _number(words[3]), _number(words[5])
    if component is None or priority is None or port is None:
        return None
    return Candidate(
        foundation=words[0],
        component=component,
        transport=words[2],
        priority=priority,
        address=words[4],
        port=port,
        kind=words[7],
        ufrag=dict(zip(words[8::2], words[9::2], strict=False)).get("ufrag", ""),
    )


def parse_fmtp(text: str) -> dict[str, str]:
    """The parameters of an `a=fmtp`, names in lower case; a part without `=` is left out."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _split(text: str) -> tuple[_Section, list[_Section]]:
    if len(text) > MAX_SIZE:
        raise BadSdp(f"{len(text)} characters, at most {MAX_SIZE} are allowed")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if lines[0].strip() != "v=0":
        raise BadSdp("does not begin with v=0")
    session = _Section()
    current, sections = session, list[_Section]()
    for line in lines[1:]:
        if not line.strip():
            continue
        letter, equals, value = line.partition("=")
        if not equals or len(letter) != 1:
            raise BadSdp(f"not a line of a session description: {len(line)} characters, without a letter and =")
        if letter == "m":
            current = _Section(media=value)
            sections.append(current)
        else:
            current.take(letter, value)
    if len(sections) > MAX_MEDIA:
        raise BadSdp(f"{len(sections)} media lines, at most {MAX_MEDIA} are allowed")
    return session, sections


def _audio_index(sections: Sequence[_Section]) -> int:
    audio = [at for at, section in enumerate(sections) if section.media.split(" ", 1)[0].lower() == "audio"]
    if not audio:
        raise BadSdp("no audio line")
    # RFC 8843 section 6: a bundle-only line has port 0 and is alive
    alive = [at for at in audio if _media_line(sections[at])[1] != 0 or sections[at].has("bundle-only")]
    return (alive or audio)[0]


def _media_line(section: _Section) -> tuple[str, int, str, tuple[str, ...]]:
    words = section.media.split()
    port = _number(words[1].partition("/")[0]) if len(words) >= 4 else None
    if port is None or port > 65535:
        raise BadSdp(f"not a media line: {section.media[:40]!r}")
    return words[0], port, words[2], tuple(words[3 : 3 + MAX_FORMATS])


def _other_media(section: _Section) -> OtherMedia:
    kind, port, protocol, formats = _media_line(section)
    return OtherMedia(kind=kind, port=port, protocol=protocol, formats=formats, mid=section.first("mid"))


def _audio(section: _Section, session: _Section) -> Audio:
    _, port, protocol, payload_types = _media_line(section)
    connection = section.connection or session.connection
    candidates = [parse_candidate(value) for value in section.all("candidate")[:MAX_CANDIDATES]]
    crypto = parse_lines(section.all("crypto"))
    return Audio(
        port=port,
        protocol=protocol,
        formats=_formats(section, payload_types),
        address=_address(connection) if connection is not None else None,
        direction=_direction(section) or _direction(session) or Direction.SENDRECV,
        ptime=_milliseconds(section.first("ptime")),
        maxptime=_milliseconds(section.first("maxptime")),
        rtcp=_rtcp(section.first("rtcp")),
        is_rtcp_mux=section.has("rtcp-mux"),
        mid=section.first("mid"),
        ice=_ice(section) or _ice(session),
        candidates=tuple(candidate for candidate in candidates if candidate is not None),
        is_end_of_candidates=section.has("end-of-candidates") or session.has("end-of-candidates"),
        fingerprints=_fingerprints(section) or _fingerprints(session),
        setup=_setup(section) or _setup(session),
        crypto=crypto,
        has_bad_crypto=len(crypto) < len(section.all("crypto")),
    )


def _formats(section: _Section, payload_types: Sequence[str]) -> tuple[Format, ...]:
    rtpmaps, fmtps = _by_payload_type(section.all("rtpmap")), _by_payload_type(section.all("fmtp"))
    formats = []
    for text in dict.fromkeys(payload_types):
        payload_type = _number(text)
        if payload_type is None or payload_type > 127:
            raise BadSdp(f"not a payload type: {text[:20]!r}")
        if (encoding := _encoding(payload_type, rtpmaps.get(text))) is not None:
            name, clock_rate, channels = encoding
            formats.append(
                Format(
                    payload_type=payload_type,
                    name=name,
                    clock_rate=clock_rate,
                    channels=channels,
                    fmtp=fmtps.get(text, ""),
                )
            )
    return tuple(formats)


def _by_payload_type(values: Sequence[str]) -> dict[str, str]:
    pairs = (value.partition(" ") for value in values)
    return {payload_type: rest.strip() for payload_type, _, rest in pairs}


def _encoding(payload_type: int, rtpmap: str | None) -> tuple[str, int, int] | None:
    """Name, clock rate and channels; None for a dynamic payload type without a readable rtpmap."""
    if rtpmap is None:
        static = _STATIC.get(payload_type)
        return None if static is None else (*static, 1)
    name, _, rest = rtpmap.partition("/")
    rate, slash, channels = rest.partition("/")
    clock_rate, channel_count = _number(rate), _number(channels) if slash else 1
    if not name or not clock_rate or not channel_count:
        return None
    return name, clock_rate, channel_count


def _address(connection: str) -> str:
    words = connection.split()
    if len(words) < 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise BadSdp(f"not a connection line: {connection[:40]!r}")
    return words[2].partition("/")[0]


def _direction(section: _Section) -> Direction | None:
    return next((direction for direction in Direction if section.has(direction.value)), None)


def _milliseconds(text: str | None) -> float | None:
    """Seconds of an `a=ptime` or `a=maxptime`; some write a fraction."""
    value = _number((text or "").partition(".")[0])
    return value / 1000 if value else None


def _rtcp(text: str | None) -> tuple[int, str | None] | None:
    """RFC 3605: a port, and optionally network type, address type and address."""
    words = (text or "").split()
    port = _number(words[0]) if words else None
    if not port or port > 65535:
        return None
    return port, words[3] if len(words) >= 4 else None


def _ice(section: _Section) -> IceCredentials | None:
    ufrag, password = section.first("ice-ufrag"), section.first("ice-pwd")
    return IceCredentials(ufrag, password) if ufrag and password else None


def _fingerprints(section: _Section) -> tuple[Fingerprint, ...]:
    pairs = (value.split() for value in section.all("fingerprint"))
    return tuple(Fingerprint(pair[0].lower(), pair[1].upper()) for pair in pairs if len(pair) == 2)


def _setup(section: _Section) -> Setup | None:
    text = section.first("setup")
    return next((setup for setup in Setup if setup.value == text), None)


def _origin(line: str) -> tuple[str, int, str]:
    """Session id, version and address; nobody's call fails because of a strange `o=` line."""
    words = line.split()
    if len(words) < 6:
        return "0", 0, "0.0.0.0"  # noqa: S104 - a value of the absent field, nothing is bound
    return words[1], _number(words[2]) or 0, words[5]


def _bundle(session: _Section) -> tuple[str, ...] | None:
    groups = (value.split() for value in session.all("group"))
    return next((tuple(words[1:]) for words in groups if words and words[0].upper() == "BUNDLE"), None)


def _number(text: str) -> int | None:
    """A decimal number of at most 20 digits; None for anything else (int() would take signs, blanks, other scripts)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None
