"""What `make bench` makes of speech at loss, as far as it needs no packages of its own."""

from pathlib import Path

import pytest

from gateway.media.core import tones
from tests.bench.speech import routes, rows
from tests.bench.speech.routes import G722, OPUS, PCMU
from tests.bench.speech.rows import Row, Verdict, summed_up

PAIRS = [(Verdict(0.95, 4.0), Verdict(0.96, 3.9)), (Verdict(0.97, 4.2), Verdict(0.96, 4.1))]
PAGE = f"# Benchmarks\n\nBefore.\n{rows.BEGIN}\nold figures\n{rows.END}\nAfter.\n"


def test_losses_have_the_share_that_was_asked_for_and_spare_both_ends() -> None:
    lost = routes.losses(5000, 0.2, seed=1)

    assert 0.18 < sum(lost) / len(lost) < 0.22
    assert lost == routes.losses(5000, 0.2, seed=1) != routes.losses(5000, 0.2, seed=2)
    assert not any(lost[:15] + lost[-15:])


def test_a_row_has_means_and_the_worst_difference() -> None:
    row = summed_up("a way", 5, PAIRS)

    assert (row.stoi, row.demo_stoi, row.distance) == pytest.approx((0.96, 0.96, 4.1))
    assert row.worst == pytest.approx(-0.01)
    assert row.is_as_good
    assert not Row("a way", 5, 0.94, 0.96, -0.02, 4.0, 4.0).is_as_good


def test_figures_replace_what_stands_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    rows.write([summed_up("a way", 5, PAIRS)], page, version="1.6.1", patterns=3)

    text = page.read_text()
    assert text.startswith("# Benchmarks\n\nBefore.\n") and text.endswith(f"{rows.END}\nAfter.\n")
    assert "old figures" not in text
    assert "libopus 1.6.1" in text
    assert "| a way | 5 | 0.9600 | 0.9600 | -0.0100 | 4.10 | 4.00 | yes |" in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Benchmarks\n")

    with pytest.raises(ValueError, match="no place for the figures of speech"):
        rows.write([], page, version="1.6.1", patterns=3)


@pytest.mark.parametrize("trunk", [PCMU, G722], ids=lambda trunk: trunk.name)
def test_every_way_has_sound_in_and_sound_out(trunk: routes.Speaks) -> None:
    said = tones.tone(500, seconds=2.0)
    packets = routes.to_browser(said, PCMU, expected_loss=0)
    lost = routes.losses(len(packets), 0.1, seed=1)

    assert OPUS.leg[0] == "opus"
    for heard, rate in (
        (routes.to_trunk(packets, lost, trunk), trunk.sound_rate),
        (routes.recorded(packets, lost), routes.RECORDING_RATE),
        (routes.coded(said, PCMU), PCMU.sound_rate),
    ):
        assert 1.8 < len(heard) / 2 / rate < 2.8
        assert -14.0 < tones.power(heard[rate : 2 * rate], 500, rate=rate) < -8.0
