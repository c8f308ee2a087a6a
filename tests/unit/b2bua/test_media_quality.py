"""What a call tells of its media: warnings while it lives, figures at its end."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gateway.b2bua.call_index import shown_samples
from gateway.b2bua.core.call import Ending
from gateway.b2bua.journal import Journal
from gateway.b2bua.measures import CallMeasures
from gateway.b2bua.media_worker import MediaWorker
from gateway.domain.causes import NORMAL_CLEARING
from gateway.domain.facts import CallEnded, Fact
from gateway.domain.ids import CallId, Direction, LegName
from gateway.media.engine import LegStats, MediaEvent, MediaWarning, Profile
from gateway.media.quality import CodecUse, DirectionQuality, LegQuality, Moment, Sample
from gateway.observability.metrics import REGISTRY
from tests.fakes.media import FakeMediaEngine

CALL = CallId("one")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def journal(quality: LegQuality, emit: Callable[[Fact], None]) -> Journal:
    return Journal(
        CALL, Direction.OUTBOUND, emit=emit, stats=dict[LegName, LegStats], quality=lambda: {LegName.A: quality}
    )


def end(of: Journal) -> None:
    of.ended(Ending(NORMAL_CLEARING, LegName.A), trunk=None, sip_call_id=None)


async def test_figures_of_a_call_are_in_its_last_fact_its_last_line_and_the_metrics() -> None:
    facts: list[Fact] = []
    began = asyncio.get_running_loop().time()
    inbound = DirectionQuality(packets=990, lost=10, loss=0.01, concealed=0.02, mos=4.1, scale="full")
    quality = LegQuality(
        inbound=inbound,
        outbound=DirectionQuality(packets=5),
        codecs=(CodecUse("opus", began),),
        warnings=("high_loss",),
    )
    mos = {"leg": "a", "direction": "in", "scale": "full"}
    before = value("gateway_call_mos_count", **mos), value("gateway_call_concealed_ratio_sum", leg="a")

    end(journal(quality, facts.append))
    with capture_logs() as logs:
        CallMeasures().take(facts[0])

    assert isinstance(facts[0], CallEnded)
    told = facts[0].quality["a"]
    assert (told["inbound"], told["warnings"]) == (inbound.to_json(), ["high_loss"])
    line = next(line for line in logs if line["event"] == "call_ended")
    assert (line["a_loss_in"], line["a_mos_in"], line["a_warnings"]) == (0.01, 4.1, ["high_loss"])
    assert "a_mos_out" not in line
    assert value("gateway_call_mos_count", **mos) == before[0] + 1
    assert value("gateway_call_concealed_ratio_sum", leg="a") == pytest.approx(before[1] + 0.02)


async def test_of_a_call_of_which_nothing_is_known_nothing_is_said() -> None:
    nothing = LegQuality(inbound=DirectionQuality(), outbound=DirectionQuality())
    facts: list[Fact] = []

    end(journal(nothing, facts.append))
    with capture_logs() as logs:
        CallMeasures().take(facts[0])

    assert [name for name in logs[-1] if name.startswith("a_")] == []


async def test_a_warning_is_one_line_and_one_count_and_its_end_another_line() -> None:
    worker = MediaWorker(CALL, FakeMediaEngine(), lambda event: None)
    take: Callable[[MediaEvent], None] = worker._take_event
    before = value("gateway_media_warnings_total", leg="b", warning="no_sound")

    with capture_logs() as logs:
        take(MediaWarning(LegName.B, "no_sound", is_raised=True))
        take(MediaWarning(LegName.B, "no_sound", is_raised=False))

    assert [(line["event"], line["leg"], line["warning"]) for line in logs] == [
        ("media_warning", "b", "no_sound"),
        ("media_warning_over", "b", "no_sound"),
    ]
    assert value("gateway_media_warnings_total", leg="b", warning="no_sound") == before + 1


async def test_samples_of_a_live_call_are_told_by_its_own_time_and_only_the_new_ones() -> None:
    loop, engine = asyncio.get_running_loop(), FakeMediaEngine()
    began = loop.time()
    session = await engine.open(
        call_id=CALL, a=Profile.WEBRTC, b=Profile.RTP, codecs_a=(), codecs_b=(), on_event=lambda event: None
    )
    session.samples = tuple(Sample(began + second, Moment(), Moment(), None, None) for second in (1.0, 2.0, 3.0))

    shown = shown_samples(session.history(), began, after=1.0)

    assert {leg: [sample["at_s"] for sample in samples] for leg, samples in shown.items()} == {
        "a": [2.0, 3.0],
        "b": [2.0, 3.0],
    }
