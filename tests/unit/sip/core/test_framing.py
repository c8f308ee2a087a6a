"""Cutting a TCP stream into messages."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.framing import Broken, Frame, MessageFrame, Ping, StreamFramer
from gateway.sip.core.message import serialize
from tests.unit.sip.core.messages import request

LIMIT = 4096


def frames_of(pieces: Sequence[bytes]) -> list[Frame]:
    framer = StreamFramer(max_message_bytes=LIMIT)
    return [frame for piece in pieces for frame in framer.receive(piece)]


def comparable(frames: list[Frame]) -> list[object]:
    return [("broken", str(frame.error)) if isinstance(frame, Broken) else frame for frame in frames]


ELEMENTS = st.one_of(
    st.binary(max_size=30).map(lambda body: serialize(request("MESSAGE", body=body))),
    st.sampled_from([b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"]),
)


@given(st.lists(ELEMENTS, max_size=6).map(b"".join), st.lists(st.integers(0, 3000), max_size=12))
def test_stream_cut_anywhere_gives_the_same_frames(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]

    assert frames_of(pieces) == frames_of([stream])


@given(st.binary(max_size=400), st.integers(1, 7))
def test_any_bytes_give_the_same_frames_however_they_are_cut(stream: bytes, size: int) -> None:
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]

    assert comparable(frames_of(pieces)) == comparable(frames_of([stream]))


def test_messages_and_keep_alives_come_out_in_order() -> None:
    one, two = serialize(request("INVITE", body=b"\r\n\r\nINVITE")), serialize(request("BYE"))

    frames = frames_of([one + b"\r\n\r\n" + two + b"\r\n" + one])

    assert frames == [MessageFrame(one), Ping.PING, MessageFrame(two), MessageFrame(one)]


def test_byte_by_byte_is_enough() -> None:
    one = serialize(request("MESSAGE", body=b"hello"))

    assert frames_of([bytes([byte]) for byte in b"\r\n\r\n" + one + one]) == [
        Ping.PING,
        MessageFrame(one),
        MessageFrame(one),
    ]


def test_content_length_is_found_short_folded_and_in_any_case() -> None:
    for field in (b"l:5", b"L : 5", b"CONTENT-LENGTH:\r\n\t5", b"content-length: 5  "):
        message = b"MESSAGE sip:a@b SIP/2.0\r\n" + field + b"\r\n\r\nhello"
        assert frames_of([message + message]) == [MessageFrame(message), MessageFrame(message)]


@pytest.mark.parametrize(
    "fields",
    [
        *(b"To: x", b"Content-Length: 5\r\nl: 5", b"Content-Length: -5", b"Content-Length: five", b"Content-Length:"),
        *(b"Content-Length: 5, 5", b"Content-Length: " + b"9" * 60, b"X: y\r\n Content-Length: 5"),
    ],
)
def test_stream_without_one_usable_length_is_broken_for_good(fields: bytes) -> None:
    framer = StreamFramer(max_message_bytes=LIMIT)
    good = serialize(request())

    frames = framer.receive(good + b"MESSAGE sip:a@b SIP/2.0\r\n" + fields + b"\r\n\r\nhello")

    assert frames[0] == MessageFrame(good)
    assert isinstance(frames[1], Broken)
    assert frames[1].error.status == 400
    assert frames[1].head.startswith(b"MESSAGE")
    assert framer.receive(good) == []
    assert not framer.is_mid_message


def test_announced_length_above_the_limit_is_refused_before_it_comes() -> None:
    frames = frames_of([b"MESSAGE sip:a@b SIP/2.0\r\nContent-Length: 4096\r\n\r\n"])

    assert [frame.error.status for frame in frames if isinstance(frame, Broken)] == [513]


def test_endless_header_fields_are_cut_at_the_limit() -> None:
    framer = StreamFramer(max_message_bytes=LIMIT)
    frames: list[Frame] = []
    sent = 0
    while not frames and sent <= 2 * LIMIT:
        frames = framer.receive(b"x" * 100)
        sent += 100

    assert [frame.error.status for frame in frames if isinstance(frame, Broken)] == [513]
    assert sent <= LIMIT + 100


def test_begun_message_is_known_as_such() -> None:
    framer = StreamFramer(max_message_bytes=LIMIT)
    message = serialize(request(body=b"abc"))

    begun: list[bool] = []
    for piece in (b"", message[:-1], message[-1:], b"\r\n"):
        framer.receive(piece)
        begun.append(framer.is_mid_message)

    assert begun == [False, True, False, False]
