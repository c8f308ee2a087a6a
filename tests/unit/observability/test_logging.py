"""What never reaches a log."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.observability.logging import MASK, configure, get_logger, mask_text

JWT = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw"


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written: list[str] = []

    def read() -> str:
        written.append(capsys.readouterr().err)
        return "".join(written)

    yield read
    root.handlers[:], root.level = handlers, level
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"method":"login","params":{"login":"a","passwd":"s3cret"}}', "s3cret"),
        ('{"login_token": "' + JWT + '"}', JWT),
        ('{"iceServers":[{"urls":"turn:x","credential":"turnpass"}]}', "turnpass"),
        ('{"params":{"dtmf":"4711"}}', "4711"),
        ("INVITE sip:a SIP/2.0\r\nAuthorization: Digest response=abcdef\r\n\r\n", "abcdef"),
        ("Proxy-Authorization: Digest response=abcdef", "abcdef"),
        ("v=0\r\na=ice-pwd:verysecretpwd\r\n", "verysecretpwd"),
        ("crypto 1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY|2^20", "KEYKEY"),
        ("v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY\r\n", "KEYKEY"),
        ("Authorization: Bearer KEY0123", "KEY0123"),
        ('{"sdp":"v=0\\r\\na=ice-pwd:verysecretpwd\\r\\na=mid:0\\r\\n"}', "verysecretpwd"),
        ('{"passwd":"quote\\"tail"}', "tail"),
        ("token " + JWT + " seen", JWT),
    ],
)
def test_secret_in_a_frame_or_message_is_masked(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in mask_text(text)
    assert MASK in mask_text(text)


def test_lines_behind_a_masked_one_stay_readable() -> None:
    assert mask_text('{"sdp":"a=ice-pwd:x\\r\\na=mid:0"}') == '{"sdp":"a=ice-pwd:***\\r\\na=mid:0"}'


def test_text_without_secret_is_left_as_it_is() -> None:
    text = "INVITE sip:+12025550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n"

    assert mask_text(text) == text


@pytest.mark.parametrize("text", ["bearer\tKEY0123", '"digits":"4711"', "inline:KEY", JWT])
def test_secret_is_found_in_a_text_that_has_next_to_nothing_else(text: str) -> None:
    assert MASK in mask_text(text)


def test_logger_has_the_name_of_its_module(caplog: pytest.LogCaptureFixture, stderr: Callable[[], str]) -> None:
    configure(level="info", format="json")
    logging.getLogger().addHandler(caplog.handler)

    get_logger().info("session_opened")

    assert [record.name for record in caplog.records] == [__name__]


def test_log_line_is_json_with_masked_keys(stderr: Callable[[], str]) -> None:
    configure(level="info", format="json")

    get_logger().info("session_opened", password="s3cret", session_id="s1", frame='{"passwd":"s3cret"}')

    line = json.loads(stderr())
    assert line["event"] == "session_opened"
    assert line["level"] == "info"
    assert line["session_id"] == "s1"
    assert "s3cret" not in stderr()


def test_line_below_the_level_is_not_written(stderr: Callable[[], str]) -> None:
    configure(level="warning", format="json")

    get_logger().info("session_opened")
    logging.getLogger("aioice").info("noise")
    logging.getLogger("other").warning("kept %s", "here")

    assert [json.loads(line)["event"] for line in stderr().splitlines()] == ["kept here"]


def test_logger_that_was_used_before_follows_the_next_configuration(stderr: Callable[[], str]) -> None:
    configure(level="info", format="json")
    log = get_logger()
    log.info("session_opened")

    configure(level="warning", format="console")
    log.info("session_renewed")
    log.warning("session_refused")
    with capture_logs() as captured:
        log.info("session_closed")

    first, *others = stderr().splitlines()
    assert json.loads(first)["event"] == "session_opened"
    assert "session_refused" in "".join(others)
    assert "session_renewed" not in "".join(others)
    assert [line["event"] for line in captured] == ["session_closed"]


def test_traceback_is_part_of_the_line(stderr: Callable[[], str]) -> None:
    configure(level="info", format="json")

    try:
        raise RuntimeError("a defect with Authorization: Bearer KEY0123")
    except RuntimeError:
        get_logger().exception("call_crashed")

    exception = json.loads(stderr())["exception"]
    assert "RuntimeError: a defect" in exception
    assert "KEY0123" not in exception


def test_console_format_is_readable_and_masked(stderr: Callable[[], str]) -> None:
    configure(level="info", format="console")

    get_logger().info("session_opened", token="abc123")

    assert "session_opened" in stderr()
    assert "abc123" not in stderr()
