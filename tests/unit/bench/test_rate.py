"""What the rate part of `make bench` plans, answers and makes of what it sees."""

import io

import pytest

from tests.bench.__main__ import figures_console, table
from tests.bench.media import sip_end
from tests.bench.media.cases import PCMU
from tests.bench.media.web_end import WebEnd
from tests.bench.rate import trunk
from tests.bench.rate.callers import NotAnswered, Refused, make_calls
from tests.bench.rate.measure import percentile
from tests.bench.rate.plan import Load

INVITE = [
    "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1",
    "Max-Forwards: 70",
    "From: <sip:a@127.0.0.1>;tag=1",
    "To: <sip:b@127.0.0.1>",
    "Call-ID: 1@here",
    "CSeq: 1 INVITE",
]


@pytest.mark.parametrize(("text", "load"), [("100", Load(100.0)), ("40/200", Load(40.0, 200)), ("2.5", Load(2.5))])
def test_load_is_a_rate_and_how_many_talk_beside(text: str, load: Load) -> None:
    assert Load.parse(text) == load


def test_trunk_answers_with_the_headers_of_the_request_and_a_tag_of_its_own() -> None:
    head, _, body = trunk.answer(INVITE, "127.0.0.1:5070", "v=0\r\n").decode().partition("\r\n\r\n")

    assert head.split("\r\n") == [
        "SIP/2.0 200 OK",
        *(INVITE[index] for index in (0, 2, 4, 5)),
        "To: <sip:b@127.0.0.1>;tag=bench",
        "Contact: <sip:bench@127.0.0.1:5070>",
        "Content-Type: application/sdp",
        "Content-Length: 5",
    ]
    assert body == "v=0\r\n"


def test_trunk_leaves_the_tag_of_a_dialog_alone_and_describes_nothing_in_answer_to_a_bye() -> None:
    bye = [*INVITE[:3], "To: <sip:b@127.0.0.1>;tag=bench", "Call-ID: 1@here", "CSeq: 2 BYE"]

    head, _, body = trunk.answer(bye, "127.0.0.1:5070", "").decode().partition("\r\n\r\n")

    assert "To: <sip:b@127.0.0.1>;tag=bench" in head.split("\r\n")
    assert "Content-Type" not in head
    assert head.endswith("Content-Length: 0")
    assert body == ""


async def test_call_that_there_is_too_much_to_do_for_is_refused_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_end, "ADDRESS", "127.0.0.1")

    async def place(_web: WebEnd) -> float:
        raise Refused(0.020)

    outcome = await make_calls(place, PCMU, 200.0, 0.01)

    assert (outcome.refused, outcome.lost, outcome.answered) == ([20.0] * 2, [], [])


async def test_calls_leave_at_their_times_and_those_that_fail_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_end, "ADDRESS", "127.0.0.1")
    placed: list[WebEnd] = []

    async def place(web: WebEnd) -> float:
        placed.append(web)
        if len(placed) % 2:
            raise NotAnswered("USER_BUSY")
        return 0.010

    outcome = await make_calls(place, PCMU, 200.0, 0.05)

    assert len(placed) == len(outcome.late) == 10
    assert outcome.answered == [10.0] * 5
    assert outcome.lost == ["USER_BUSY"] * 5
    assert all(web.socket.fileno() == -1 for web in placed)


def test_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile(range(100), share) for share in (0.0, 0.5, 0.99, 1.0)] == [0, 50, 99, 99]


def test_figures_are_whole_in_a_file_which_has_no_width() -> None:
    file = io.StringIO()

    figures_console(file).print(table("rate", [{f"figure_{number}": "x" * 20 for number in range(3)}] * 6))

    assert file.getvalue().count("x" * 20) == 18
