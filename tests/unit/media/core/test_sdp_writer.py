"""Session descriptions that we write, and that they read back as they were."""

from hypothesis import given
from hypothesis import strategies as st

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
from gateway.media.core.sdp_parser import parse
from gateway.media.core.sdp_writer import write

WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789+/", min_size=1, max_size=24)
PORT = st.integers(1, 65535)
ADDRESS = st.sampled_from(["192.0.2.1", "127.0.0.1", "2001:db8::7"])

FORMATS = st.lists(
    st.builds(
        Format,
        payload_type=st.integers(96, 127),
        name=WORD.map(lambda word: word.replace("/", "x")),
        clock_rate=st.sampled_from([8000, 16000, 48000]),
        channels=st.integers(1, 2),
        fmtp=WORD,
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda format_: format_.payload_type,
).map(tuple)

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        foundation=WORD,
        component=st.just(1),
        transport=st.just("udp"),
        priority=st.integers(0, 2**32 - 1),
        address=ADDRESS,
        port=PORT,
        kind=st.sampled_from(["host", "srflx", "relay"]),
        ufrag=st.one_of(st.just(""), WORD),
    ),
    max_size=4,
).map(tuple)

AUDIO = st.builds(
    Audio,
    port=PORT,
    protocol=st.sampled_from(["RTP/AVP", "UDP/TLS/RTP/SAVPF"]),
    formats=FORMATS,
    address=ADDRESS,
    direction=st.sampled_from(Direction),
    ptime=st.sampled_from([None, 0.01, 0.02, 0.03]),
    maxptime=st.sampled_from([None, 0.06, 0.15]),
    rtcp=st.one_of(st.none(), st.tuples(PORT, st.one_of(st.none(), ADDRESS))),
    is_rtcp_mux=st.booleans(),
    mid=st.one_of(st.none(), WORD),
    ice=st.one_of(st.none(), st.builds(IceCredentials, WORD, WORD)),
    candidates=CANDIDATES,
    is_end_of_candidates=st.booleans(),
    fingerprints=st.lists(st.just(Fingerprint("sha-256", "AB:CD")), max_size=1).map(tuple),
    setup=st.one_of(st.none(), st.sampled_from(Setup)),
)

OTHER = st.builds(
    OtherMedia,
    kind=st.sampled_from(["video", "application"]),
    port=st.just(0),
    protocol=st.just("UDP/TLS/RTP/SAVPF"),
    formats=st.lists(WORD, min_size=1, max_size=4).map(tuple),
    mid=st.one_of(st.none(), WORD),
)


@given(AUDIO, st.lists(OTHER, max_size=2), st.integers(0, 2), st.integers(0, 2**62), st.booleans())
def test_what_is_written_reads_back_the_same(
    audio: Audio, others: list[OtherMedia], at: int, version: int, is_ice_lite: bool
) -> None:
    media: list[Audio | OtherMedia] = [*others]
    media.insert(at, audio)
    description = SessionDescription(
        session_id="17", version=version, origin="192.0.2.1", media=tuple(media), bundle=("0",), is_ice_lite=is_ice_lite
    )

    assert parse(write(description)) == description


def test_refused_line_is_inactive_and_keeps_its_place() -> None:
    audio = Audio(port=4000, protocol="RTP/AVP", formats=(Format(payload_type=0, name="PCMU", clock_rate=8000),))
    video = OtherMedia(kind="video", port=0, protocol="RTP/AVP", formats=("31", "32"), mid="v")

    lines = write(SessionDescription(media=(video, audio))).split("\r\n")

    assert lines.index("m=video 0 RTP/AVP 31 32") < lines.index("m=audio 4000 RTP/AVP 0")
    assert "a=inactive" in lines
    assert "a=mid:v" in lines


def test_source_lines_name_stream_and_track() -> None:
    audio = Audio(
        port=4000,
        protocol="UDP/TLS/RTP/SAVPF",
        formats=(Format(payload_type=0, name="PCMU", clock_rate=8000),),
        ssrc=77,
        cname="c",
        msid="stream track",
    )

    lines = write(SessionDescription(media=(audio,))).split("\r\n")

    assert "a=msid-semantic: WMS stream" in lines
    assert "a=msid:stream track" in lines
    assert "a=ssrc:77 cname:c" in lines
    assert "a=ssrc:77 msid:stream track" in lines


def test_source_without_stream_has_its_name_only() -> None:
    audio = Audio(
        port=4000,
        protocol="RTP/AVP",
        formats=(Format(payload_type=0, name="PCMU", clock_rate=8000),),
        ssrc=77,
        cname="c",
    )

    text = write(SessionDescription(media=(audio,)))

    assert "a=ssrc:77 cname:c" in text
    assert "msid" not in text
