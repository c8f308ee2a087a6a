"""Documents: reading what a client posted, marking it with what we know, joining segments."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reports.documents import (
    BadUpload,
    Origin,
    call_recording,
    call_report,
    debug_frames,
    joined,
    normal_call_id,
    read_object,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ORIGIN = Origin(call_id="c1", report_id="r1", session_id="s1", connection_id="1", username="alice", user_agent="test/1")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("posted", "stem"),
    [
        ({"segment": 0}, "0"),
        ({"segment": 12}, "12"),
        ({}, "final"),
        ({"segment": None}, "final"),
        ({"segment": True}, "final"),
        ({"segment": -1}, "final"),
        ({"segment": 10**12}, "final"),
        ({"segment": "../../etc/passwd"}, "final"),
    ],
)
def test_a_report_is_named_by_its_segment(posted: dict[str, object], stem: str) -> None:
    assert call_report(json.dumps(posted).encode(), ORIGIN, NOW).stem == stem


def test_what_we_know_wins_over_what_the_client_says_of_itself() -> None:
    posted = {"connection_id": "2", "call_id": "other", "stored_at": "1970", "android_extra": {"a": 1}}

    content = json.loads(call_report(json.dumps(posted).encode(), ORIGIN, NOW).content)

    assert content == {
        "call_id": "c1",
        "call_report_id": "r1",
        "voice_sdk_session_id": "s1",
        "connection_id": "1",
        "username": "alice",
        "user_agent": "test/1",
        "stored_at": "2026-05-01T12:00:00.250Z",
        "android_extra": {"a": 1},
    }


@given(st.dictionaries(st.text(), json_values, max_size=5), st.sampled_from([None, 2]))
def test_every_object_is_kept_whole(posted: dict[str, object], indent: int | None) -> None:
    body = json.dumps(posted, indent=indent).encode() + b"\r\n "

    content = json.loads(call_report(body, ORIGIN, NOW).content)

    assert content == {**posted, **ORIGIN.marks(NOW)}


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_a_bad_upload(body: bytes) -> None:
    try:
        content = call_report(body, ORIGIN, NOW).content
    except BadUpload:
        return
    assert json.loads(content)["call_id"] == "c1"


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"a": NaN}', b'{"a": Infinity}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadUpload):
        read_object(body)


def test_half_a_surrogate_pair_is_taken_as_javascript_writes_it() -> None:
    content = call_report(b'{"logs": [{"message": "\\ud800"}]}', ORIGIN, NOW).content

    assert json.loads(content)["logs"] == [{"message": "\ud800"}]


@pytest.mark.parametrize("track", ["local", "remote"])
def test_a_recording_goes_into_the_folder_of_its_track(track: str) -> None:
    document = call_recording(json.dumps({"track": track, "segment": "final"}).encode(), ORIGIN, NOW)

    assert (document.folder, document.stem) == (f"call_recording/{track}", "0")


@pytest.mark.parametrize("track", ["../local", "", None, 1, ["local"]])
def test_a_recording_of_an_unknown_track_is_refused(track: object) -> None:
    with pytest.raises(BadUpload, match="track"):
        call_recording(json.dumps({"track": track}).encode(), ORIGIN, NOW)


def test_debug_frames_are_kept_as_they_came() -> None:
    frames = ['{"type": "debug_report_start"}', '{\n "type":"debug_report_data", "x": "\\ud800 é"\n}']

    document = debug_frames(frames, ORIGIN, NOW, debug_report_id='d"1', dropped=3)

    content = json.loads(document.content)
    assert content["frames"] == [json.loads(frame) for frame in frames]
    assert (content["debug_report_id"], content["frames_dropped"], content["call_id"]) == ('d"1', 3, "c1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0DE2C6B1-7A51-4C5C-8F0B-0E1B2C3D4E5F", "0de2c6b1-7a51-4c5c-8f0b-0e1b2c3d4e5f"),
        ("my_call.1", "my_call.1"),
        ("..", None),
        (".hidden", None),
        ("a/b", None),
        ("a\\b", None),
        ("", None),
        ("a" * 129, None),
        ("é", None),
    ],
)
def test_a_call_id_is_taken_in_any_case_and_only_if_it_is_a_name(text: str, expected: str | None) -> None:
    assert normal_call_id(text) == expected


def test_segments_are_joined_in_their_order_with_the_last_summary() -> None:
    def segment(number: int | None, **more: object) -> dict[str, object]:
        summary = {"startTimestamp": "2026-05-01T12:00:00.000Z", "state": f"state-{number}"}
        numbered = {} if number is None else {"segment": number}
        return {**numbered, "summary": summary, "stats": [number], "logs": [f"log-{number}"], **more}

    whole = joined([segment(2), segment(10), segment(0, flushReason={"type": "buffer-limit"}), segment(11)])

    assert whole["stats"] == [0, 2, 10, 11]
    assert whole["logs"] == ["log-0", "log-2", "log-10", "log-11"]
    assert whole["summary"]["state"] == "state-11"
    assert [part["segment"] for part in whole["segments"]] == [0, 2, 10, 11]
    assert "segment" not in whole and "flushReason" not in whole


def test_a_report_without_a_segment_is_the_last_of_its_call_object() -> None:
    first = {"summary": {"startTimestamp": "2026-05-01T12:00:00.000Z"}}
    again = {"summary": {"startTimestamp": "2026-05-01T12:05:00.000Z"}}  # the page was reloaded

    whole = joined(
        [
            {**again, "segment": 0, "stats": [3]},
            {**first, "stats": [2]},
            {**again, "stats": [4]},
            {**first, "segment": 0, "stats": [1]},
        ]
    )

    assert whole["stats"] == [1, 2, 3, 4]


def test_parts_of_other_forms_do_not_break_the_joined_report() -> None:
    whole = joined([{"summary": 1, "stats": {"a": 1}, "logs": {"entries": ["x"]}, "segment": "0"}, {}])

    assert (whole["stats"], whole["logs"]) == ([], ["x"])
