"""The parser of session descriptions, on what browsers and trunks write, and on garbage."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.core.sdp import Candidate, Direction, Fingerprint, OtherMedia, Setup
from gateway.media.core.sdp_parser import MAX_CANDIDATES, parse, parse_candidate, parse_fmtp
from gateway.media.engine import BadSdp

SAMPLES = Path(__file__).parents[3] / "data" / "sdp"
MINIMAL = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def sample(name: str) -> str:
    return (SAMPLES / name).read_bytes().decode()


def test_chromium_offer_is_read_whole() -> None:
    description = parse(sample("chromium-156-audio.sdp"))

    audio = description.audio
    assert description.bundle == ("0",)
    assert (audio.port, audio.protocol, audio.mid) == (41924, "UDP/TLS/RTP/SAVPF", "0")
    assert [(format_.name, format_.payload_type) for format_ in audio.formats] == [
        ("opus", 111),
        ("red", 63),
        ("G722", 9),
        ("PCMU", 0),
        ("PCMA", 8),
        ("CN", 13),
        ("telephone-event", 110),
        ("telephone-event", 126),
    ]
    assert audio.formats[0].channels == 2
    assert audio.formats[0].fmtp == "minptime=10;useinbandfec=1"
    assert audio.ice is not None
    assert audio.ice.ufrag == "Khhj"
    assert audio.setup is Setup.ACTPASS
    assert audio.direction is Direction.SENDRECV
    assert audio.is_rtcp_mux
    assert [candidate.is_usable for candidate in audio.candidates] == [True, True, False, False]


def test_chromium_offer_before_gathering_has_no_candidates() -> None:
    audio = parse(sample("chromium-156-trickle.sdp")).audio

    assert audio.candidates == ()
    assert audio.ice is not None


def test_candidates_hidden_behind_names_are_read_but_not_usable() -> None:
    audio = parse(sample("chromium-156-mdns.sdp")).audio

    assert len(audio.candidates) == 4
    assert not any(candidate.is_usable for candidate in audio.candidates)


def test_video_and_data_are_kept_in_their_place() -> None:
    description = parse(sample("chromium-156-audio-video-data.sdp"))

    others = [media for media in description.media if isinstance(media, OtherMedia)]
    assert [(media.kind, media.mid) for media in others] == [("video", "1"), ("application", "2")]
    assert others[1].formats == ("webrtc-datachannel",)
    assert description.audio.mid == "0"


def test_recvonly_offer_of_a_listener() -> None:
    assert parse(sample("chromium-156-recvonly.sdp")).audio.direction is Direction.RECVONLY


def test_firefox_fingerprint_at_session_level_applies_to_the_audio_line() -> None:
    audio = parse(sample("firefox-128-audio.sdp")).audio

    assert [fingerprint.algorithm for fingerprint in audio.fingerprints] == ["sha-256"]
    assert [candidate.is_usable for candidate in audio.candidates] == [True, False, True]
    assert audio.is_end_of_candidates
    assert audio.formats[1].channels == 1  # G722/8000/1


def test_trunk_offer_takes_connection_of_session_level() -> None:
    audio = parse(sample("trunk-pcma-pcmu.sdp")).audio

    assert (audio.address, audio.port) == ("198.51.100.20", 14822)
    assert (audio.ptime, audio.maxptime) == (0.02, 0.15)


def test_connection_of_the_media_line_wins() -> None:
    assert parse(MINIMAL + "c=IN IP4 192.0.2.9/127\r\n").audio.address == "192.0.2.9"


def test_static_payload_type_needs_no_rtpmap() -> None:
    audio = parse(sample("trunk-no-rtpmap.sdp")).audio

    assert [(format_.name, format_.clock_rate) for format_ in audio.formats] == [("PCMU", 8000)]


def test_dynamic_payload_type_without_rtpmap_is_left_out() -> None:
    audio = parse(MINIMAL.replace("AVP 0", "AVP 96 0")).audio

    assert [format_.payload_type for format_ in audio.formats] == [0]


def test_unreadable_rtpmap_leaves_its_format_out() -> None:
    audio = parse(
        MINIMAL.replace("AVP 0", "AVP 96 97 98 0") + "a=rtpmap:96 x\r\na=rtpmap:97 x/y\r\na=rtpmap:98 x/1/0\r\n"
    )

    assert [format_.payload_type for format_ in audio.audio.formats] == [0]


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("a=rtcp:4711", (4711, None)),
        ("a=rtcp:4711 IN IP4 192.0.2.7", (4711, "192.0.2.7")),
        ("a=rtcp:0", None),
        ("a=rtcp:99999", None),
        ("a=rtcp:", None),
    ],
)
def test_rtcp_attribute(line: str, rtcp: tuple[int, str | None] | None) -> None:
    assert parse(f"{MINIMAL}{line}\r\n").audio.rtcp == rtcp


def test_direction_of_the_session_applies_unless_the_line_has_its_own() -> None:
    held = MINIMAL.replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n")

    assert parse(held).audio.direction is Direction.INACTIVE
    assert parse(held + "a=sendonly\r\n").audio.direction is Direction.SENDONLY


def test_fingerprints_are_normalised() -> None:
    audio = parse(f"{MINIMAL}a=fingerprint:SHA-256 ab:cd\r\na=fingerprint:broken\r\n").audio

    assert audio.fingerprints == (Fingerprint("sha-256", "AB:CD"),)


def test_unknown_setup_counts_as_absent() -> None:
    assert parse(f"{MINIMAL}a=setup:whatever\r\n").audio.setup is None


def test_first_audio_line_that_is_not_refused_is_used() -> None:
    description = parse(f"{MINIMAL.replace('audio 4000', 'audio 0')}m=audio 5000 RTP/AVP 8\r\n")

    assert description.audio.port == 5000
    assert isinstance(description.media[0], OtherMedia)


def test_bundle_only_line_with_port_zero_is_alive() -> None:
    description = parse(f"{MINIMAL.replace('audio 4000', 'audio 0')}a=bundle-only\r\nm=audio 5000 RTP/AVP 8\r\n")

    assert description.audio.port == 0
    assert description.audio.formats[0].name == "PCMU"


def test_lines_ended_by_newline_alone_are_read() -> None:
    assert parse(MINIMAL.replace("\r\n", "\n")) == parse(MINIMAL)


def test_origin_that_is_cut_short_is_no_reason_to_fail() -> None:
    description = parse(MINIMAL.replace("o=- 1 2 IN IP4 192.0.2.1", "o=-"))

    assert (description.session_id, description.version) == ("0", 0)


def test_ice_lite_is_noticed() -> None:
    assert parse(MINIMAL.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n")).is_ice_lite


def test_candidates_beyond_the_limit_are_left_out() -> None:
    line = "a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n"

    assert len(parse(MINIMAL + line * 500).audio.candidates) == MAX_CANDIDATES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=1\r\n",
        "v=0\r\n",
        MINIMAL.replace("audio", "video"),
        MINIMAL.replace("m=audio 4000 RTP/AVP 0", "m=audio"),
        MINIMAL.replace("4000", "70000"),
        MINIMAL.replace("4000", "-1"),
        MINIMAL.replace("AVP 0", "AVP 300"),
        MINIMAL.replace("AVP 0", "AVP *"),
        MINIMAL.replace("c=IN IP4 192.0.2.1", "c=IN"),
        MINIMAL.replace("c=IN IP4 192.0.2.1", "c=IN IP9 192.0.2.1"),
        MINIMAL + "no line\r\n",
        MINIMAL + "m=audio 4000 RTP/AVP 0\r\n" * 40,
        MINIMAL + "a=x\r\n" * 20000,
    ],
)
def test_what_is_not_a_session_description_is_refused(text: str) -> None:
    with pytest.raises(BadSdp):
        parse(text)


@pytest.mark.parametrize("prefix", ["", "candidate:", "a=candidate:"])
def test_trickled_candidate_with_its_generation(prefix: str) -> None:
    text = (
        f"{prefix}842 1 udp 1677 192.0.2.4 4500 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-cost 9"
    )

    assert parse_candidate(text) == Candidate(
        foundation="842",
        component=1,
        transport="udp",
        priority=1677,
        address="192.0.2.4",
        port=4500,
        kind="srflx",
        ufrag="EsAw",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:",
        "candidate:1 1 udp 1 192.0.2.4 4500 kind host",
        "1 x udp 1 192.0.2.4 1 typ host",
        "a b c d e f g h",
    ],
)
def test_what_is_not_a_candidate_gives_none(text: str) -> None:
    assert parse_candidate(text) is None


@pytest.mark.parametrize(
    ("text", "is_usable"),
    [
        ("1 1 udp 1 192.0.2.4 4500 typ host", True),
        ("1 1 UDP 1 2001:db8::1 4500 typ host", True),
        ("1 2 udp 1 192.0.2.4 4500 typ host", False),
        ("1 1 tcp 1 192.0.2.4 9 typ host", False),
        ("1 1 udp 1 192.0.2.4 0 typ host", False),
        ("1 1 udp 1 example.com 4500 typ host", False),
    ],
)
def test_usable_candidates_are_rtp_over_udp_at_an_address(text: str, is_usable: bool) -> None:
    candidate = parse_candidate(text)

    assert candidate is not None
    assert candidate.is_usable is is_usable


def test_fmtp_parameters() -> None:
    assert parse_fmtp("minptime=10; UseInbandFec=1;broken") == {"minptime": "10", "useinbandfec": "1"}


@given(st.text(max_size=2000))
def test_any_text_parses_or_is_refused(text: str) -> None:
    for candidate in (text, MINIMAL + text, MINIMAL.replace("0\r\n", text, 1)):
        try:
            parse(candidate)
        except BadSdp:
            continue
    parse_candidate(text)


LINES = st.sampled_from(
    [line for name in ("chromium-156-audio.sdp", "trunk-pcma-pcmu.sdp") for line in sample(name).split("\r\n")]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=80), st.integers(0, 60), st.text(max_size=3))
@settings(max_examples=200)
def test_shuffled_and_damaged_lines_parse_or_are_refused(lines: list[str], at: int, damage: str) -> None:
    text = "\r\n".join(["v=0", *lines])

    try:
        parse(text[:at] + damage + text[at:])
    except BadSdp:
        return


def test_largest_allowed_text_is_read_in_no_time() -> None:
    text = MINIMAL + "a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n" * 1300
    began = time.process_time()

    parse(text)

    assert time.process_time() - began < 0.25
