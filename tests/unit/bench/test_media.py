"""What `make bench` makes of the rounds of its media part."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.media import report
from tests.bench.media.cases import CASES, OPUS, PCMU
from tests.bench.media.payloads import LOUD, QUIET, SMALLEST, bursts, speech
from tests.bench.media.plot import svg
from tests.bench.media.rtpengine import decode_strings, encode
from tests.bench.media.summary import Found, Row, summed_up

PAGE = f"# Benchmarks\n\nBefore.\n{report.BEGIN}\nold figures\n{report.END}\nAfter.\n"


def a_round(server: str, cpu: float, **more: Any) -> Found:  # Any: members of a round, as JSON has them
    measured = {
        "is_measured": True,
        "server": server,
        "case": "PCMU",
        "number": 1,
        "is_delay_pass": False,
        "trouble": "",
        "cpu": cpu,
        "setup_cpu": 2.0,
        "memory": 150.0,
        "lost": [0.0, 0.0],
        "delays": [None, None, None, None],
    }
    return measured | more


@pytest.mark.parametrize(
    ("asked", "in_rounds", "for_delay"),
    [((0,), 100, 50), ((1000,), 1000, 1000), ((1000, 80), 1000, 80), ((0, 7), 100, 7)],
)
def test_how_many_calls_there_are_can_be_said(asked: tuple[int, ...], in_rounds: int, for_delay: int) -> None:
    case = CASES[0].with_calls(*asked)

    assert (case.calls, case.delay_calls) == (in_rounds, for_delay)


def rows_by_server(*found: Found) -> dict[str, Row]:
    return {row.server: row for row in summed_up(found)}


def test_ratio_is_that_of_the_medians() -> None:
    ours = [a_round("native", cpu) for cpu in (1.0, 9.0, 1.2)]
    theirs = [a_round("rtpengine", cpu) for cpu in (2.4, 2.0, 30.0)]

    rows = rows_by_server(*ours, *theirs)

    assert rows["native"].cpu == 1.2
    assert (rows["native"].cpu_least, rows["native"].cpu_most) == (1.0, 9.0)
    assert rows["native"].of_rtpengine == pytest.approx(0.5)
    assert rows["native"].of_janus is None


def test_a_round_that_was_thrown_away_counts_for_nothing_and_is_told() -> None:
    bad = a_round("native", 50.0, trouble="thrown away: other processes used 90 %", lost=[5.0, 5.0], number=2)

    row = rows_by_server(a_round("native", 1.0), bad)["native"]

    assert (row.cpu, row.lost, row.rounds) == (1.0, 0.0, "1/2")
    assert row.note == "round 2 thrown away: other processes used 90 %"


def test_delay_is_taken_from_its_own_pass_and_cpu_is_not() -> None:
    delay = a_round("native", 77.0, is_delay_pass=True, delays=[0.5, 1.5, 0.6, 1.6])

    row = rows_by_server(a_round("native", 1.0, delays=[9.0, 9.0, 9.0, 9.0]), delay)["native"]

    assert row.cpu == 1.0
    assert (row.out_p50, row.out_p99, row.in_p50, row.in_p99) == (0.5, 1.5, 0.6, 1.6)


def test_a_peer_that_is_not_there_is_a_row_without_figures() -> None:
    absent = {"is_measured": False, "server": "janus", "case": "PCMU", "reason": "janus: not installed"}

    row = rows_by_server(a_round("native", 1.0), absent)["janus"]

    assert (row.cpu, row.of_rtpengine, row.note) == (None, None, "not measured: janus: not installed")
    assert row.cost()["ms/call-s"] == "-"
    assert "not measured" in svg([row])


def test_report_replaces_what_stands_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "reference" / "benchmarks.md"
    page.parent.mkdir()
    (tmp_path / "images").mkdir()
    page.write_text(PAGE)

    report.write(summed_up([a_round("native", 1.25), a_round("rtpengine", 2.5)]), page, seconds=20.0)
    report.write(summed_up([a_round("native", 1.0), a_round("rtpengine", 2.0)]), page, seconds=20.0)

    text = page.read_text()
    assert text.startswith("# Benchmarks\n\nBefore.\n")
    assert text.endswith("\nAfter.\n")
    assert "old figures" not in text
    assert "1.25" not in text
    assert "| PCMU, 100 | this gateway | 1/1 | 1.00 | 1.00-1.00 | 0.50 | - |" in text
    assert "this gateway" in (tmp_path / "images" / "benchmark-media.svg").read_text()


def test_report_leaves_a_page_alone_that_has_no_place_for_it(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Something else\n")

    with pytest.raises(ValueError, match="no place"):
        report.write([], page, seconds=20.0)

    assert page.read_text() == "# Something else\n"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=6))
def test_what_rtpengine_is_told_reads_back(members: dict[str, str]) -> None:
    encoded = encode({**members, "flags:": ["a", 1, {"b": "c"}]})

    strings = decode_strings(encoded)

    assert strings == {name.encode(): value.encode() for name, value in members.items() if name != "flags:"}


@pytest.mark.parametrize("codec", [OPUS, PCMU], ids=lambda codec: codec.name)
def test_payloads_of_speech_have_room_for_a_stamp(codec: Any) -> None:  # Any: pytest's parameter
    frames = speech(codec).frames

    assert min(map(len, frames)) >= SMALLEST
    assert len(set(frames)) > len(frames) // 2


def test_each_burst_begins_behind_silence() -> None:
    made = bursts(PCMU)

    assert len(made.frames) % (QUIET + LOUD) == 0
    assert all(made.frames[onset - 1] != made.frames[onset] for onset in made.onsets)
    assert len(made.onsets) == len(made.frames) // (QUIET + LOUD)


def test_only_the_case_whose_ends_differ_is_no_relay() -> None:
    assert [case.name for case in CASES if not case.is_relay] == ["opus-PCMU"]
