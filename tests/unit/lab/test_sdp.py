"""Session descriptions of the lab."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import Sdp
from gateway.lab import sdp
from gateway.lab.sdp import G722, OPUS, PCMA, PCMU, Agreed, Codec, LabSdpError, Stream, Way

EVENT = Codec("telephone-event", 8000)


def text(*lines: str) -> Sdp:
    return Sdp("\r\n".join(("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", *lines)) + "\r\n")


def offer_of(*codecs: str, way: str = "sendrecv") -> Sdp:
    types = " ".join(codec.split("=")[0] for codec in codecs)
    maps = [f"a=rtpmap:{codec.replace('=', ' ')}" for codec in codecs]
    return text("c=IN IP4 127.0.0.1", "t=0 0", f"m=audio 4000 RTP/AVP {types}", *maps, f"a={way}")


def test_first_codec_of_the_offer_that_both_speak_is_chosen() -> None:
    remote = sdp.parse(offer_of("18=G729/8000", "8=PCMA/8000", "0=PCMU/8000", "97=telephone-event/8000"))

    assert sdp.agree(remote, sdp.G711_CODECS) == Agreed(PCMA, 8, 8, 97, 97)


def test_echo_takes_opus_with_the_telephone_event_of_its_clock() -> None:
    remote = sdp.parse(offer_of("111=opus/48000/2", "97=telephone-event/8000", "110=telephone-event/48000"))

    assert sdp.agree(remote, sdp.ALL_CODECS) == Agreed(OPUS, 111, 111, 110, 110)


def test_static_payload_types_need_no_rtpmap() -> None:
    remote = sdp.parse(text("c=IN IP4 127.0.0.1", "t=0 0", "m=audio 4000 RTP/AVP 9 0 8"))

    assert dict(remote.codecs) == {9: G722, 0: PCMU, 8: PCMA}
    assert remote.way is Way.SENDRECV


def test_payload_types_of_an_answer_may_differ_from_those_of_our_offer() -> None:
    remote = sdp.parse(offer_of("96=PCMU/8000", "97=telephone-event/8000"))

    agreed = sdp.agree(remote, sdp.G711_CODECS, ours=sdp.OFFERED)

    assert agreed == Agreed(PCMU, 96, 0, 97, 101)
    assert [agreed.payload_type_to(received) for received in (0, 101, 8)] == [96, 97, None]


def test_answer_without_telephone_event_leaves_digits_out() -> None:
    agreed = sdp.agree(sdp.parse(offer_of("0=PCMU/8000")), sdp.G711_CODECS, ours=sdp.OFFERED)

    assert agreed == Agreed(PCMU, 0, 0, None, None)


@pytest.mark.parametrize(
    "broken",
    [
        text("c=IN IP4 127.0.0.1", "t=0 0"),
        text("c=IN IP4 127.0.0.1", "m=video 4000 RTP/AVP 96"),
        text("c=IN IP4 127.0.0.1", "m=audio 4000 UDP/TLS/RTP/SAVPF 0"),
        text("m=audio 4000 RTP/AVP 0"),
        text("c=IN IP6 ::1", "m=audio 4000 RTP/AVP 0"),
        text("c=IN", "m=audio 4000 RTP/AVP 0"),
        text("c=IN IP4 127.0.0.1", "m=audio 70000 RTP/AVP 0"),
        text("c=IN IP4 127.0.0.1", "m=audio 4000 RTP/AVP 0 200"),
        Sdp(""),
    ],
)
def test_description_that_cannot_be_used_is_refused(broken: Sdp) -> None:
    with pytest.raises(LabSdpError):
        sdp.parse(broken)


@pytest.mark.parametrize("unusable", [offer_of("18=G729/8000"), text("c=IN IP4 1.2.3.4", "m=audio 0 RTP/AVP 0")])
def test_offer_without_a_common_codec_or_a_port_is_refused(unusable: Sdp) -> None:
    with pytest.raises(LabSdpError):
        sdp.agree(sdp.parse(unusable), sdp.ALL_CODECS)


@given(st.text())
def test_any_text_is_read_or_refused(garbage: str) -> None:
    try:
        sdp.parse(Sdp(garbage))
    except LabSdpError:
        return


@pytest.mark.parametrize(
    ("way", "answer", "is_held"),
    [
        (Way.SENDRECV, Way.SENDRECV, False),
        (Way.SENDONLY, Way.RECVONLY, True),
        (Way.RECVONLY, Way.SENDONLY, False),
        (Way.INACTIVE, Way.INACTIVE, True),
    ],
)
def test_direction_is_answered_by_its_mirror(way: Way, answer: Way, is_held: bool) -> None:
    remote = sdp.parse(offer_of("0=PCMU/8000", way=way.value))

    assert (remote.way.answer, remote.is_held) == (answer, is_held)


def test_old_way_to_hold_is_understood() -> None:
    remote = sdp.parse(text("c=IN IP4 0.0.0.0", "m=audio 4000 RTP/AVP 0"))

    assert remote.is_held


def test_offer_reads_back_as_it_was_meant() -> None:
    written = sdp.write(address="127.0.0.1", port=4002, codecs=sdp.OFFERED, way=Way.SENDRECV, session_id=7, version=1)

    assert sdp.parse(written) == Stream(
        address="127.0.0.1",
        port=4002,
        codecs={0: PCMU, 8: PCMA, 101: EVENT},
        way=Way.SENDRECV,
        media=("audio 4002 RTP/AVP 0 8 101",),
    )
    assert "a=ptime:20\r\n" in written
    assert "a=fmtp:101 0-15\r\n" in written


def test_answer_refuses_the_other_streams_and_keeps_their_order_and_the_profile() -> None:
    offer = sdp.parse(
        text("c=IN IP4 127.0.0.1", "m=video 5000 RTP/AVP 96", "m=audio 4000 RTP/AVPF 0", "m=image 6000 udptl t38")
    )

    answer = sdp.write(
        address="127.0.0.1",
        port=4002,
        codecs={0: PCMU},
        way=Way.SENDRECV,
        session_id=7,
        version=1,
        answered=offer,
    )

    assert [line for line in answer.split("\r\n") if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96",
        "m=audio 4002 RTP/AVPF 0",
        "m=image 0 udptl t38",
    ]
