"""Figures of a leg as call records and the API show them."""

from gateway.media.quality import Bursts, CodecUse, DirectionQuality, LegQuality, Moment, Sample


def test_what_was_not_measured_is_not_shown() -> None:
    assert DirectionQuality().to_json() == {"packets": 0, "lost": 0}


def test_figures_are_shown_with_their_units_and_no_more_digits_than_they_have() -> None:
    quality = DirectionQuality(
        packets=990,
        lost=10,
        loss=0.0100001,
        bursts=Bursts(density=0.33333333, duration=0.1200001, gap_density=0.0, gap_duration=4.0),
        late=0,
        jitter=0.0012345678,
        level=-21.3456,
        mos=4.3210,
        scale="narrow",
    )

    assert quality.to_json() == {
        "packets": 990,
        "lost": 10,
        "loss": 0.01,
        "bursts": {"density": 0.3333, "duration_s": 0.12, "gap_density": 0.0, "gap_duration_s": 4.0},
        "late": 0,
        "jitter_s": 0.001235,
        "level_dbov": -21.3,
        "mos": 4.32,
        "scale": "narrow",
    }


def test_codecs_are_shown_by_the_time_of_the_call() -> None:
    codecs = (CodecUse("opus", 99.0), CodecUse("PCMU", 107.25))
    leg = LegQuality(inbound=DirectionQuality(), outbound=DirectionQuality(), codecs=codecs, warnings=("no_sound",))

    shown = leg.to_json(began=100.0)

    assert shown["codecs"] == [{"codec": "opus", "at_s": 0.0}, {"codec": "PCMU", "at_s": 7.25}]
    assert (shown["raised"], shown["warnings"]) == ([], ["no_sound"])


def test_a_sample_keeps_what_it_has_not_as_null_so_that_a_graph_has_a_hole_there() -> None:
    sample = Sample(103.5, Moment(0.02, 0.004, 4.2), Moment(), -30.0, None)

    assert sample.to_json(began=100.0) == {
        "at_s": 3.5,
        "inbound": {"loss": 0.02, "jitter_s": 0.004, "mos": 4.2},
        "outbound": {"loss": None, "jitter_s": None, "mos": None},
        "level_dbov": -30.0,
        "round_trip_s": None,
    }
