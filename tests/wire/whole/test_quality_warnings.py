"""A call behind a bad network: what the API, the metrics and what is kept of the call say of it, and until when."""

import asyncio
import re
from typing import Any

from tests.harness.gateway import Running
from tests.wire.media.weather import LOSSY, SHAKEN, talking
from tests.wire.whole.phone import Phone, phone

PATIENCE = 40.0
"""Seconds: a warning wants ten of them, taking it back as many at most."""


async def warned(gateway: Running, listener: Phone, call: str, warnings: dict[str, list[str]]) -> dict[str, Any]:
    """The only call, as soon as these warnings of its legs stand. Looks twice a second, by the packets that come."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await listener.listen(call, codec="PCMU", frames=25)
            (found,) = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
            if found["warnings"] == warnings:
                return dict(found)


def raised(metrics: str, leg: str, warning: str) -> float:
    """How many legs had it so far."""
    found = re.search(rf'^gateway_media_warnings_total{{leg="{leg}",warning="{warning}"}} (\S+)$', metrics, re.M)
    return float(found[1]) if found else 0.0


async def test_loss_and_jitter_are_shown_while_they_last_counted_once_and_kept_of_the_call(gateway: Running) -> None:
    """Takes as long as it takes until they are a trend: ten seconds."""
    before = await gateway.metrics()
    async with phone(gateway, codecs=["PCMU"]) as alice, phone(gateway, "robert", codecs=["PCMU"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)
        with (
            talking(alice.media[call], LOSSY, seed=2) as lossy,
            talking(robert.media[theirs], SHAKEN, seed=2) as shaken,
        ):
            live = await warned(gateway, alice, call, {"a": ["high_loss"], "b": ["high_jitter"]})
            during = await gateway.metrics()
            lossy.gets_a_good_network()
            lossy.hurries()
            shaken.gets_a_good_network()
            await warned(gateway, alice, call, {})
        await alice.hang_up(call)
        await robert.verto.wait_for("telnyx_rtc.bye", call_id=theirs)

    async with asyncio.timeout(PATIENCE):
        while not (ended := (await gateway.get("/v2/gateway/calls?state=ended"))["data"]):
            pass
    kept = (await gateway.get(f"/v2/gateway/calls/{live['call_id']}/quality"))["data"]["legs"]
    after = await gateway.metrics()

    assert live["media"]["b_jitter_s"] > 0.05
    assert ended[0]["warnings"] == {"a": ["high_loss"], "b": ["high_jitter"]}
    assert (kept["a"]["warnings"], kept["a"]["raised"]) == (["high_loss"], [])
    assert (kept["b"]["warnings"], kept["b"]["raised"]) == (["high_jitter"], [])
    for leg, warning in (("a", "high_loss"), ("b", "high_jitter")):
        assert raised(during, leg, warning) == raised(after, leg, warning) == raised(before, leg, warning) + 1
