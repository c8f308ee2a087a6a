"""Session descriptions as text (RFC 8866), in the order of lines that browsers and SIP devices write."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.ids import Sdp
from gateway.media.core.crypto_line import write_line
from gateway.media.core.sdp import Audio, Candidate, OtherMedia, SessionDescription

UNSPECIFIED: Final = "0.0.0.0"  # noqa: S104 - the address of a refused media line, nothing is bound


def write(description: SessionDescription) -> Sdp:
    """The description as text, lines ended by CRLF. A value is written as it is: nothing here may hold a line end."""
    return Sdp("".join(f"{line}\r\n" for line in _lines(description)))


def write_candidate(candidate: Candidate) -> str:
    """The candidate as `candidate:...`, without `a=`."""
    line = (
        f"candidate:{candidate.foundation} {candidate.component} {candidate.transport} {candidate.priority} "
        f"{candidate.address} {candidate.port} typ {candidate.kind}"
    )
    return f"{line} ufrag {candidate.ufrag}" if candidate.ufrag else line


def _lines(description: SessionDescription) -> Iterator[str]:
    yield "v=0"
    yield f"o=- {description.session_id} {description.version} {_network(description.origin)}"
    yield "s=-"
    if (audio := description.audio).address is not None:
        yield f"c={_network(audio.address)}"
    yield "t=0 0"
    if description.bundle is not None:
        yield " ".join(("a=group:BUNDLE", *description.bundle))
    if description.is_ice_lite:
        yield "a=ice-lite"
    if audio.msid:
        yield f"a=msid-semantic: WMS {audio.msid.split()[0]}"
    for media in description.media:
        yield from _audio_lines(media) if isinstance(media, Audio) else _other_lines(media)


def _other_lines(media: OtherMedia) -> Iterator[str]:
    yield f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}"
    yield f"c={_network(UNSPECIFIED)}"
    if media.mid is not None:
        yield f"a=mid:{media.mid}"
    yield "a=inactive"


def _audio_lines(audio: Audio) -> Iterator[str]:
    payload_types = " ".join(str(format_.payload_type) for format_ in audio.formats)
    yield f"m=audio {audio.port} {audio.protocol} {payload_types}"
    if audio.address is not None:
        yield f"c={_network(audio.address)}"
    if audio.rtcp is not None:
        port, address = audio.rtcp
        yield f"a=rtcp:{port}" if address is None else f"a=rtcp:{port} {_network(address)}"
    yield from _transport_lines(audio)
    if audio.mid is not None:
        yield f"a=mid:{audio.mid}"
    yield f"a={audio.direction.value}"
    if audio.is_rtcp_mux:
        yield "a=rtcp-mux"
    yield from _format_lines(audio)
    yield from _source_lines(audio)


def _transport_lines(audio: Audio) -> Iterator[str]:
    if audio.ice is not None:
        yield f"a=ice-ufrag:{audio.ice.ufrag}"
        yield f"a=ice-pwd:{audio.ice.password}"
    for fingerprint in audio.fingerprints:
        yield f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}"
    if audio.setup is not None:
        yield f"a=setup:{audio.setup.value}"
    for line in audio.crypto:
        yield f"a=crypto:{write_line(line)}"
    for candidate in audio.candidates:
        yield f"a={write_candidate(candidate)}"
    if audio.is_end_of_candidates:
        yield "a=end-of-candidates"


def _format_lines(audio: Audio) -> Iterator[str]:
    for format_ in audio.formats:
        channels = f"/{format_.channels}" if format_.channels != 1 else ""
        yield f"a=rtpmap:{format_.payload_type} {format_.name}/{format_.clock_rate}{channels}"
        if format_.fmtp:
            yield f"a=fmtp:{format_.payload_type} {format_.fmtp}"
    if audio.ptime is not None:
        yield f"a=ptime:{round(audio.ptime * 1000)}"
    if audio.maxptime is not None:
        yield f"a=maxptime:{round(audio.maxptime * 1000)}"


def _source_lines(audio: Audio) -> Iterator[str]:
    if audio.msid:
        yield f"a=msid:{audio.msid}"
    if audio.ssrc is not None:
        yield f"a=ssrc:{audio.ssrc} cname:{audio.cname}"
        if audio.msid:
            yield f"a=ssrc:{audio.ssrc} msid:{audio.msid}"


def _network(address: str) -> str:
    return f"IN {'IP6' if ':' in address else 'IP4'} {address}"
