"""Frames in debug lines carry no secret."""

import json

import pytest

from gateway.vsp.frame_log import MAX_LOGGED, masked_frame
from tests.unit.vsp.conversation import invite


@pytest.mark.parametrize("secret", ["hunter2", 'a"b\\c', "ü;x"])
@pytest.mark.parametrize("name", ["passwd", "login_token", "dtmf", "password", "credential", "push_device_token"])
def test_v59_no_secret_member_reaches_a_log_line(name: str, secret: str) -> None:
    frame = json.dumps({"params": {name: secret, "deep": [{name.upper(): secret}]}}, indent=1)

    logged = masked_frame(frame)

    assert json.loads(logged) == {"params": {name: "***", "deep": [{name.upper(): "***"}]}}


def test_v59_turn_credentials_of_an_invite_are_masked() -> None:
    assert "top-secret" not in masked_frame(json.dumps(invite()))


def test_keys_of_a_description_are_masked_however_deep_it_is_quoted() -> None:
    sdp = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:supersecret\r\na=crypto:1 AES inline:supersecret\r\n"
    frame = json.dumps({"params": {"sdp": sdp, "data": json.dumps({"sdp": sdp})}})

    logged = masked_frame(frame)

    assert "supersecret" not in logged
    assert logged.count("a=ice-pwd:***") == logged.count("a=ice-ufrag:abcd") == 2


@pytest.mark.parametrize("text", ['{"params":{"passwd":"hunter2"', "hunter2", "[" * 5000, "[" * 900 + "]" * 900])
def test_a_torn_or_bottomless_frame_is_logged_by_its_length(text: str) -> None:
    assert masked_frame(text) == f"({len(text)} characters, not JSON or too deep)"


def test_a_long_frame_is_cut() -> None:
    assert len(masked_frame(json.dumps({"x": "y" * 100_000}))) <= MAX_LOGGED + 1
